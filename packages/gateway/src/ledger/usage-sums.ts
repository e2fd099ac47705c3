/**
 * The sums of an answer, added up by the database: from rollups of the coarsest tier that fits each piece of the period,
 * or from the entries. Both give the same columns, so whoever puts the answer together does not know which it was.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Whole } from '../lib/whole.ts';
import type { Row, Store } from '../store/store.ts';
import type { FOLDED_SUMS } from './columns.ts';
import { packed, unpacked } from './packed.ts';
import type { Piece, Tier } from './periods.ts';
import { PRICED_LATER } from './rollup.ts';
import { ofTenants } from './tenants.ts';
import type { TenantsQuestion, UsageFilters, UsageQuestion } from './usage-question.ts';
import {
  buckets,
  filtered,
  groupColumns,
  grouped,
  groupValues,
  isOneRowEach,
  rowsOfTiers,
  type TierSelection,
} from './usage-tiers.ts';

/** In the order of SUM_COLUMNS: an answer may have ten thousand. */
export type Sums = Whole[];

/** Sums of one group in one bucket; from rollups there may be several of one. */
export interface Group {
  bucket: number;
  /** In the order asked. */
  groups: (string | null)[];
  sums: Sums;
  lastSettledAt: number;
  /** The last event when these were read; null where they are of a time in which nothing is settled any more. */
  asOfSeq: number | null;
}

/** `g0`, `g1`… are the groups; the sums and the last settlement are packed. */
interface SumsRow extends Row {
  bucket: number;
  packed: string;
  asOfSeq?: number;
}

/** Where each sum is. Written out: code that reads an object made of a list is optimised in vain, over and over. */
export const SUM_AT = {
  requests: 0,
  reported: 1,
  partial: 2,
  estimated: 3,
  none: 4,
  unpriced: 5,
  input: 6,
  output: 7,
  cacheRead: 8,
  cacheWrite: 9,
  cacheWrite1h: 10,
  reasoning: 11,
  costNanoUsd: 12,
  latencySumMs: 13,
  completed: 14,
  uncertain: 15,
} as const satisfies Record<SumColumn, number>;

/** `completed` and `uncertain` are dispatches whose outcome makes them count elsewhere. */
export const SUM_COLUMNS = Object.keys(SUM_AT) as SumColumn[];
export type SumColumn = (typeof FOLDED_SUMS)[number];

/** In the same statement as the sums, so of the same moment: a follower adds what came after, and nothing twice. */
const LAST_SEQ = sql`(select ${sql.ref('lastSeq')} from ${sql.table('ledger')})`;

export const TOKEN_COLUMNS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;

export function sumsOfRollups(store: Store, question: TenantsQuestion, pieces: readonly Piece[]): Promise<Group[]> {
  const select = (tier: Tier, own: readonly Piece[]): TierSelection => {
    const isSummed = !isOneRowEach(question, tier, own);
    const sums = SUM_COLUMNS.map((column) => rollupSum(column, tier, isSummed));
    const last = sql.ref('r.lastSettledAt');
    const numbers = packed(store.engine, [...sums, isSummed ? sql`max(${last})` : last]);
    const columns = [
      ...(tier === 'quarter' ? [sql`${LAST_SEQ} as ${sql.ref('asOfSeq')}`] : []),
      sql`${numbers} as packed`,
    ];
    return { columns, condition: null, isSummed };
  };
  return rowsOfTiers(store, question, pieces, select, (row: SumsRow) => groupOf(row, question));
}

function groupOf(row: SumsRow, question: TenantsQuestion): Group {
  const groups = groupValues(row, question);
  // The last settlement comes after the sums.
  const sums = unpacked(row.packed) as Whole[];
  const lastSettledAt = Number(sums.pop());
  const { bucket, asOfSeq = null } = row;
  return { bucket, groups, sums, lastSettledAt, asOfSeq };
}

/** Folded sums know how many of their dispatches completed; those of a quarter of an hour lie apart by outcome. */
function rollupSum(column: SumColumn, tier: Tier, isSummed: boolean): RawBuilder<unknown> {
  const own = (name: string) => sql.ref(`r.${name}`);
  const isOutcome = column === 'uncertain' || column === 'completed';
  if (isOutcome && tier === 'quarter') {
    return sql`coalesce(sum(${own('requests')}) filter (where ${own('outcome')} = ${sql.lit(column)}), 0)`;
  }
  return isSummed ? sql`sum(${own(column)})` : own(column);
}

export interface FirstGroups {
  /** By cost, then tokens. */
  groups: Group[];
  /** How many there are, also of those that are left out. */
  groupCount: number;
  /** Of all groups. */
  totals: Sums;
  asOfSeq: number;
}

