/**
 * Sums as the page keeps them, and how one event adds to them: exactly as the ledger's own rollups add an entry. Tokens and
 * money are bigint. Percentiles cannot be added: they stay as they were asked, and are asked again. Pure.
 */
import type { DispatchRecord, UsageSums } from '@weighbridge/client';

export interface Sums {
  requests: number;
  completed: number;
  failed: number;
  aborted: number;
  uncertain: number;
  reported: number;
  partial: number;
  estimated: number;
  none: number;
  unpriced: number;
  input: bigint;
  output: bigint;
  cacheRead: bigint;
  cacheWrite: bigint;
  reasoning: bigint;
  costNanoUsd: bigint;
  latency: { avg: number; p50: number; p95: number; p99: number } | null;
  firstToken: { p50: number; p95: number } | null;
  /** Tokens written and milliseconds taken by completed dispatches, when percentiles were last asked. */
  outputTimed: { tokens: bigint; ms: number };
  lastSettledAt: number;
  /** Whether it is known how many completed, failed and were aborted. */
  hasOutcomes: boolean;
}

const COMPOSITION = ['uncertain', 'reported', 'partial', 'estimated', 'none', 'unpriced'] as const;
const COUNTS = ['requests', 'completed', 'failed', 'aborted', ...COMPOSITION] as const;
const AMOUNTS = ['input', 'output', 'cacheRead', 'cacheWrite', 'reasoning', 'costNanoUsd'] as const;

/** The reason of a correction that gives an unpriced entry its cost. */
const PRICED_LATER = 'priced';

const NONE = {
  ...Object.fromEntries(COUNTS.map((name) => [name, 0])),
  ...Object.fromEntries(AMOUNTS.map((name) => [name, 0n])),
  latency: null,
  firstToken: null,
  outputTimed: { tokens: 0n, ms: 0 },
  lastSettledAt: 0,
  hasOutcomes: true,
} as unknown as Sums;

export function noSums(): Sums {
  return { ...NONE };
}

/** Adds an answer's sums, all of whose dispatches ended with `outcome`; null: that is not known of them. */
export function addAnswer(sums: Sums, wire: UsageSums, outcome: string | null, lastSettledAt: number): void {
  const { composition } = wire;
  sums.requests += wire.requests;
  if (outcome === null) sums.hasOutcomes = false;
  if (outcome === 'completed' || outcome === 'failed' || outcome === 'aborted') sums[outcome] += wire.requests;
  for (const name of COMPOSITION) sums[name] += composition[name];
  for (const name of AMOUNTS) sums[name] += BigInt(wire[name]);
  sums.cacheWrite += BigInt(wire.cacheWrite1h);
  sums.lastSettledAt = Math.max(sums.lastSettledAt, lastSettledAt);
  if (wire.latencyMs !== null) {
    sums.latency = wire.latencyMs;
    sums.firstToken = wire.timeToFirstTokenMs;
    sums.outputTimed = { tokens: BigInt(wire.output), ms: wire.latencyMs.avg * wire.requests };
  }
}

/** Adds what one event says: a settled dispatch, or a correction with its signed differences. */
export function addRecord(sums: Sums, record: DispatchRecord): void {
  const { usage, cost } = record;
  if (record.kind === 'usage') {
    sums.requests += 1;
    if (record.outcome !== null) sums[record.outcome] += 1;
    sums[record.usageSource] += 1;
  } else if (record.reason === PRICED_LATER) sums.unpriced -= 1;
  if (usage !== null) {
    if (cost === null) sums.unpriced += 1;
    sums.input += BigInt(usage.input);
    sums.output += BigInt(usage.output);
    sums.cacheRead += BigInt(usage.cacheRead);
    sums.cacheWrite += BigInt(usage.cacheWrite) + BigInt(usage.cacheWrite1h);
    sums.reasoning += BigInt(usage.reasoning ?? 0);
  }
  if (cost !== null) sums.costNanoUsd += BigInt(cost.nanoUsd);
  if (record.settledAt !== null) sums.lastSettledAt = Math.max(sums.lastSettledAt, Date.parse(record.settledAt));
}

/** Adds sums to sums. Percentiles come along only where one of both has them. */
export function addSums(sums: Sums, more: Sums): void {
  for (const name of COUNTS) sums[name] += more[name];
  for (const name of AMOUNTS) sums[name] += more[name];
  sums.lastSettledAt = Math.max(sums.lastSettledAt, more.lastSettledAt);
  sums.hasOutcomes &&= more.hasOutcomes;
  sums.outputTimed = {
    tokens: sums.outputTimed.tokens + more.outputTimed.tokens,
    ms: sums.outputTimed.ms + more.outputTimed.ms,
  };
  if (more.latency === null) return;
  sums.latency = more.latency;
  sums.firstToken = more.firstToken;
}

/** Takes sums out of sums. Percentiles cannot be taken out: none stay. */
export function takeSums(sums: Sums, less: Sums): void {
  for (const name of COUNTS) sums[name] -= less[name];
  for (const name of AMOUNTS) sums[name] -= less[name];
  sums.latency = null;
  sums.firstToken = null;
}

/** All prompt tokens, cached or not. */
export function promptOf({ input, cacheRead, cacheWrite }: Sums): bigint {
  return input + cacheRead + cacheWrite;
}

export function tokensOf(sums: Sums): bigint {
  return promptOf(sums) + sums.output;
}

/** Of all dispatches, between 0 and 1; null where that is not known. */
export function failedShare({ failed, requests, hasOutcomes }: Sums): number | null {
  return hasOutcomes ? share(failed, requests) : null;
}

/** A share between 0 and 1; null where there is nothing to take it of. */
export function share(part: number | bigint, whole: number | bigint): number | null {
  const all = Number(whole);
  return all === 0 ? null : Number(part) / all;
}

/** Output tokens for each second that completed dispatches took, waiting included. */
export function tokensPerSecond({ outputTimed: { tokens, ms } }: Sums): number | null {
  return ms === 0 ? null : Number(tokens) / (ms / 1000);
}
