/**
 * Sums over time. Groups that rollups know are answered from rollups; sessions and end users, which would make rollups
 * as large as the ledger, are summed from indexed entries. Both fold into the same shape, so they cannot disagree.
 * Periods are whole 15-minute buckets of settlement time: `from` is rounded down, `to` up, and the answer says so.
 */
import type { UsageAnswer, UsageGroup, UsageRow, UsageSums } from '@weighbridge/protocol';
import { sql } from 'kysely';
import { usdText } from '../domain/price.ts';
import { type Histogram, mergeInto, percentiles } from '../lib/histogram.ts';
import type { Store } from '../store/store.ts';
import type { DispatchFilters } from './questions.ts';
import { BUCKET_MS, noSums, RollupFold, type RollupSource, type RollupSums } from './rollup.ts';
import { ROLLUP_SOURCE_COLUMNS } from './statements.ts';

export interface UsageQuestion {
  tenantId: string;
  fromMs: number;
  toMs: number;
  groupBy: readonly UsageGroup[];
  filters: Pick<DispatchFilters, 'model' | 'provider' | 'agentId' | 'sessionKey' | 'endUserId' | 'source' | 'outcome'>;
}

/** One summand, wherever it came from. */
interface Part {
  group: Partial<Record<UsageGroup, string | null>>;
  outcome: string;
  sums: RollupSums;
  latencies: Histogram;
  firstTokens: Histogram;
  lastSettledAt: number;
}

export async function usageAnswer(store: Store, question: UsageQuestion): Promise<UsageAnswer> {
  const fromMs = Math.floor(question.fromMs / BUCKET_MS) * BUCKET_MS;
  const toMs = Math.ceil(question.toMs / BUCKET_MS) * BUCKET_MS;
  // Read before the sums: the sums then hold at least everything up to it.
  const [counters] = await store.read<{ lastSeq: number }>(
    store.queries.selectFrom('ledger').select('lastSeq').compile(),
  );
  const asked = { ...question, fromMs, toMs };
  const parts = needsEntries(question) ? await partsOfEntries(store, asked) : await partsOfRollups(store, asked);
  const rows = foldByGroup(parts, question.groupBy);
  return {
    object: 'usage',
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    groupBy: [...question.groupBy],
    asOfSeq: counters?.lastSeq ?? 0,
    rows: rows.sort(byCostThenTokens),
    totals: sumsOf(parts),
  };
}

function needsEntries({ groupBy, filters }: UsageQuestion): boolean {
  return (
    groupBy.includes('session') ||
    groupBy.includes('endUser') ||
    filters.sessionKey !== undefined ||
    filters.endUserId !== undefined
  );
}

interface RollupRow {
  tenantId: string;
  provider: string;
  model: string;
  agentId: string;
  source: string;
  outcome: string;
  requests: number;
  reported: number;
  partial: number;
  estimated: number;
  none: number;
  unpriced: number;
  input: string;
  output: string;
  cacheRead: string;
  cacheWrite: string;
  cacheWrite1h: string;
  reasoning: string;
  costNanoUsd: string;
  latencySumMs: string;
  latencies: Uint8Array;
  firstTokens: Uint8Array;
  lastSettledAt: number;
}

const BIG_SUMS = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'costNanoUsd',
  'latencySumMs',
] as const;

async function partsOfRollups(store: Store, question: UsageQuestion): Promise<Part[]> {
  let query = store.queries
    .selectFrom('rollups')
    .select([
      'tenantId',
      'provider',
      'model',
      'agentId',
      'source',
      'outcome',
      'requests',
      'reported',
      'partial',
      'estimated',
      'none',
      'unpriced',
      'latencies',
      'firstTokens',
      'lastSettledAt',
      ...BIG_SUMS.map((column) => sql<string>`cast(${sql.ref(column)} as text)`.as(column)),
    ])
    .where('tenantId', '=', question.tenantId)
    .where('bucketStart', '>=', question.fromMs)
    .where('bucketStart', '<', question.toMs);
  for (const column of ['model', 'provider', 'agentId', 'source', 'outcome'] as const) {
    const value = question.filters[column];
    if (value !== undefined) query = query.where(column, '=', value);
  }
  const rows = await store.read<RollupRow>(query.compile());
  return rows.map((row) => {
    const latencies: Histogram = new Map();
    const firstTokens: Histogram = new Map();
    mergeInto(latencies, row.latencies);
    mergeInto(firstTokens, row.firstTokens);
    const { requests, reported, partial, estimated, none, unpriced } = row;
    const sums = { ...noSums(), requests, reported, partial, estimated, none, unpriced };
    for (const column of BIG_SUMS) sums[column] = BigInt(row[column]);
    return {
      group: groupOf(row, row.agentId === '' ? null : row.agentId),
      outcome: row.outcome,
      sums,
      latencies,
      firstTokens,
      lastSettledAt: row.lastSettledAt,
    };
  });
}

