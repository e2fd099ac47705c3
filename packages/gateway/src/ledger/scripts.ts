/**
 * The ledger's transactions, run in the store's writer thread. Each receives every input that waits, so a batch of
 * settlements locks the counters once and touches each rollup once. They decide nothing but what one transaction must.
 */
import { type Counters, lockCounters, placeAt } from '../events/append.ts';
import { siblingId } from '../lib/ids.ts';
import { ask, each, type Steps, together } from '../store/steps.ts';
import type { Row, Value } from '../store/store.ts';
import { CORRECTION_COLUMNS, INTENT_COLUMNS, uncertainValues } from './columns.ts';
import { foldAgain } from './folding-scripts.ts';
import { RollupFold, type RollupSource } from './rollup.ts';
import {
  append,
  type EntryIdentity,
  entryEvent,
  keyRow,
  mergeKept,
  positions,
  rollupKeys,
  rollupRow,
  sourceOf,
} from './settling.ts';

/** A settlement on its way to the writer; `values` in the order of SETTLEMENT_COLUMNS. */
export interface SettleInput {
  identity: EntryIdentity;
  entryId: string;
  eventId: string;
  now: number;
  values: Value[];
}

/** Where a settlement landed, or why it did not: the entry was settled before, declared dead before, or is not there. */
export type Settled = { seq: number; settledAt: number } | 'settled' | 'uncertain' | 'missing';

