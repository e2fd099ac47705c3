/**
 * How a fact gets its number. Any room's script appends with these steps inside its own transaction: the counters' lock
 * makes numbers rise in commit order, whoever commits, and the commit's time never goes back. Loaded by the store's
 * writer thread. A batch that runs again after a lost answer may append a fact twice; its id stays the same, and
 * followers know a repeat by it.
 */
import { ask, type Step, type Steps, telling, together } from '../store/steps.ts';
import type { Value } from '../store/store.ts';

/** What is to be said. */
export interface Fact {
  tenantId: string;
  /** `evt_…`, given by whoever says it. */
  id: string;
  type: string;
  /** What it is about; where there is no payload, the type's renderer makes the data from it. */
  subject: string;
  /** The event's `data` as JSON. */
  payload: string | null;
  now: number;
}

/** Where a fact came to stand. */
export interface Place {
  seq: number;
  /** Milliseconds since the epoch. */
  settledAt: number;
}

export interface Counters {
  /** The last number given. */
  seq: number;
  /** The commit's time; it never goes back, whatever the clock does. */
  settledAt: number;
}

/** Keeps every other writer from giving numbers until this transaction ends. */
export function* lockCounters(inputs: readonly { now: number }[]): Steps<Counters> {
  const [row] = yield* ask('events.lockCounters', [1]);
  let settledAt = Number(row!.lastSettledAt);
  for (const { now } of inputs) if (now > settledAt) settledAt = now;
  return { seq: Number(row!.lastSeq), settledAt };
}

/** The nth number of this transaction, from 0. */
export function placeAt({ seq, settledAt }: Counters, index: number): Place {
  return { seq: seq + 1 + index, settledAt };
}

/** A row of the log. */
export function eventRow({ seq, settledAt }: Place, fact: Omit<Fact, 'now'>): Value[] {
  return [seq, fact.tenantId, fact.id, fact.type, settledAt, fact.subject, fact.payload];
}

/** The steps that end every transaction that gave numbers: the rows, the counters, and word to the followers. */
export function appending(rows: readonly Value[][], { settledAt }: Counters): Step[] {
  const lastSeq = rows.at(-1)![0]!;
  return [
    { name: 'events.append', rows },
    { name: 'events.advanceCounters', rows: [[lastSeq, settledAt, 1]] },
    telling(String(lastSeq)),
  ];
}

/** Appends facts in the order given, for a script that gives no other numbers. */
export function* appendFacts(facts: readonly Fact[]): Steps<Place[]> {
  if (facts.length === 0) return [];
  const counters = yield* lockCounters(facts);
  const places = facts.map((_, index) => placeAt(counters, index));
  yield* together(
    ...appending(
      facts.map((fact, index) => eventRow(places[index]!, fact)),
      counters,
    ),
  );
  return places;
}
