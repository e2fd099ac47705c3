/**
 * How the rollups of a period are read: each piece of it from the tier that fits it best, in the smallest shape that knows
 * what is asked. What is selected of them is the caller's; whose, when, filters and groups are decided here.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Row, Store } from '../store/store.ts';
import { type Piece, TIER_MS, TIERS, type Tier } from './periods.ts';
import { type Shape, shapeFor, shapeKeeps, tierName } from './shapes.ts';
import { ofTenants } from './tenants.ts';
import { GROUP_COLUMNS, type TenantsQuestion, type UsageFilters, type UsageQuestion } from './usage-question.ts';

/** What of the rollups (`r`) is wanted. */
export interface TierSelection {
  columns: readonly RawBuilder<unknown>[];
  condition: RawBuilder<unknown> | null;
  /** The columns are sums over each bucket and group. */
  isSummed: boolean;
}

/**
 * What is `made` of rows with `bucket`, the groups as `g0`, `g1`… and what was selected; one group of one bucket may be in
 * several. Those of the finest tier are the last.
 */
export async function rowsOfTiers<R extends Row, Made>(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  select: (tier: Tier, own: readonly Piece[]) => TierSelection,
  made: (row: R) => Made,
): Promise<Made[]> {
  const reads = TIERS.flatMap((tier) => readsOf(tier, pieces).map((own) => ({ tier, own })));
  const found = await Promise.all(
    reads.map(async ({ tier, own }) => {
      const query = tierQuery(store, question, tier, own, select(tier, own));
      const rows = await store.read<R>(query.compile(store.queries));
      return rows.map(made);
    }),
  );
  return found.flat();
}

/** Units of one read, so that of a long series the first are taken in while the next are still looked up. */
const UNITS_PER_READ = 180;

function readsOf(tier: Tier, pieces: readonly Piece[]): Piece[][] {
  const own = pieces.filter((piece) => piece.tier === tier);
  if (own.length === 0) return [];
  // Quarters of an hour still change, and are to be of one moment.
  if (tier === 'quarter' || !isSeries(tier, own)) return [own];
  return Array.from({ length: Math.ceil(own.length / UNITS_PER_READ) }, (_, read) =>
    own.slice(read * UNITS_PER_READ, (read + 1) * UNITS_PER_READ),
  );
}

/**
 * Pieces that are a series of units are one walk through the key. Others are a seek in it each, and both engines are kept
 * from turning the order around and trying each row on each piece.
 */
function tierQuery(
  store: Store,
  question: TenantsQuestion,
  tier: Tier,
  own: readonly Piece[],
  { columns, condition, isSummed }: TierSelection,
): RawBuilder<Row> {
  const groups = groupColumns(question, 'r').map((column, index) => sql`${column} as ${sql.ref(`g${index}`)}`);
  const selected = sql.join([...groups, ...columns]);
  const where = sql`${within(question, tier)} and ${filtered(question, 'r')}${condition === null ? sql`` : sql` and ${condition}`}`;
  if (!isSummed && isSeries(tier, own)) {
    const { bucket, fromMs } = own[0]!;
    const place = sql`(${sql.ref('r.bucketStart')} - b.from_ms) / ${sql.lit(TIER_MS[tier])}`;
    return sql`with ${buckets([{ bucket, fromMs, toMs: own.at(-1)!.toMs, tier }])}
      select b.bucket + ${place} as bucket, ${selected} from b cross join ${tierTable(tier)} where ${where}`;
  }
  if (store.engine === 'sqlite') {
    return sql`with ${buckets(own)} select b.bucket, ${selected} from b cross join ${tierTable(tier)} where ${where}
      ${isSummed ? sql`group by b.bucket${grouped(question)}` : sql``}`;
  }
  // Bucket by bucket, so that rows travel while others are still summed; `offset 0` keeps it from being made a join again.
  const ending = isSummed ? endOfSums(question) : sql`offset 0`;
  return sql`with ${buckets(own)} select b.bucket, r.* from b
    cross join lateral (select ${selected} from ${tierTable(tier)} where ${where} ${ending}) as r`;
}

/** Sums without groups are one row even of nothing. */
function endOfSums({ groupBy }: TenantsQuestion): RawBuilder<unknown> {
  if (groupBy.length === 0) return sql`having count(*) > 0`;
  return sql`group by ${sql.join(groupBy.map((_, index) => sql.ref(`g${index}`)))}`;
}