/** The first groups, and all of them added up, in one statement and so of one moment: there may be as many as entries. */
export async function sumsOfEntries(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  limit: number,
): Promise<FirstGroups> {
  const names = question.groupBy.map((_, index) => sql.ref(`g${index}`));
  const groups = groupColumns(question, 'e').map((column, index) => sql`${column} as ${names[index]!}`);
  const sums = SUM_COLUMNS.map((column) => sql`${entrySum(column)} as ${sql.ref(column)}`);
  const last = sql.ref('lastSettledAt');
  const own = SUM_COLUMNS.map((column) => sql.ref(column));
  const ofAll = SUM_COLUMNS.map((column) => sql`coalesce(sum(${sql.ref(column)}), 0)`);
  const tokens = sql.join(TOKEN_COLUMNS.map(sql.ref), sql` + `);
  const query = sql<SumsRow>`with ${buckets(pieces)}, g as materialized (
      select ${sql.join([sql`b.bucket`, ...groups, ...sums, sql`max(e.${sql.ref('settledAt')}) as ${last}`])}
      from b cross join ${entriesTable(store, question)} where ${settledWithin(question, 'e')} and ${filtered(question, 'e')}
      group by b.bucket${grouped(question)})
    select * from (select ${sql.join([sql.ref('bucket'), ...names, sql`${packed(store.engine, [...own, last])} as packed`])}
      from g order by ${sql.ref('costNanoUsd')} desc, ${tokens} desc limit ${sql.lit(limit)}) as shown
    union all select ${sql.join([sql.lit(OF_ALL), ...names.map(() => sql`null`), packed(store.engine, [...ofAll, sql`count(*)`, LAST_SEQ])])} from g`;
  const rows = await store.read<SumsRow>(query.compile(store.queries));
  const totals = unpacked(rows.pop()!.packed) as Whole[];
  const [groupCount, asOfSeq] = totals.splice(SUM_COLUMNS.length).map(Number);
  return {
    groups: rows.map((row) => groupOf(row, question)),
    groupCount: groupCount!,
    totals,
    asOfSeq: asOfSeq!,
  };
}

/** In place of a bucket: the sums are those of all groups. */
const OF_ALL = -1;

/** What finds few entries comes first; each has its index. */
const FINDERS = {
  runId: 'entries_of_run',
  sessionKey: 'entries_of_session',
  endUserId: 'entries_of_end_user',
} as const satisfies Partial<Record<keyof UsageFilters, string>>;

function finderOf({ filters }: Pick<UsageQuestion, 'filters'>): string | null {
  const names = Object.keys(FINDERS) as (keyof typeof FINDERS)[];
  const finder = names.find((name) => filters[name] !== undefined);
  return finder === undefined ? null : FINDERS[finder];
}

export function entriesTable(store: Store, question: TenantsQuestion): RawBuilder<unknown> {
  return entriesBy(store, finderOf(question));
}

/** SQLite knows nothing of how many entries a tenant, a session or a run has, and would walk all of the tenant's. */
export function entriesBy({ engine }: Store, index: string | null): RawBuilder<unknown> {
  const isTold = index !== null && engine === 'sqlite';
  return sql`${sql.table('entries')} as e${isTold ? sql` indexed by ${sql.ref(index)}` : sql``}`;
}

/** Where a filter has an index of its own, the period must not be searched by its index instead: `+` hides it. */
export function settledWithin(question: TenantsQuestion, alias: string): RawBuilder<unknown> {
  const settledAt = sql`${finderOf(question) === null ? sql`` : sql`+`}${sql.ref(`${alias}.settledAt`)}`;
  return sql`${ofTenants(`${alias}.tenantId`, question.tenants)} and ${settledAt} >= b.from_ms and ${settledAt} < b.to_ms`;
}

/** The same as rollup.ts says it of one entry. */
function entrySum(column: SumColumn): RawBuilder<unknown> {
  const own = (name: string) => sql.ref(`e.${name}`);
  const isUsage = sql`${own('kind')} = 'usage'`;
  const count = (condition: RawBuilder<unknown>) => sql`count(*) filter (where ${isUsage} and ${condition})`;
  switch (column) {
    case 'requests':
      return sql`count(*) filter (where ${isUsage})`;
    case 'reported':
    case 'partial':
    case 'estimated':
      return count(sql`${own('usageSource')} = ${sql.lit(column)}`);
    case 'none':
      return count(sql`coalesce(${own('usageSource')}, 'none') not in ('reported', 'partial', 'estimated')`);
    case 'unpriced':
      return sql`count(*) filter (where ${own('input')} is not null and ${own('costNanoUsd')} is null)
        - count(*) filter (where ${own('kind')} = 'correction' and ${own('reason')} = ${sql.lit(PRICED_LATER)})`;
    case 'latencySumMs':
      return sql`coalesce(sum(${own('latencyMs')}) filter (where ${isUsage} and ${own('outcome')} = 'completed'), 0)`;
    case 'uncertain':
    case 'completed':
      return count(sql`${own('outcome')} = ${sql.lit(column)}`);
    default:
      return sql`coalesce(sum(${own(column)}), 0)`;
  }
}
