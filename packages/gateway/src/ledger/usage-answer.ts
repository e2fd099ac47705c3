/**
 * Sums over time: plans which tiers answer which part of the period, has the database add them up, and puts the answer
 * together. Periods are whole quarters of an hour of settlement time (minutes: whole minutes); the answer says which.
 */
import type { TimeBucket, UsageAnswer, UsageRow, UsageSums } from '@weighbridge/protocol';
import { usdText } from '../domain/price.ts';
import { isoText } from '../lib/iso-text.ts';
import { plus, type Whole, wholeOf } from '../lib/whole.ts';
import type { Store } from '../store/store.ts';
import {
  bucketsOf,
  type Folded,
  MINUTE_MS,
  type Piece,
  piecesOf,
  QUARTER_MS,
  type Span,
  startOfUnit,
} from './periods.ts';
import { tenantsOf } from './tenants.ts';
import { type LatenciesByRow, latenciesOfEntries, latenciesOfRollups, nameOf } from './usage-latency.ts';
import {
  MINUTES_PERIOD_MAX_MS,
  needsEntries,
  ROWS_DEFAULT,
  ROWS_MAX,
  type TenantsQuestion,
  tooMany,
  type UsageQuestion,
} from './usage-question.ts';
import { SUM_COLUMNS, type SumsRow, sumsOfEntries, sumsOfRollups } from './usage-sums.ts';
import { groupValues } from './usage-tiers.ts';

type Sums = Record<(typeof SUM_COLUMNS)[number], Whole>;

interface Group {
  name: string;
  bucket: number;
  groups: (string | null)[];
  sums: Sums;
  lastSettledAt: number;
}

export async function usageAnswer(store: Store, given: UsageQuestion): Promise<UsageAnswer> {
  const question = { ...given, tenants: await tenantsOf(store, given.tenantId) };
  const { groupBy, bucket = null, tz = 'UTC', limit = ROWS_DEFAULT } = question;
  const step = bucket === 'minute' ? MINUTE_MS : QUARTER_MS;
  const asked = { fromMs: Math.floor(question.fromMs / step) * step, toMs: Math.ceil(question.toMs / step) * step };
  // One after the other: what is found empty must have been so when the number was read.
  const ledger = await ledgerState(store);
  const period = await occupied(store, question.tenantId, asked, bucket !== null);
  if (bucket === 'minute' && period.toMs - period.fromMs > MINUTES_PERIOD_MAX_MS) throw tooMany('one day of minutes');
  const buckets = bucketsOf(period, bucket, tz, ROWS_MAX);
  if (buckets === null) throw tooMany(`${ROWS_MAX} buckets`);
  const fromEntries = needsEntries(question);
  const pieces = fromEntries ? wholePieces(buckets) : piecesOf(buckets, ledger.folded);
  const rowsMax = bucket === null ? limit : Math.max(limit, ROWS_MAX) + 1;
  const wantsLatency = (question.latency ?? (bucket === null && !fromEntries)) && pieces.length > 0;
  const [found, latencies] = await Promise.all([
    (fromEntries ? groupsOfEntries : groupsOfRollups)(store, question, pieces, rowsMax),
    wantsLatency ? (fromEntries ? latenciesOfEntries : latenciesOfRollups)(store, question, pieces) : NO_LATENCIES,
  ]);
  const { groups, groupCount, totals, asOfSeq } = found;
  if (bucket !== null && groups.length >= rowsMax) throw tooMany(`${ROWS_MAX} rows`);
  const ordered = bucket === null ? groups.sort(byCostThenTokens) : groups.sort(byTimeThenCost);
  const shown = bucket === null ? ordered.slice(0, limit) : ordered;
  const starts = bucket === null ? [] : bucketStarts(buckets, bucket, tz);
  return {
    object: 'usage',
    from: new Date(asked.fromMs).toISOString(),
    to: new Date(asked.toMs).toISOString(),
    groupBy: [...groupBy],
    bucket,
    tz,
    asOfSeq: asOfSeq ?? ledger.lastSeq,
    rows: shown.map((group) => rowOf(group, question, starts, latencies)),
    rowsOmitted: groupCount - shown.length,
    totals: told({}, totals, latencies.get(null)),
  };
}

const NO_LATENCIES: LatenciesByRow = new Map();

/** What an answer is made of: not all of its groups, where they come from entries, but how many there are, and all added up. */
interface Found {
  groups: Group[];
  groupCount: number;
  totals: Sums;
  /** The last event that is in it; null: nothing is in it that is still changing. */
  asOfSeq: number | null;
}

async function groupsOfRollups(store: Store, question: TenantsQuestion, pieces: readonly Piece[]): Promise<Found> {
  const rows = await sumsOfRollups(store, question, pieces);
  const groups = merged(rows, question);
  // The finest sums are the last ones, and the only ones that still change.
  return { groups, groupCount: groups.length, totals: totalOf(groups), asOfSeq: rows.at(-1)?.asOfSeq ?? null };
}

async function groupsOfEntries(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  rowsMax: number,
): Promise<Found> {
  const rows = pieces.length === 0 ? [] : await sumsOfEntries(store, question, pieces, rowsMax);
  const groups = merged(rows, question);
  const groupCount = rows[0]?.groups ?? 0;
  const asOfSeq = rows[0]?.asOfSeq ?? null;
  if (groupCount === groups.length) return { groups, groupCount, totals: totalOf(groups), asOfSeq };
  const ungrouped = { ...question, groupBy: [] };
  const all = await sumsOfEntries(store, ungrouped, pieces, pieces.length);
  return { groups, groupCount, totals: totalOf(merged(all, ungrouped)), asOfSeq };
}

