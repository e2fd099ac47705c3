/**
 * The ledger's transactions, run in the store's writer thread. Each receives every input that waits, so a batch of
 * settlements locks the counters once and touches each rollup once. They decide nothing but what one transaction must.
 */
import { encode, mergeInto } from '../lib/histogram.ts';
import { siblingId } from '../lib/ids.ts';
import type { Row, Statement, Steps, Value } from '../store/store.ts';
import {
  CORRECTION_COLUMNS,
  INTENT_COLUMNS,
  ROLLUP_KEY,
  ROLLUP_SUMS,
  SETTLEMENT_COLUMNS,
  uncertainValues,
} from './columns.ts';
import { type Rollup, RollupFold, type RollupSource } from './rollup.ts';

/** What of an entry's intent its rollup is keyed by. */
export interface EntryIdentity {
  tenantId: string;
  provider: string;
  model: string;
  agentId: string | null;
  source: string;
}

/** A settlement on its way to the writer; `values` in the order of SETTLEMENT_COLUMNS. */
export interface SettleInput {
  identity: EntryIdentity;
  entryId: string;
  eventId: string;
  now: number;
  values: Value[];
}

/** Where a settlement landed; null when the entry was settled before. */
export type Settled = { seq: number; settledAt: number } | null;

/** Recovery on behalf of an instance: everything that another left open. */
export interface RecoverInput {
  instanceId: string;
  now: number;
}

/** How many entries recovery settled, and the last number it gave. */
export interface Recovered {
  entries: number;
  lastSeq: number;
}

/** A correction: intent columns of the entry it amends, then its reason, then signed deltas. */
export interface CorrectInput {
  eventId: string;
  now: number;
  intent: Value[];
  correction: Value[];
  settlement: Value[];
}

export interface BeginInput {
  ledgerId: string;
  instanceId: string;
  pid: number;
  now: number;
}

const at = positions([...SETTLEMENT_COLUMNS]);
const intentAt = positions([...INTENT_COLUMNS]);
const correctionAt = positions([...CORRECTION_COLUMNS]);

export function* openEntries(inputs: readonly Value[][]): Steps<null[]> {
  for (const values of inputs) yield { name: 'ledger.insertIntent', values };
  return inputs.map(() => null);
}

export function* settleEntries(inputs: readonly SettleInput[]): Steps<Settled[]> {
  const counters = yield* lockCounters(inputs);
  const fold = new RollupFold();
  const settled: Settled[] = [];
  for (const input of inputs) {
    const seq = counters.seq + 1;
    const { tenantId } = input.identity;
    // Asks for the count of changed rows, not for the row: RETURNING would cost a third of the statement.
    const { changed } = yield {
      name: 'ledger.settleIfOpen',
      values: [seq, counters.settledAt, ...input.values, tenantId, input.entryId],
    };
    if (changed === 0) {
      settled.push(null);
      continue;
    }
    counters.seq = seq;
    yield appendEvent(seq, tenantId, input.eventId, 'model.usage', counters.settledAt, input.entryId);
    fold.add(rollupSource(input.identity, 'usage', null, input.values, counters.settledAt));
    settled.push({ seq, settledAt: counters.settledAt });
  }
  yield* addRollups(fold);
  yield { name: 'ledger.advanceCounters', values: [counters.seq, counters.settledAt, 1] };
  return settled;
}

export function* correctEntries(inputs: readonly CorrectInput[]): Steps<Settled[]> {
  const counters = yield* lockCounters(inputs);
  const fold = new RollupFold();
  const settled: Settled[] = [];
  for (const input of inputs) {
    counters.seq += 1;
    const { seq, settledAt } = counters;
    yield {
      name: 'ledger.insertCorrection',
      values: [...input.intent, ...input.correction, seq, settledAt, ...input.settlement],
    };
    const tenantId = String(input.intent[intentAt('tenantId')]);
    const entryId = String(input.intent[intentAt('entryId')]);
    yield appendEvent(seq, tenantId, input.eventId, 'model.usage.corrected', settledAt, entryId);
    const identity: EntryIdentity = {
      tenantId,
      provider: input.intent[intentAt('provider')] as string,
      model: input.intent[intentAt('model')] as string,
      agentId: input.intent[intentAt('agentId')] as string | null,
      source: input.intent[intentAt('source')] as string,
    };
    const reason = input.correction[correctionAt('reason')] as string;
    fold.add(rollupSource(identity, 'correction', reason, input.settlement, settledAt));
    settled.push({ seq, settledAt });
  }
  yield* addRollups(fold);
  yield { name: 'ledger.advanceCounters', values: [counters.seq, counters.settledAt, 1] };
  return settled;
}

