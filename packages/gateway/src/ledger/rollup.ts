/**
 * Rollups: how one settled entry adds to a 15-minute sum. Pure, and the only place that says it: the writer thread, the
 * rebuild and the verification all fold with it, so kept and rebuilt sums are equal by construction and by test.
 */
import { addTo, type Histogram } from '../lib/histogram.ts';
import type { EntriesTable } from '../store/schema.ts';

export const BUCKET_MS = 15 * 60 * 1000;

/** The reason of a correction that gives an unpriced entry its cost: it leaves the count of the unpriced. */
export const PRICED_LATER = 'priced';

/** The columns of a settled entry that a rollup needs. */
export type RollupSource = Pick<
  EntriesTable,
  | 'tenantId'
  | 'provider'
  | 'model'
  | 'agentId'
  | 'source'
  | 'kind'
  | 'reason'
  | 'usageSource'
  | 'input'
  | 'output'
  | 'cacheRead'
  | 'cacheWrite'
  | 'cacheWrite1h'
  | 'reasoning'
  | 'costNanoUsd'
  | 'latencyMs'
  | 'timeToFirstTokenMs'
> & { outcome: string; settledAt: number };

export interface RollupKey {
  tenantId: string;
  bucketStart: number;
  provider: string;
  model: string;
  agentId: string;
  source: string;
  outcome: string;
}

/** Sums of one key. Tokens and money are bigint: sums pass 2^53. */
export interface RollupSums {
  requests: number;
  reported: number;
  partial: number;
  estimated: number;
  none: number;
  unpriced: number;
  input: bigint;
  output: bigint;
  cacheRead: bigint;
  cacheWrite: bigint;
  cacheWrite1h: bigint;
  reasoning: bigint;
  costNanoUsd: bigint;
  latencySumMs: bigint;
}

export interface Rollup {
  key: RollupKey;
  sums: RollupSums;
  latencies: Histogram;
  firstTokens: Histogram;
  lastSettledAt: number;
}

/** Folds settled entries into rollups by key. */
export class RollupFold {
  readonly rollups = new Map<string, Rollup>();

  add(entry: RollupSource): void {
    const rollup = this.#find(entry);
    addSums(rollup.sums, entry);
    rollup.lastSettledAt = Math.max(rollup.lastSettledAt, entry.settledAt);
    if (entry.kind !== 'usage' || entry.outcome !== 'completed') return;
    if (entry.latencyMs !== null) addTo(rollup.latencies, entry.latencyMs);
    if (entry.timeToFirstTokenMs !== null) addTo(rollup.firstTokens, entry.timeToFirstTokenMs);
  }

  #find(entry: RollupSource): Rollup {
    const key = keyOf(entry);
    const name = keyText(key);
    let rollup = this.rollups.get(name);
    if (!rollup) {
      rollup = { key, sums: noSums(), latencies: new Map(), firstTokens: new Map(), lastSettledAt: 0 };
      this.rollups.set(name, rollup);
    }
    return rollup;
  }
}

export function keyOf(entry: RollupSource): RollupKey {
  return {
    tenantId: entry.tenantId,
    bucketStart: entry.settledAt - (entry.settledAt % BUCKET_MS),
    provider: entry.provider,
    model: entry.model,
    agentId: entry.agentId ?? '',
    source: entry.source,
    outcome: entry.outcome,
  };
}

/** One text for one key; the lengths keep names that hold separators apart. */
export function keyText({ tenantId, bucketStart, provider, model, agentId, source, outcome }: RollupKey): string {
  const lengths = `${tenantId.length} ${provider.length} ${model.length} ${agentId.length} ${source.length}`;
  return `${lengths} ${bucketStart} ${tenantId}${provider}${model}${agentId}${source}${outcome}`;
}

export function noSums(): RollupSums {
  return {
    requests: 0,
    reported: 0,
    partial: 0,
    estimated: 0,
    none: 0,
    unpriced: 0,
    input: 0n,
    output: 0n,
    cacheRead: 0n,
    cacheWrite: 0n,
    cacheWrite1h: 0n,
    reasoning: 0n,
    costNanoUsd: 0n,
    latencySumMs: 0n,
  };
}

/** Adds another rollup's sums, given as numbers or decimal text. */
export function addRollup(sums: RollupSums, part: Readonly<Record<string, unknown>>): void {
  for (const column of Object.keys(sums) as (keyof RollupSums)[]) {
    const value = part[column] as string | number;
    if (typeof sums[column] === 'bigint') (sums[column] as bigint) += BigInt(value);
    else (sums[column] as number) += Number(value);
  }
}

function addSums(sums: RollupSums, entry: RollupSource): void {
  if (entry.kind === 'usage') countRequest(sums, entry);
  else if (entry.reason === PRICED_LATER) sums.unpriced -= 1;
  // Also where a correction brings usage that came late: nobody else would say that it has no price.
  if (entry.input !== null && entry.costNanoUsd === null) sums.unpriced += 1;
  sums.input += BigInt(entry.input ?? 0);
  sums.output += BigInt(entry.output ?? 0);
  sums.cacheRead += BigInt(entry.cacheRead ?? 0);
  sums.cacheWrite += BigInt(entry.cacheWrite ?? 0);
  sums.cacheWrite1h += BigInt(entry.cacheWrite1h ?? 0);
  sums.reasoning += BigInt(entry.reasoning ?? 0);
  sums.costNanoUsd += BigInt(entry.costNanoUsd ?? 0);
}

function countRequest(sums: RollupSums, entry: RollupSource): void {
  sums.requests += 1;
  if (entry.usageSource === 'reported') sums.reported += 1;
  else if (entry.usageSource === 'partial') sums.partial += 1;
  else if (entry.usageSource === 'estimated') sums.estimated += 1;
  else sums.none += 1;
  if (entry.outcome === 'completed' && entry.latencyMs !== null) sums.latencySumMs += BigInt(entry.latencyMs);
}
