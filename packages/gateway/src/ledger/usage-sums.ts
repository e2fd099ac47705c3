/**
 * The sums of an answer, added up by the database: from rollups of the coarsest tier that fits each piece of the period,
 * or from the entries. Both give the same columns, so whoever puts the answer together does not know which it was.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Row, Store } from '../store/store.ts';
import { ROLLUP_SUMS } from './columns.ts';
import { type Piece, TIERS, type Tier } from './periods.ts';
import { PRICED_LATER } from './rollup.ts';
import { type Shape, shapeFor, tierName } from './shapes.ts';
import { ofTenants } from './tenants.ts';
import { GROUP_COLUMNS, type TenantsQuestion, type UsageFilters, type UsageQuestion } from './usage-question.ts';

/** One group in one bucket: `g0`, `g1`… are the groups in the order asked, the sums are decimal text. */
export interface SumsRow extends Row {
  bucket: number;
  lastSettledAt: number;
}

/** Sums beside the rollups' own: dispatches whose outcome makes them count elsewhere. */
export const SUM_COLUMNS = [...ROLLUP_SUMS, 'uncertain', 'completed'] as const;

const TOKEN_COLUMNS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;

export async function sumsOfRollups(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
): Promise<SumsRow[]> {
  const rows: SumsRow[] = [];
  for (const tier of TIERS) {
    const own = pieces.filter((piece) => piece.tier === tier);
    if (own.length === 0) continue;
    const query = sql<SumsRow>`with ${buckets(own)} select b.bucket, ${selected(question, 'r', ROLLUP_EXPRESSIONS)}
      from b cross join ${tierTable(tier, 'r')} where ${within(question, 'r', tier)} and ${filtered(question, 'r')}
      group by b.bucket${grouped(question)}`;
    rows.push(...(await store.read<SumsRow>(query.compile(store.queries))));
  }
  return rows;
}

/** The first of them by cost, then tokens: there may be as many sessions as entries, and `groups` says how many there are. */
export function sumsOfEntries(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  limit: number,
): Promise<(SumsRow & { groups: number })[]> {
  const sum = (column: (typeof SUM_COLUMNS)[number]) => ENTRY_EXPRESSIONS(column, 'e');
  const tokens = sql.join(TOKEN_COLUMNS.map(sum), sql` + `);
  const query = sql<SumsRow & { groups: number }>`with ${buckets(pieces)}
    select b.bucket, count(*) over () as ${sql.ref('groups')}, ${selected(question, 'e', ENTRY_EXPRESSIONS)}
    from b cross join ${entriesTable(store, question)} where ${settledWithin(question, 'e')} and ${filtered(question, 'e')}
    group by b.bucket${grouped(question)}
    order by ${sum('costNanoUsd')} desc, ${tokens} desc limit ${sql.lit(limit)}`;
  return store.read(query.compile(store.queries));
}

/**
 * The pieces as a table `b`. The numbers are our own, so they may stand in the text. What is summed is cross-joined to
 * it: that keeps SQLite from turning the order around, and each piece is one seek in the key.
 */
export function buckets(pieces: readonly Piece[]): RawBuilder<unknown> {
  const rows = pieces.map(({ bucket, fromMs, toMs }) => `(${bucket}, ${fromMs}, ${toMs})`);
  return sql.raw(`b(bucket, from_ms, to_ms) as (values ${rows.join(', ')})`);
}

export function tierTable(tier: Tier, alias: string): RawBuilder<unknown> {
  return sql`${sql.table(tier === 'quarter' ? 'rollups' : 'foldedRollups')} as ${sql.ref(alias)}`;
}

export function within(question: TenantsQuestion, alias: string, tier: Tier): RawBuilder<unknown> {
  const column = (name: string) => sql.ref(`${alias}.${name}`);
  const ofTier =
    tier === 'quarter' ? sql`` : sql` and ${column('tier')} = ${sql.lit(tierName(tier, shapeOf(question)))}`;
  return sql`${ofTenants(`${alias}.tenantId`, question.tenants)}${ofTier} and ${column('bucketStart')} >= b.from_ms and ${column('bucketStart')} < b.to_ms`;
}