/** Every piece is one unit, in a shape that keeps little but what is asked: there is nothing to be added up. */
export function isOneRowEach(question: TenantsQuestion, tier: Tier, own: readonly Piece[]): boolean {
  if (tier === 'quarter' || shapeOf(question) === 'all') return false;
  return own.every(({ fromMs, toMs }) => toMs - fromMs === TIER_MS[tier]);
}

/** Each is one unit in a bucket of its own, right after the one before: where a sum belongs can be computed. */
function isSeries(tier: Tier, own: readonly Piece[]): boolean {
  const [first] = own;
  const unitMs = TIER_MS[tier];
  return own.every(
    ({ bucket, fromMs, toMs }, index) =>
      bucket === first!.bucket + index && fromMs === first!.fromMs + index * unitMs && toMs === fromMs + unitMs,
  );
}

/** The pieces as a table `b`. The numbers are our own, so they may stand in the text. */
export function buckets(pieces: readonly Piece[]): RawBuilder<unknown> {
  const rows = pieces.map(({ bucket, fromMs, toMs }) => `(${bucket}, ${fromMs}, ${toMs})`);
  return sql.raw(`b(bucket, from_ms, to_ms) as (values ${rows.join(', ')})`);
}

function tierTable(tier: Tier): RawBuilder<unknown> {
  return sql`${sql.table(tier === 'quarter' ? 'rollups' : 'foldedRollups')} as r`;
}

function within(question: TenantsQuestion, tier: Tier): RawBuilder<unknown> {
  const ofTier = tier === 'quarter' ? sql`` : sql` and r.tier = ${sql.lit(tierName(tier, shapeOf(question)))}`;
  const start = sql.ref('r.bucketStart');
  return sql`${ofTenants('r.tenantId', question.tenants)}${ofTier} and ${start} >= b.from_ms and ${start} < b.to_ms`;
}

/** Sums that lie apart by outcome: of those that did not complete there are no durations to look for. */
export function keepsOutcome(question: TenantsQuestion, tier: Tier): boolean {
  return tier === 'quarter' || shapeKeeps(shapeOf(question), 'outcome');
}

function shapeOf({ groupBy, filters, excluded = {} }: TenantsQuestion): Shape {
  const filtered = (Object.keys(filters) as (keyof UsageFilters)[]).filter((name) => filters[name] !== undefined);
  return shapeFor([...groupBy.map((group) => GROUP_COLUMNS[group]), ...filtered, ...Object.keys(excluded)]);
}

export function filtered(
  { filters, excluded = {} }: Pick<UsageQuestion, 'filters' | 'excluded'>,
  alias: string,
): RawBuilder<unknown> {
  const conditions = (Object.entries(filters) as [keyof UsageFilters, string | undefined][])
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => sql`${sql.ref(`${alias}.${column}`)} = ${value}`);
  for (const [column, values] of Object.entries(excluded)) {
    conditions.push(sql`coalesce(${sql.ref(`${alias}.${column}`)}, '') not in (${sql.join(values)})`);
  }
  return conditions.length === 0 ? sql`1 = 1` : sql.join(conditions, sql` and `);
}

export function groupColumns({ groupBy }: Pick<UsageQuestion, 'groupBy'>, alias: string): RawBuilder<unknown>[] {
  // Rollups keep "no agent" as an empty text, entries as null: outside it is null.
  return groupBy.map((group) => {
    const column = sql.ref(`${alias}.${GROUP_COLUMNS[group]}`);
    return group === 'agent' ? sql`nullif(${column}, '')` : column;
  });
}

/** To follow `group by` and the bucket. */
export function grouped({ groupBy }: Pick<UsageQuestion, 'groupBy'>): RawBuilder<unknown> {
  return groupBy.length === 0 ? sql`` : sql`, ${sql.join(groupBy.map((_, index) => sql.ref(`g${index}`)))}`;
}

/** The values of a row's groups, in the order asked. */
export function groupValues(row: Row, { groupBy }: Pick<UsageQuestion, 'groupBy'>): (string | null)[] {
  return groupBy.map((_, index) => row[`g${index}`] as string | null);
}

/** What tells a group in a bucket from any other. */
export function nameOf(bucket: number, groups: readonly unknown[]): string {
  if (groups.length === 0) return `${bucket}`;
  // Most questions have one group; a thousand rows of them are named in no time.
  if (groups.length === 1) return groups[0] === null ? `${bucket}` : `${bucket}:${groups[0]}`;
  return JSON.stringify([bucket, ...groups]);
}
