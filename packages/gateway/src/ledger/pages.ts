/**
 * One tenant's page of dispatches, newest first. One filter finds entries by its index, which is in the order of the page;
 * where there are more, the others are tried on so many of them, and a page may be short of what it was asked for.
 */
import type { DispatchRecord, List } from '@weighbridge/protocol';
import { type ExpressionBuilder, type SelectQueryBuilder, sql } from 'kysely';
import type { Tables } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { readListed, selectListed } from './listed-rows.ts';
import type { DispatchesQuestion, DispatchFilters } from './questions.ts';
import { recordOf } from './record.ts';

/**
 * Entries that one page looks at where more than one filter is given. A page may so hold less than it was asked for, or
 * nothing, and still have a next one.
 */
const SCANNED_MAX = 1_000;

/** What finds candidates best comes first: few entries share a run, many a model. Each has its index. */
const FINDERS = ['runId', 'sessionKey', 'endUserId', 'outcome', 'agentId', 'model'] as const;

/** Below every entry: corrections are entries too, under ids of their own. */
const FIRST = 'ent_';

/** `below`: an entry id that the page begins under. */
export async function pageOfTenant(
  store: Store,
  tenantId: string,
  below: string,
  { limit, filters, scannedMax = SCANNED_MAX }: DispatchesQuestion,
): Promise<List<DispatchRecord>> {
  const finder = FINDERS.find((name) => filters[name] !== undefined && filters[name] !== 'completed');
  const found = finder === undefined ? {} : { [finder]: filters[finder] };
  const isFoundByIndex = Object.entries(filters).every(([name, value]) => value === undefined || name === finder);
  const candidatesFrom = (firstId: string) =>
    withFilters(
      store.queries
        .selectFrom('entries')
        .select('entryId')
        .where(inPage(tenantId, firstId, below)),
      found,
    ).orderBy('entryId', 'desc');
  // Known before the page is read: calls come and are settled meanwhile, and what is looked at must not move with them.
  const lastLookedAt = isFoundByIndex
    ? null
    : await placeOf(store, candidatesFrom(FIRST), Math.max(scannedMax, limit + 1));
  const firstId = lastLookedAt ?? FIRST;
  const candidates = isFoundByIndex ? candidatesFrom(firstId).limit(limit + 1) : candidatesFrom(firstId);
  const listed = selectListed(store).where(inPage(tenantId, firstId, below));
  // SQLite knows nothing of what is rare: told by a list of ids, it walks the finder's index and not the key.
  const isTold = store.engine === 'sqlite' && finder !== undefined;
  const rows = await readListed(
    store,
    withFilters(isTold ? listed.where('entryId', 'in', candidates) : listed, filters, isTold)
      .orderBy('entryId', 'desc')
      .limit(limit + 1)
      .compile(),
  );
  const page = rows.slice(0, limit);
  const next = rows.length > limit ? page.at(-1)!.entryId : lastLookedAt;
  return {
    object: 'list',
    data: page.map(recordOf),
    hasMore: next !== null,
    nextCursor: next === null ? null : next.slice('ent_'.length),
  };
}

function inPage(tenantId: string, firstId: string, below: string) {
  return (eb: ExpressionBuilder<Tables, 'entries'>) =>
    eb.and([eb('tenantId', '=', tenantId), eb('entryId', '>=', firstId), eb('entryId', '<', below)]);
}

/** Which of the newest candidates is at that place; null where there are fewer. */
async function placeOf(
  store: Store,
  candidates: SelectQueryBuilder<Tables, 'entries', { entryId: string }>,
  place: number,
): Promise<string | null> {
  const [row] = await store.read<{ entryId: string }>(
    candidates
      .offset(place - 1)
      .limit(1)
      .compile(),
  );
  return row?.entryId ?? null;
}

/** `isTold`: nothing is to be looked for in an index of its own; SQLite takes `+` for that. */
function withFilters<O>(
  query: SelectQueryBuilder<Tables, 'entries', O>,
  filters: DispatchFilters,
  isTold = false,
): SelectQueryBuilder<Tables, 'entries', O> {
  let filtered = query;
  for (const [column, value] of Object.entries(filters) as [keyof DispatchFilters, string | undefined][]) {
    if (value === undefined) continue;
    const own = isTold ? sql<string | null>`+${sql.ref(column)}` : sql<string | null>`${sql.ref(column)}`;
    filtered =
      column === 'outcome' && value === 'open' ? filtered.where(own, 'is', null) : filtered.where(own, '=', value);
    // Said once more in the words of the index: neither engine concludes it from a parameter.
    if (column === 'outcome' && value !== 'open' && value !== 'completed') {
      filtered = filtered.where('outcome', '<>', sql.lit('completed'));
    }
  }
  return filtered;
}
