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
import { foundInEntries, foundInRollups, type Group, type Sums } from './usage-found.ts';
import type { LatenciesByRow } from './usage-latency.ts';
import {
  MINUTES_PERIOD_MAX_MS,
  needsEntries,
  ROWS_DEFAULT,
  ROWS_MAX,
  tooMany,
  type UsageQuestion,
} from './usage-question.ts';
import { SUM_COLUMNS, type SumColumn, TOKEN_COLUMNS } from './usage-sums.ts';

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
    totals: told({}, totals, latencies.get(null)),
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

/** Where each sum is. */
const AT = Object.fromEntries(SUM_COLUMNS.map((column, index) => [column, index])) as Record<SumColumn, number>;

/** What is told of the row, then its sums. */
function told<Head extends object>(head: Head, sums: Sums, latencies: ReturnType<LatenciesByRow['get']>) {
  const { latency = null, firstToken = null } = latencies ?? {};
  return {
    ...head,
    requests: Number(sums[AT.requests]!),
    input: String(sums[AT.input]!),
    output: String(sums[AT.output]!),
    cacheRead: String(sums[AT.cacheRead]!),
    cacheWrite: String(sums[AT.cacheWrite]!),
    cacheWrite1h: String(sums[AT.cacheWrite1h]!),
    reasoning: String(sums[AT.reasoning]!),
    total: String(tokensOf(sums)),
    costNanoUsd: String(sums[AT.costNanoUsd]!),
    costUsd: usdText(BigInt(sums[AT.costNanoUsd]!)),
    composition: {
      reported: Number(sums[AT.reported]!),
      partial: Number(sums[AT.partial]!),
      estimated: Number(sums[AT.estimated]!),
      none: Number(sums[AT.none]!),
      unpriced: Number(sums[AT.unpriced]!),
      uncertain: Number(sums[AT.uncertain]!),
    },
    latencyMs: latency && {
      avg: Math.round(Number(sums[AT.latencySumMs]!) / Number(sums[AT.completed]!)),
      p50: latency[0]!,
      p95: latency[1]!,
      p99: latency[2]!,
    },
    timeToFirstTokenMs: firstToken && { p50: firstToken[0]!, p95: firstToken[1]! },
  } satisfies UsageSums;
}

function byCostThenTokens(a: Group, b: Group): number {
  return compared(b.sums[AT.costNanoUsd]!, a.sums[AT.costNanoUsd]!) || compared(tokensOf(b.sums), tokensOf(a.sums));
}

function byTimeThenCost(a: Group, b: Group): number {
  return a.bucket - b.bucket || byCostThenTokens(a, b);
}

function tokensOf(sums: Sums): Whole {
  let tokens: Whole = 0;
  for (const column of TOKEN_COLUMNS) tokens = plus(tokens, sums[AT[column]]!);
  return tokens;
}

function compared(a: Whole, b: Whole): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