function shapeOf({ groupBy, filters }: TenantsQuestion): Shape {
  const filtered = (Object.keys(filters) as (keyof UsageFilters)[]).filter((name) => filters[name] !== undefined);
  return shapeFor([...groupBy.map((group) => GROUP_COLUMNS[group]), ...filtered]);
}

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

/** SQLite knows nothing of how many entries a tenant or a session has, and would walk all of the tenant's. */
export function entriesTable(store: Store, question: TenantsQuestion): RawBuilder<unknown> {
  const index = finderOf(question);
  const isTold = index !== null && store.engine === 'sqlite';
  return sql`${sql.table('entries')} as e${isTold ? sql` indexed by ${sql.ref(index)}` : sql``}`;
}

/** Where a filter has an index of its own, the period must not be searched by its index instead: `+` hides it. */
export function settledWithin(question: TenantsQuestion, alias: string): RawBuilder<unknown> {
  const settledAt = sql`${finderOf(question) === null ? sql`` : sql`+`}${sql.ref(`${alias}.settledAt`)}`;
  return sql`${ofTenants(`${alias}.tenantId`, question.tenants)} and ${settledAt} >= b.from_ms and ${settledAt} < b.to_ms`;
}

export function filtered({ filters }: Pick<UsageQuestion, 'filters'>, alias: string): RawBuilder<unknown> {
  const conditions = (Object.entries(filters) as [keyof UsageFilters, string | undefined][])
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => sql`${sql.ref(`${alias}.${column}`)} = ${value}`);
  return conditions.length === 0 ? sql`1 = 1` : sql.join(conditions, sql` and `);
}

export function groupColumns({ groupBy }: Pick<UsageQuestion, 'groupBy'>, alias: string): RawBuilder<unknown>[] {
  // Rollups keep "no agent" as an empty text, entries as null: outside it is null.
  return groupBy.map((group) => {
    const column = sql.ref(`${alias}.${GROUP_COLUMNS[group]}`);
    return group === 'agent' ? sql`nullif(${column}, '')` : column;
  });
}

export function grouped({ groupBy }: Pick<UsageQuestion, 'groupBy'>): RawBuilder<unknown> {
  return groupBy.length === 0 ? sql`` : sql`, ${sql.join(groupBy.map((_, index) => sql.ref(`g${index}`)))}`;
}

type Expressions = (column: (typeof SUM_COLUMNS)[number], alias: string) => RawBuilder<unknown>;

function selected(question: TenantsQuestion, alias: string, expressions: Expressions): RawBuilder<unknown> {
  const groups = groupColumns(question, alias).map((column, index) => sql`${column} as ${sql.ref(`g${index}`)}`);
  const sums = SUM_COLUMNS.map((column) => sql`cast(${expressions(column, alias)} as text) as ${sql.ref(column)}`);
  const last = alias === 'e' ? 'settledAt' : 'lastSettledAt';
  return sql.join([...groups, ...sums, sql`max(${sql.ref(`${alias}.${last}`)}) as ${sql.ref('lastSettledAt')}`]);
}

function ROLLUP_EXPRESSIONS(column: (typeof SUM_COLUMNS)[number], alias: string): RawBuilder<unknown> {
  const own = (name: string) => sql.ref(`${alias}.${name}`);
  if (column !== 'uncertain' && column !== 'completed') return sql`sum(${own(column)})`;
  return sql`coalesce(sum(${own('requests')}) filter (where ${own('outcome')} = ${sql.lit(column)}), 0)`;
}

/** The same as rollup.ts says it of one entry. */
function ENTRY_EXPRESSIONS(column: (typeof SUM_COLUMNS)[number], alias: string): RawBuilder<unknown> {
  const own = (name: string) => sql.ref(`${alias}.${name}`);
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
      return sql`${count(sql`${own('input')} is not null and ${own('costNanoUsd')} is null`)}
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
