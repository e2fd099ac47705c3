/**
 * The steps that settlements, corrections and reports share: what they add to the rollups, and the end of every
 * transaction that gives numbers. Loaded by the store's writer thread.
 */
import { appending, type Counters, eventRow, type Place } from '../events/append.ts';
import { encode, mergeInto } from '../lib/histogram.ts';
import { type Answer, type Steps, together } from '../store/steps.ts';
import type { Row, Value } from '../store/store.ts';
import { ROLLUP_KEY, ROLLUP_SUMS, SETTLEMENT_COLUMNS } from './columns.ts';
import { keyOf, keyText, type Rollup, type RollupFold, type RollupKey, type RollupSource } from './rollup.ts';

/** What of an entry's intent its rollup is keyed by. */
export interface EntryIdentity {
  tenantId: string;
  provider: string;
  model: string;
  agentId: string | null;
  source: string;
}

const at = positions([...SETTLEMENT_COLUMNS]);

/** The rest of every transaction that gives numbers: events, rollups, counters, and word to the followers. */
export function* append(counters: Counters, events: Value[][], fold: RollupFold, kept: Answer): Steps<void> {
  if (events.length === 0) return;
  for (const row of kept) if (row !== null) mergeKept(fold, row);
  yield* together(...appending(events, counters), {
    name: 'ledger.addToRollup',
    rows: [...fold.rollups.values()].map(rollupRow),
  });
}

/** An event whose data is the entry. */
export function entryEvent(place: Place, tenantId: string, id: string, type: string, entryId: string): Value[] {
  return eventRow(place, { tenantId, id, type, subject: entryId, payload: null });
}

/** Each rollup that these entries touch, once. */
export function rollupKeys(sources: readonly RollupSource[]): Value[][] {
  const keys = new Map(sources.map((source) => [keyText(keyOf(source)), keyOf(source)]));
  return [...keys.values()].map(keyRow);
}

export function keyRow(key: RollupKey): Value[] {
  return ROLLUP_KEY.map((column) => key[column]);
}

/** Histograms are merged here, because no engine can, and the later time wins; every other column adds up in the statement. */
export function mergeKept(fold: RollupFold, row: Row): void {
  const rollup = fold.rollups.get(keyText(row as unknown as RollupKey));
  if (!rollup) return;
  mergeInto(rollup.latencies, row.latencies as Uint8Array);
  mergeInto(rollup.firstTokens, row.firstTokens as Uint8Array);
  rollup.lastSettledAt = Math.max(rollup.lastSettledAt, Number(row.lastSettledAt));
}

export function rollupRow(rollup: Rollup): Value[] {
  return [
    ...keyRow(rollup.key),
    ...ROLLUP_SUMS.map((column) => rollup.sums[column]),
    encode(rollup.latencies),
    encode(rollup.firstTokens),
    rollup.lastSettledAt,
  ];
}

export function sourceOf(
  identity: EntryIdentity,
  kind: 'usage' | 'correction',
  reason: string | null,
  values: readonly Value[],
  settledAt: number,
): RollupSource {
  return {
    ...identity,
    kind,
    reason,
    settledAt,
    outcome: values[at('outcome')] as string,
    usageSource: values[at('usageSource')] as string,
    input: values[at('input')] as number | null,
    output: values[at('output')] as number | null,
    cacheRead: values[at('cacheRead')] as number | null,
    cacheWrite: values[at('cacheWrite')] as number | null,
    cacheWrite1h: values[at('cacheWrite1h')] as number | null,
    reasoning: values[at('reasoning')] as number | null,
    costNanoUsd: values[at('costNanoUsd')] as bigint | null,
    latencyMs: values[at('latencyMs')] as number | null,
    timeToFirstTokenMs: values[at('timeToFirstTokenMs')] as number | null,
  };
}

export function positions<Column extends string>(columns: readonly Column[]): (column: Column) => number {
  const index = new Map(columns.map((column, position) => [column, position]));
  return (column) => index.get(column)!;
}