/** Recovery on behalf of an instance. `exclusive`: every other is dead; else only those whose lease has run out. */
export interface RecoverInput {
  instanceId: string;
  exclusive: boolean;
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

/** A rebuild; null: with as many rollups in memory as usual. */
export type RebuildInput = { rollupsHeldMax: number } | null;

/** Entries of the dead settled in one round. */
const RECOVERED_AT_ONCE = 500;
/** Rollups written in one statement of a rebuild. */
const ROLLUPS_AT_ONCE = 2_000;
/** Rollups that a rebuild keeps in memory, about 2 kB each, before it writes them. */
const ROLLUPS_HELD_MAX = 50_000;

const intentAt = positions([...INTENT_COLUMNS]);
const correctionAt = positions([...CORRECTION_COLUMNS]);

export function* openEntries(inputs: readonly Value[][]): Steps<null[]> {
  yield* each('ledger.insertIntent', inputs);
  return inputs.map(() => null);
}

export function* settleEntries(inputs: readonly SettleInput[]): Steps<Settled[]> {
  const counters = yield* lockCounters(inputs);
  const sources = inputs.map((input) => rollupSource(input, counters.settledAt));
  const [changed, kept] = yield* together(
    { name: 'ledger.settleIfOpen', rows: inputs.map((input, i) => settleRow(input, counters, i)) },
    { name: 'ledger.readRollup', rows: rollupKeys(sources) },
  );
  const fold = new RollupFold();
  const events: Value[][] = [];
  const settled: Settled[] = inputs.map((input, i) => {
    if (changed![i] === null) return 'settled';
    const place = placeAt(counters, events.length);
    events.push(entryEvent(place, input.identity.tenantId, input.eventId, 'model.usage', input.entryId));
    fold.add(sources[i]!);
    return place;
  });
  yield* closeRanks(settled, (i) => [inputs[i]!.identity.tenantId, inputs[i]!.entryId]);
  yield* append(counters, events, fold, kept!);
  return yield* explained(inputs, settled);
}

export function* correctEntries(inputs: readonly CorrectInput[]): Steps<Settled[]> {
  const counters = yield* lockCounters(inputs);
  const sources = inputs.map((input) => correctionSource(input, counters.settledAt));
  const [changed, kept] = yield* together(
    { name: 'ledger.insertCorrection', rows: inputs.map((input, i) => correctionRow(input, counters, i)) },
    { name: 'ledger.readRollup', rows: rollupKeys(sources) },
  );
  const fold = new RollupFold();
  const events: Value[][] = [];
  const written = new Set<string>();
  const settled = inputs.map((input, i): Settled => {
    // Who comes twice in one batch is one row, and where a statement takes all rows at once both are told of it.
    if (changed![i] === null || written.has(correctionKey(input))) return 'settled';
    written.add(correctionKey(input));
    const place = placeAt(counters, events.length);
    const [tenantId, entryId] = [intentOf(input, 'tenantId') as string, intentOf(input, 'entryId') as string];
    events.push(entryEvent(place, tenantId, input.eventId, 'model.usage.corrected', entryId));
    fold.add(sources[i]!);
    return place;
  });
  yield* closeRanks(settled, (i) => [intentOf(inputs[i]!, 'tenantId'), intentOf(inputs[i]!, 'entryId')]);
  yield* append(counters, events, fold, kept!);
  return settled;
}

/**
 * Rows take their numbers before it is known who is settled already. Where somebody was, those behind move up, so that
 * the log has no hole: who follows it can tell that nothing is missing.
 */
function* closeRanks(settled: readonly Settled[], keyAt: (index: number) => Value[]): Steps<void> {
  const gap = settled.indexOf('settled');
  if (gap === -1) return;
  const moved = settled.flatMap((place, i) => (i > gap && typeof place === 'object' ? [[place.seq, ...keyAt(i)]] : []));
  yield* each('ledger.renumber', moved);
}

/** Settles what dead instances left open, page by page, in one transaction. */
export function* recoverEntries(inputs: readonly RecoverInput[]): Steps<Recovered[]> {
  const recovered: Recovered[] = [];
  for (const { instanceId, exclusive, now } of inputs) {
    const found: Recovered = { entries: 0, lastSeq: 0 };
    while (true) {
      const open = exclusive ? 'ledger.openOfOthers' : 'ledger.openOfExpired';
      const rows = yield* ask(open, [instanceId, RECOVERED_AT_ONCE]);
      if (rows.length === 0) break;
      const settled = yield* settleEntries(rows.map((row) => uncertain(row, now)));
      for (const place of settled) {
        if (typeof place === 'string') continue;
        found.entries += 1;
        found.lastSeq = place.seq;
      }
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

/** Throws the kept rollups away and folds them again from the entries, in one transaction; answers how many there are. */
export function* rebuildRollups(inputs: readonly RebuildInput[]): Steps<number[]> {
  const heldMax = inputs[0]?.rollupsHeldMax ?? ROLLUPS_HELD_MAX;
  // The counters' lock keeps other gateways from settling meanwhile.
  yield* ask('events.lockCounters', [1]);
  yield* ask('ledger.clearRollups');
  let fold = new RollupFold();
  let made = 0;
  let after: Value[] = ['', ''];
  while (true) {
    const page = yield* ask('ledger.settledPage', [...after, 1000]);
    for (const row of page) {
      fold.add(row as unknown as RollupSource);
      if (fold.rollups.size < heldMax) continue;
      made += yield* addRollups(fold);
      fold = new RollupFold();
    }
    const last = page.at(-1);
    if (!last) break;
    after = [last.tenantId!, last.entryId!];
  }
  made += yield* addRollups(fold);
  yield* foldAgain();
  return inputs.map(() => made);
}

/** Adds them to those of their keys that are written already, if any; answers how many were not. */
function* addRollups(fold: RollupFold): Steps<number> {
  const rollups = [...fold.rollups.values()];
  let made = 0;
  // A server ends a session that is silent while hundreds of thousands of rows are made into one statement.
  for (let first = 0; first < rollups.length; first += ROLLUPS_AT_ONCE) {
    const portion = rollups.slice(first, first + ROLLUPS_AT_ONCE);
    const kept = yield* each(
      'ledger.readRollup',
      portion.map(({ key }) => keyRow(key)),
    );
    for (const row of kept) {
      if (row === null) made++;
      else mergeKept(fold, row);
    }
    yield* each('ledger.addToRollup', portion.map(rollupRow));
  }
  return made;
}

/** Names the ledger if it has no name yet and enters this process among its instances. */
export function* beginInstance(inputs: readonly BeginInput[]): Steps<{ ledgerId: string; lastSeq: number }[]> {
  const names: { ledgerId: string; lastSeq: number }[] = [];
  for (const { ledgerId, instanceId, pid, now } of inputs) {
    yield* each('ledger.name', [[1, ledgerId, 0, 0]]);
    yield* each('ledger.beginInstance', [[instanceId, pid, now]]);
    const [row] = yield* ask('ledger.readName');
    if (row!.importing === 1) {
      throw new Error('an import into this database is not finished; run `ledger import` again to go on with it');
    }
    names.push({ ledgerId: String(row!.ledgerId), lastSeq: Number(row!.lastSeq) });
  }
  return names;
}

export function* endInstance(inputs: readonly { instanceId: string; now: number }[]): Steps<null[]> {
  const rows = inputs.map(({ instanceId, now }) => [now, 0, instanceId]);
  yield* each('ledger.endInstance', rows);
  return inputs.map(() => null);
}

/** Says that an instance lives, for another `leaseMs` of the database's clock. */
export function* beat(inputs: readonly { instanceId: string; leaseMs: number }[]): Steps<null[]> {
  for (const { instanceId, leaseMs } of inputs) yield* ask('ledger.beat', [leaseMs, null, instanceId]);
  return inputs.map(() => null);
}

/** An entry that could not be settled is looked at: who settled it, or is it lost with a server's last moments? */
function* explained(inputs: readonly SettleInput[], settled: Settled[]): Steps<Settled[]> {
  const unsettled = inputs.filter((_, i) => settled[i] === 'settled');
  const found = yield* each(
    'ledger.findOutcome',
    unsettled.map(({ identity, entryId }) => [identity.tenantId, entryId]),
  );
  const reasons = new Map(unsettled.map(({ entryId }, i) => [entryId, reasonOf(found[i]!)]));
  return settled.map((place, i) => reasons.get(inputs[i]!.entryId) ?? place);
}

function reasonOf(row: Row | null): Settled {
  if (row === null) return 'missing';
  return row.outcome === 'uncertain' ? 'uncertain' : 'settled';
}

function settleRow({ identity, entryId, values }: SettleInput, counters: Counters, index: number): Value[] {
  return [counters.seq + 1 + index, counters.settledAt, ...values, identity.tenantId, entryId];
}

function correctionRow({ intent, correction, settlement }: CorrectInput, counters: Counters, index: number): Value[] {
  return [...intent, ...correction, counters.seq + 1 + index, counters.settledAt, ...settlement];
}

function correctionKey(input: CorrectInput): string {
  return JSON.stringify([intentOf(input, 'tenantId'), intentOf(input, 'entryId')]);
}

function intentOf({ intent }: CorrectInput, column: (typeof INTENT_COLUMNS)[number]): Value {
  return intent[intentAt(column)]!;
}

function correctionSource(input: CorrectInput, settledAt: number): RollupSource {
  const identity: EntryIdentity = {
    tenantId: intentOf(input, 'tenantId') as string,
    provider: intentOf(input, 'provider') as string,
    model: intentOf(input, 'model') as string,
    agentId: intentOf(input, 'agentId') as string | null,
    source: intentOf(input, 'source') as string,
  };
  const reason = input.correction[correctionAt('reason')] as string;
  return sourceOf(identity, 'correction', reason, input.settlement, settledAt);
}

function rollupSource({ identity, values }: SettleInput, settledAt: number): RollupSource {
  return sourceOf(identity, 'usage', null, values, settledAt);
}

export { foldRollups } from './folding-scripts.ts';
export { reportEntries } from './reports/scripts.ts';
