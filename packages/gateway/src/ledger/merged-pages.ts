/**
 * Pages of dispatches over every tenant, newest first. What is newest belongs to the tenants whose last entry is newest, so
 * they are looked at in that order, and only as many as a page needs: one of a thousand tenants costs no thousand questions.
 */
import type { DispatchRecord, List } from '@weighbridge/protocol';
import { sql } from 'kysely';
import type { Store } from '../store/store.ts';

type Page = List<DispatchRecord>;

/** A tenant and its newest entry below the cursor. */
interface Head {
  tenantId: string;
  entryId: string;
}

export interface TenantsAtOnce {
  /** Tenants asked beside each other. */
  step: number;
  /** Tenants that one page looks at; it may so hold less than it was asked for and still have a next one. */
  max: number;
}

const AT_ONCE: TenantsAtOnce = { step: 16, max: 128 };
const PREFIX = 'ent_';

/** `below`: an entry id that the page begins under. `pageOf` is one tenant's page. */
export async function mergedPage(
  store: Store,
  tenants: readonly string[],
  { below, limit, atOnce = AT_ONCE }: { below: string; limit: number; atOnce?: TenantsAtOnce | undefined },
  pageOf: (tenantId: string) => Promise<Page>,
): Promise<Page> {
  const heads = await newestFirst(store, tenants, below);
  const pages: Page[] = [];
  let merged: Page = { object: 'list', data: [], hasMore: false, nextCursor: null };
  for (let at = 0; at < Math.min(heads.length, atOnce.max); ) {
    const asked = heads.slice(at, Math.min(at + atOnce.step, atOnce.max));
    pages.push(...(await Promise.all(asked.map(({ tenantId }) => pageOf(tenantId)))));
    at += asked.length;
    // Tenants that are left have nothing above the last that was asked.
    merged = merge(pages, at < heads.length ? heads[at - 1]!.entryId.slice(PREFIX.length) : '', limit);
    if (merged.data.length === limit) break;
  }
  return merged;
}

async function newestFirst(store: Store, tenants: readonly string[], below: string): Promise<Head[]> {
  const names = sql.join(tenants.map((tenantId) => sql`(${tenantId})`));
  const [own, of] = [sql.ref('e.entryId'), sql.ref('e.tenantId')];
  const query = sql<{ tenantId: string; entryId: string | null }>`with t(id) as (values ${names})
    select t.id as ${sql.ref('tenantId')}, (select max(${own}) from entries e
      where ${of} = t.id and ${own} >= ${PREFIX} and ${own} < ${below}) as ${sql.ref('entryId')} from t`;
  const found = await store.read<{ tenantId: string; entryId: string | null }>(query.compile(store.queries));
  return found
    .filter((head): head is Head => head.entryId !== null)
    .sort((one, other) => (one.entryId < other.entryId ? 1 : -1));
}

/** Each page has looked at everything down to its cursor; together they have down to the highest, and to `leftBelow`. */
function merge(pages: readonly Page[], leftBelow: string, limit: number): Page {
  const cursors = pages.flatMap(({ nextCursor }) => nextCursor ?? []);
  const lookedAtTo = cursors.reduce((highest, cursor) => (cursor > highest ? cursor : highest), leftBelow);
  const known = pages
    .flatMap(({ data }) => data)
    .filter(({ entryId }) => entryId.slice(PREFIX.length) >= lookedAtTo)
    .sort((one, other) => (one.entryId < other.entryId ? 1 : -1));
  const data = known.slice(0, limit);
  const rest = lookedAtTo === '' ? null : lookedAtTo;
  const nextCursor = known.length > limit ? data.at(-1)!.entryId.slice(PREFIX.length) : rest;
  return { object: 'list', data, hasMore: nextCursor !== null, nextCursor };
}