type EntryPart = Omit<RollupSource, 'costNanoUsd'> & {
  costNanoUsd: string | null;
  sessionKey: string | null;
  endUserId: string | null;
};

async function partsOfEntries(store: Store, question: UsageQuestion): Promise<Part[]> {
  let query = store.queries
    .selectFrom('entries')
    .select([
      ...ROLLUP_SOURCE_COLUMNS.filter((column) => column !== 'costNanoUsd'),
      'sessionKey',
      'endUserId',
      sql<string | null>`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd'),
    ])
    .where('tenantId', '=', question.tenantId)
    .where('settledAt', '>=', question.fromMs)
    .where('settledAt', '<', question.toMs);
  for (const [column, value] of Object.entries(question.filters) as ['model', string | undefined][]) {
    if (value !== undefined) query = query.where(column, '=', value);
  }
  const rows = await store.read<EntryPart>(query.compile());
  return rows.flatMap((row) => {
    const fold = new RollupFold();
    fold.add({ ...row, costNanoUsd: row.costNanoUsd === null ? null : BigInt(row.costNanoUsd) });
    const group = { ...groupOf(row, row.agentId), session: row.sessionKey, endUser: row.endUserId };
    return [...fold.rollups.values()].map((rollup) => ({ ...rollup, group, outcome: row.outcome }));
  });
}

function groupOf(
  row: { tenantId: string; provider: string; model: string; source: string; outcome: string },
  agentId: string | null,
): Part['group'] {
  return {
    tenant: row.tenantId,
    provider: row.provider,
    model: row.model,
    source: row.source,
    outcome: row.outcome,
    agent: agentId,
  };
}

function foldByGroup(parts: readonly Part[], groupBy: readonly UsageGroup[]): UsageRow[] {
  const groups = Map.groupBy(parts, (part) => JSON.stringify(groupBy.map((name) => part.group[name] ?? null)));
  return [...groups.values()].map((group) => ({
    group: Object.fromEntries(groupBy.map((name) => [name, group[0]!.group[name] ?? null])),
    lastSettledAt: new Date(Math.max(...group.map((part) => part.lastSettledAt))).toISOString(),
    ...sumsOf(group),
  }));
}

function sumsOf(parts: readonly Part[]): UsageSums {
  const sums = noSums();
  const latencies: Histogram = new Map();
  const firstTokens: Histogram = new Map();
  let uncertain = 0;
  let completed = 0;
  for (const part of parts) {
    for (const column of Object.keys(sums) as (keyof RollupSums)[]) add(sums, part.sums, column);
    mergeHistogram(latencies, part.latencies);
    mergeHistogram(firstTokens, part.firstTokens);
    if (part.outcome === 'uncertain') uncertain += part.sums.requests;
    if (part.outcome === 'completed') completed += part.sums.requests;
  }
  const total = sums.input + sums.output + sums.cacheRead + sums.cacheWrite + sums.cacheWrite1h;
  const latency = percentiles(latencies, [0.5, 0.95, 0.99]);
  const firstToken = percentiles(firstTokens, [0.5, 0.95]);
  return {
    requests: sums.requests,
    input: sums.input.toString(),
    output: sums.output.toString(),
    cacheRead: sums.cacheRead.toString(),
    cacheWrite: sums.cacheWrite.toString(),
    cacheWrite1h: sums.cacheWrite1h.toString(),
    reasoning: sums.reasoning.toString(),
    total: total.toString(),
    costNanoUsd: sums.costNanoUsd.toString(),
    costUsd: usdText(sums.costNanoUsd),
    composition: {
      reported: sums.reported,
      partial: sums.partial,
      estimated: sums.estimated,
      none: sums.none,
      unpriced: sums.unpriced,
      uncertain,
    },
    latencyMs: latency && {
      avg: Math.round(Number(sums.latencySumMs) / completed),
      p50: latency[0]!,
      p95: latency[1]!,
      p99: latency[2]!,
    },
    timeToFirstTokenMs: firstToken && { p50: firstToken[0]!, p95: firstToken[1]! },
  };
}

function add<Column extends keyof RollupSums>(into: RollupSums, from: RollupSums, column: Column): void {
  into[column] = ((into[column] as never) + (from[column] as never)) as RollupSums[Column];
}

function mergeHistogram(into: Histogram, from: Histogram): void {
  for (const [bin, count] of from) into.set(bin, (into.get(bin) ?? 0) + count);
}

function byCostThenTokens(a: UsageRow, b: UsageRow): number {
  return Number(BigInt(b.costNanoUsd) - BigInt(a.costNanoUsd)) || Number(BigInt(b.total) - BigInt(a.total));
}
