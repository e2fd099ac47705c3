/**
 * Our cost held against the one that providers reported with their answers, by group, and the dispatches that are furthest
 * apart. Ours is an entry's cost with its corrections. Only entries of providers that say what a call cost count here.
 */
import type { Reconciliation, ReconciliationSums, UsageGroup } from '@weighbridge/protocol';
import { type RawBuilder, sql } from 'kysely';
import { usdText } from '../domain/price.ts';
import type { Store } from '../store/store.ts';
import { ofTenants, tenantsOf } from './tenants.ts';
import type { UsageFilters } from './usage-question.ts';
import { filtered, groupColumns } from './usage-tiers.ts';

export interface ReconcileQuestion {
  /** Null: every tenant. */
  tenantId: string | null;
  /** Settlement time, milliseconds: from inclusive, to exclusive. */
  fromMs: number;
  toMs: number;
  groupBy: readonly UsageGroup[];
  filters: UsageFilters;
}

/** Single dispatches shown, the furthest apart first. */
const SHOWN_MAX = 20;
const ROWS_MAX = 1_000;
/** Both sides round to a nano-USD: one of them is no difference. */
const ROUNDING_NANO_USD = 1;

/** One row of sums as the database gives it: money as text. */
interface SumRow {
  dispatches: number;
  differing: number;
  unpriced: number;
  ours: string | null;
  theirs: string | null;
}

export async function reconcile(store: Store, question: ReconcileQuestion): Promise<Reconciliation> {
  const { groupBy, fromMs, toMs } = question;
  const groups = groupColumns(question, 'k').map((column, index) => sql`, ${column} as ${sql.ref(`g${index}`)}`);
  const sums = sql`
    count(*) as dispatches,
    sum(case when k.ours is not null and abs(k.ours - k.theirs) > ${ROUNDING_NANO_USD} then 1 else 0 end) as differing,
    sum(case when k.ours is null then 1 else 0 end) as unpriced,
    cast(sum(k.ours) as text) as ours,
    cast(sum(case when k.ours is null then 0 else k.theirs end) as text) as theirs`;
  const known = knownCosts(question, await tenantsOf(store, question.tenantId));
  const apart = sql`abs(coalesce(k.ours, 0) - k.theirs)`;
  const [rows, [total], furthest] = await Promise.all([
    read<SumRow & Record<string, string | null>>(
      store,
      groupBy.length === 0
        ? sql`select ${sums} from ${known} k where 1 = 1 having count(*) > 0`
        : sql`select ${sums}${sql.join(groups, sql``)} from ${known} k group by ${groupList(question)} order by max(${apart}) desc limit ${ROWS_MAX}`,
    ),
    read<SumRow>(store, sql`select ${sums} from ${known} k`),
    read<{ dispatchId: string; provider: string; model: string; ours: string | null; theirs: string; source: string }>(
      store,
      sql`select k.${sql.ref('dispatchId')} as ${sql.ref('dispatchId')}, k.provider, k.model, cast(k.ours as text) as ours,
        cast(k.theirs as text) as theirs, k.said_by as source
        from ${known} k where k.ours is null or abs(k.ours - k.theirs) > ${ROUNDING_NANO_USD}
        order by ${apart} desc, k.${sql.ref('dispatchId')} limit ${SHOWN_MAX}`,
    ),
  ]);
  return {
    object: 'reconciliation',
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    groupBy: [...groupBy],
    rows: rows.map((row) => ({
      group: Object.fromEntries(groupBy.map((group, index) => [group, row[`g${index}`] ?? null])),
      ...told(row),
    })),
    totals: told(total!),
    furthest: furthest.map(({ dispatchId, provider, model, ours, theirs, source }) => ({
      dispatchId,
      provider,
      model,
      nanoUsd: ours,
      providerNanoUsd: theirs,
      differenceNanoUsd: ours === null ? null : (BigInt(ours) - BigInt(theirs)).toString(),
      source,
    })),
  };
}

/** Entries with a provider's cost: what they say, and what we do, corrections included. */
function knownCosts(question: ReconcileQuestion, tenants: readonly string[]): RawBuilder<unknown> {
  const { fromMs, toMs } = question;
  const of = (column: string) => sql.ref(`e.${column}`);
  // The ids of corrections keep their entry's time (lib/ids), so that they are found by the key.
  const corrected = sql`(select sum(${sql.ref('c.costNanoUsd')}) from entries c
    where ${sql.ref('c.tenantId')} = ${of('tenantId')} and c.corrects = ${of('entryId')}
      and ${sql.ref('c.entryId')} >= 'cor_' || substr(${of('entryId')}, 5, 10)
      and ${sql.ref('c.entryId')} < 'cor_' || substr(${of('entryId')}, 5, 10) || '~')`;
  const own = of('costNanoUsd');
  return sql`(select e.*, ${of('providerCostNanoUsd')} as theirs, ${of('providerCostSource')} as said_by,
    case when ${own} is null and ${corrected} is null then null
      else coalesce(${own}, 0) + coalesce(${corrected}, 0) end as ours
    from entries e
    where ${ofTenants('e.tenantId', tenants)} and e.kind = 'usage' and ${of('providerCostNanoUsd')} is not null
      and ${of('settledAt')} >= ${fromMs} and ${of('settledAt')} < ${toMs} and ${filtered(question, 'e')})`;
}

function groupList(question: ReconcileQuestion): RawBuilder<unknown> {
  return sql.join(groupColumns(question, 'k'));
}

function read<Row>(store: Store, query: RawBuilder<unknown>): Promise<Row[]> {
  return store.read<Row>(query.compile(store.queries) as never);
}

function told({ dispatches, differing, unpriced, ours, theirs }: SumRow): ReconciliationSums {
  const [own, said] = [BigInt(ours ?? 0), BigInt(theirs ?? 0)];
  return {
    dispatches: Number(dispatches),
    differing: Number(differing ?? 0),
    unpriced: Number(unpriced ?? 0),
    costNanoUsd: own.toString(),
    providerCostNanoUsd: said.toString(),
    differenceNanoUsd: (own - said).toString(),
    differenceUsd: usdText(own - said),
  };
}
