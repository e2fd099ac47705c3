/**
 * Sums over time: plans which tiers answer which part of the period, has the database add them up, and puts the answer
 * together. Periods are whole quarters of an hour of settlement time (minutes: whole minutes); the answer says which.
 */
import type { TimeBucket, UsageAnswer, UsageRow, UsageSums } from '@weighbridge/protocol';
import { usdText } from '../domain/price.ts';
import { isoText } from '../lib/iso-text.ts';
import { plus, type Whole } from '../lib/whole.ts';
import type { Store } from '../store/store.ts';
import { bucketsOf, type Folded, MINUTE_MS, piecesOf, QUARTER_MS, type Span, startOfUnit } from './periods.ts';
import { tenantsOf } from './tenants.ts';
import { foundInEntries, foundInRollups } from './usage-found.ts';
import type { LatenciesByRow } from './usage-latency.ts';
import {
  MINUTES_PERIOD_MAX_MS,
  needsEntries,
  ROWS_DEFAULT,
  ROWS_MAX,
  tooMany,
  type UsageQuestion,
} from './usage-question.ts';
import { type Group, SUM_AT, type Sums, TOKEN_COLUMNS } from './usage-sums.ts';
import { nameOf } from './usage-tiers.ts';

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
  const wantsLatency = question.latency ?? (bucket === null && !fromEntries);
  const rowsMax = bucket === null ? limit : Math.max(limit, ROWS_MAX) + 1;
  const found = fromEntries
    ? await foundInEntries(store, question, { buckets, folded: ledger.folded, rowsMax, wantsLatency })
    : await foundInRollups(store, question, { pieces: piecesOf(buckets, ledger.folded), wantsLatency });
  const { groups, groupCount, totals, latencies, asOfSeq } = found;
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
    totals: totalsOf(totals, latencies.get(null)),
  };
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

/** Only the first can be cut short by the period. */
function bucketStarts(buckets: readonly Span[], unit: TimeBucket, tz: string): string[] {
  return buckets.map(({ fromMs }, index) => isoText(index === 0 ? startOfUnit(unit, tz, fromMs) : fromMs));
}

function rowOf(
  { bucket, groups, sums, lastSettledAt }: Group,
  { groupBy }: UsageQuestion,
  starts: readonly string[],
  latencies: LatenciesByRow,
): UsageRow {
  const group: UsageRow['group'] = {};
  for (let index = 0; index < groupBy.length; index++) group[groupBy[index]!] = groups[index] ?? null;
  const ofRow = latencies.size === 0 ? undefined : latencies.get(nameOf(bucket, groups));
  return told(group, starts[bucket] ?? null, isoText(lastSettledAt), sums, ofRow);
}

function totalsOf(sums: Sums, latencies: ReturnType<LatenciesByRow['get']>): UsageSums {
  const { group, bucketStart, lastSettledAt, ...totals } = told({}, null, '', sums, latencies);
  return totals;
}

/** In one piece: there may be ten thousand of them. */
function told(
  group: UsageRow['group'],
  bucketStart: string | null,
  lastSettledAt: string,
  sums: Sums,
  latencies: ReturnType<LatenciesByRow['get']>,
): UsageRow {
  const completed = Number(sums[SUM_AT.completed]!);
  // Percentiles are asked beside the sums, and a first completion may come between the two.
  const { latency = null, firstToken = null } = (completed > 0 ? latencies : undefined) ?? {};
  return {
    group,
    bucketStart,
    lastSettledAt,
    requests: Number(sums[SUM_AT.requests]!),
    input: String(sums[SUM_AT.input]!),
    output: String(sums[SUM_AT.output]!),
    cacheRead: String(sums[SUM_AT.cacheRead]!),
    cacheWrite: String(sums[SUM_AT.cacheWrite]!),
    cacheWrite1h: String(sums[SUM_AT.cacheWrite1h]!),
    reasoning: String(sums[SUM_AT.reasoning]!),
    total: String(tokensOf(sums)),
    costNanoUsd: String(sums[SUM_AT.costNanoUsd]!),
    costUsd: usdText(sums[SUM_AT.costNanoUsd]!),
    composition: {
      reported: Number(sums[SUM_AT.reported]!),
      partial: Number(sums[SUM_AT.partial]!),
      estimated: Number(sums[SUM_AT.estimated]!),
      none: Number(sums[SUM_AT.none]!),
      unpriced: Number(sums[SUM_AT.unpriced]!),
      uncertain: Number(sums[SUM_AT.uncertain]!),
    },
    latencyMs: latency && {
      avg: Math.round(Number(sums[SUM_AT.latencySumMs]!) / completed),
      p50: latency[0]!,
      p95: latency[1]!,
      p99: latency[2]!,
    },
    timeToFirstTokenMs: firstToken && { p50: firstToken[0]!, p95: firstToken[1]! },
  };
}

function byCostThenTokens(a: Group, b: Group): number {
  return (
    compared(b.sums[SUM_AT.costNanoUsd]!, a.sums[SUM_AT.costNanoUsd]!) || compared(tokensOf(b.sums), tokensOf(a.sums))
  );
}

function byTimeThenCost(a: Group, b: Group): number {
  return a.bucket - b.bucket || byCostThenTokens(a, b);
}

function tokensOf(sums: Sums): Whole {
  let tokens: Whole = 0;
  for (const column of TOKEN_COLUMNS) tokens = plus(tokens, sums[SUM_AT[column]]!);
  return tokens;
}

function compared(a: Whole, b: Whole): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