/** Settles what dead instances left open, page by page, in one transaction. */
export function* recoverEntries(inputs: readonly RecoverInput[]): Steps<Recovered[]> {
  const recovered: Recovered[] = [];
  for (const { instanceId, now } of inputs) {
    const found: Recovered = { entries: 0, lastSeq: 0 };
    while (true) {
      const { rows } = yield { name: 'ledger.openOfOthers', values: [instanceId, 500] };
      if (rows.length === 0) break;
      const settled = yield* settleEntries(rows.map((row) => uncertain(row, now)));
      found.entries += rows.length;
      found.lastSeq = settled.at(-1)?.seq ?? found.lastSeq;
    }
    recovered.push(found);
  }
  return recovered;
}

function uncertain(row: Row, now: number): SettleInput {
  const { entryId, ...identity } = row;
  return {
    identity: identity as unknown as EntryIdentity,
    entryId: String(entryId),
    eventId: siblingId(String(entryId), 'evt'),
    now,
    values: uncertainValues(),
  };
}

/** Throws the kept rollups away and folds them again from the entries, in one transaction. */
export function* rebuildRollups(inputs: readonly null[]): Steps<number[]> {
  yield { name: 'ledger.clearRollups', values: [] };
  const fold = new RollupFold();
  let after: Value[] = ['', ''];
  while (true) {
    const { rows: page }: { rows: readonly Row[] } = yield { name: 'ledger.settledPage', values: [...after, 1000] };
    for (const row of page) fold.add(row as unknown as RollupSource);
    const last = page.at(-1);
    if (!last) break;
    after = [last.tenantId!, last.entryId!];
  }
  yield* addRollups(fold);
  return inputs.map(() => fold.rollups.size);
}

/** Names the ledger if it has no name yet and enters this process among its instances. */
export function* beginInstance(inputs: readonly BeginInput[]): Steps<{ ledgerId: string; lastSeq: number }[]> {
  const names: { ledgerId: string; lastSeq: number }[] = [];
  for (const { ledgerId, instanceId, pid, now } of inputs) {
    yield { name: 'ledger.name', values: [1, ledgerId, 0, 0] };
    yield { name: 'ledger.beginInstance', values: [instanceId, pid, now] };
    const { rows } = yield { name: 'ledger.readName', values: [] };
    names.push({ ledgerId: String(rows[0]!.ledgerId), lastSeq: Number(rows[0]!.lastSeq) });
  }
  return names;
}

export function* endInstance(inputs: readonly { instanceId: string; now: number }[]): Steps<null[]> {
  for (const { instanceId, now } of inputs) yield { name: 'ledger.endInstance', values: [now, instanceId] };
  return inputs.map(() => null);
}

/** `settledAt` is the commit's time and never goes back, whatever the clock does. */
function* lockCounters(inputs: readonly { now: number }[]): Steps<{ seq: number; settledAt: number }> {
  const { rows } = yield { name: 'ledger.lockCounters', values: [1] };
  let settledAt = Number(rows[0]!.lastSettledAt);
  for (const { now } of inputs) if (now > settledAt) settledAt = now;
  return { seq: Number(rows[0]!.lastSeq), settledAt };
}

function* addRollups(fold: RollupFold): Steps<void> {
  for (const rollup of fold.rollups.values()) {
    const key = ROLLUP_KEY.map((column) => rollup.key[column]);
    const { rows } = yield { name: 'ledger.readRollup', values: key };
    const kept = rows[0];
    if (kept) {
      mergeInto(rollup.latencies, kept.latencies as Uint8Array);
      mergeInto(rollup.firstTokens, kept.firstTokens as Uint8Array);
    }
    yield { name: 'ledger.addToRollup', values: [...key, ...rollupValues(rollup)] };
  }
}

function rollupValues(rollup: Rollup): Value[] {
  return [
    ...ROLLUP_SUMS.map((column) => rollup.sums[column]),
    encode(rollup.latencies),
    encode(rollup.firstTokens),
    rollup.lastSettledAt,
  ];
}

function appendEvent(
  seq: number,
  tenantId: string,
  id: string,
  type: string,
  occurredAt: number,
  subject: string,
): Statement {
  return { name: 'events.append', values: [seq, tenantId, id, type, occurredAt, subject, null] };
}

function rollupSource(
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

function positions<Column extends string>(columns: readonly Column[]): (column: Column) => number {
  const index = new Map(columns.map((column, position) => [column, position]));
  return (column) => index.get(column)!;
}