/** Read before the sums: where those hold nothing that is still changing, they hold everything up to its number. */
async function ledgerState(store: Store): Promise<{ lastSeq: number; folded: Folded }> {
  const columns = ['lastSeq', 'hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'] as const;
  const [row] = await store.read<Record<(typeof columns)[number], number>>(
    store.queries.selectFrom('ledger').select(columns).compile(),
  );
  const folded = {
    hour: row?.hoursFoldedTo ?? 0,
    shift: row?.shiftsFoldedTo ?? 0,
    day: row?.daysFoldedTo ?? 0,
    week: row?.weeksFoldedTo ?? 0,
  };
  return { lastSeq: row?.lastSeq ?? 0, folded };
}

/** A period "from the beginning" has no buckets before the first settlement, nor after the last. */
async function occupied(store: Store, tenantId: string | null, period: Span, isCut: boolean): Promise<Span> {
  if (!isCut) return period;
  const every = store.queries.selectFrom('rollups').select('bucketStart').limit(1);
  const ends = tenantId === null ? every : every.where('tenantId', '=', tenantId);
  const [[first], [last]] = await Promise.all([
    store.read<{ bucketStart: number }>(ends.orderBy('bucketStart').compile()),
    store.read<{ bucketStart: number }>(ends.orderBy('bucketStart', 'desc').compile()),
  ]);
  if (!first || !last) return { fromMs: period.fromMs, toMs: period.fromMs };
  return {
    fromMs: Math.max(period.fromMs, first.bucketStart),
    // One more, because the next may have begun before the sums are read.
    toMs: Math.min(period.toMs, last.bucketStart + 2 * QUARTER_MS),
  };
}

function wholePieces(buckets: readonly Span[]): Piece[] {
  return buckets.map((span, bucket) => ({ ...span, bucket, tier: 'quarter' as const }));
}

/** Rows of one group from several tiers become one. */
function merged(rows: readonly SumsRow[], question: TenantsQuestion): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const values = groupValues(row, question);
    const name = nameOf(row.bucket, values);
    const sums = sumsOf(row);
    const group = groups.get(name);
    if (!group) {
      groups.set(name, { name, bucket: row.bucket, groups: values, sums, lastSettledAt: row.lastSettledAt });
      continue;
    }
    addTo(group.sums, sums);
    group.lastSettledAt = Math.max(group.lastSettledAt, row.lastSettledAt);
  }
  return [...groups.values()];
}

/** The row itself, its texts made into numbers: an answer may have ten thousand. */
function sumsOf(row: SumsRow): Sums {
  for (const column of SUM_COLUMNS) {
    if (typeof row[column] !== 'number') row[column] = wholeOf(row[column] as string);
  }
  return row as unknown as Sums;
}

function totalOf(groups: readonly Group[]): Sums {
  const total = Object.fromEntries(SUM_COLUMNS.map((column) => [column, 0])) as Sums;
  for (const { sums } of groups) addTo(total, sums);
  return total;
}

function addTo(into: Sums, more: Sums): void {
  for (const column of SUM_COLUMNS) into[column] = plus(into[column], more[column]);
}

/** Only the first can be cut short by the period. */
function bucketStarts(buckets: readonly Span[], unit: TimeBucket, tz: string): string[] {
  return buckets.map(({ fromMs }, index) => isoText(index === 0 ? startOfUnit(unit, tz, fromMs) : fromMs));
}

function rowOf(
  { name, bucket, groups, sums, lastSettledAt }: Group,
  { groupBy }: UsageQuestion,
  starts: readonly string[],
  latencies: LatenciesByRow,
): UsageRow {
  const group: UsageRow['group'] = {};
  for (let index = 0; index < groupBy.length; index++) group[groupBy[index]!] = groups[index] ?? null;
  const settled = isoText(lastSettledAt);
  return told({ group, bucketStart: starts[bucket] ?? null, lastSettledAt: settled }, sums, latencies.get(name));
}

/** What is told of the row, then its sums. */
function told<Head extends object>(head: Head, sums: Sums, latencies: ReturnType<LatenciesByRow['get']>) {
  const { latency = null, firstToken = null } = latencies ?? {};
  return {
    ...head,
    requests: Number(sums.requests),
    input: String(sums.input),
    output: String(sums.output),
    cacheRead: String(sums.cacheRead),
    cacheWrite: String(sums.cacheWrite),
    cacheWrite1h: String(sums.cacheWrite1h),
    reasoning: String(sums.reasoning),
    total: String(tokensOf(sums)),
    costNanoUsd: String(sums.costNanoUsd),
    costUsd: usdText(BigInt(sums.costNanoUsd)),
    composition: {
      reported: Number(sums.reported),
      partial: Number(sums.partial),
      estimated: Number(sums.estimated),
      none: Number(sums.none),
      unpriced: Number(sums.unpriced),
      uncertain: Number(sums.uncertain),
    },
    latencyMs: latency && {
      avg: Math.round(Number(sums.latencySumMs) / Number(sums.completed)),
      p50: latency[0]!,
      p95: latency[1]!,
      p99: latency[2]!,
    },
    timeToFirstTokenMs: firstToken && { p50: firstToken[0]!, p95: firstToken[1]! },
  } satisfies UsageSums;
}

function byCostThenTokens(a: Group, b: Group): number {
  return compared(b.sums.costNanoUsd, a.sums.costNanoUsd) || compared(tokensOf(b.sums), tokensOf(a.sums));
}

function byTimeThenCost(a: Group, b: Group): number {
  return a.bucket - b.bucket || byCostThenTokens(a, b);
}

function tokensOf({ input, output, cacheRead, cacheWrite, cacheWrite1h }: Sums): Whole {
  return plus(plus(plus(input, output), plus(cacheRead, cacheWrite)), cacheWrite1h);
}

function compared(a: Whole, b: Whole): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
