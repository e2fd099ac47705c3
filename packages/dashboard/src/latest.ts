/**
 * The dispatches that were settled last in what is looked at, and what is in flight now. A list of single dispatches: it adds
 * nothing up. Whoever looks at last month sees the last ones of that month.
 */
import { signal } from '@preact/signals';
import type { DispatchRecord, RunInFlight } from '@weighbridge/client';
import { type Looked, looked } from './address.ts';
import { asFilters, periodNow } from './answers.ts';
import { client } from './client.ts';
import { matches } from './filter-text.ts';
import type { Period } from './period.ts';
import { messageOf } from './problems.ts';
import { HOUR_MS } from './zone.ts';

/** Newest first. */
export const latest = signal<readonly DispatchRecord[]>([]);
export const inFlight = signal<readonly RunInFlight[]>([]);
/** Whether the ledger has any entry at all; null: not known yet. */
export const isEmpty = signal<boolean | null>(null);
/** The first call came while the page was open and waiting for it. */
export const isFirst = signal(false);
/** Where older dispatches go on; null: there are none. */
export const olderCursor = signal<string | null>(null);

/** How many were looked through for those: a list is asked with fewer filters than a sum can have. */
export const lookedThrough = signal(0);
/** Why there is no list; empty while there is one. It is asked again by itself. */
export const listProblem = signal('');

const FIRST = 50;
const MORE = 200;
/** As many are looked for, in as many questions at most. */
const WANTED = 25;
const PAGES_MAX = 8;
/** What came live and is kept; what was asked for beyond stays until something else is looked at. */
const KEPT_MAX = 200;
const AGAIN_MS = 3_000;

let asked = 0;
/** What came while the list was on its way, which may have been made before it. */
let meanwhile: DispatchRecord[] = [];

/** Asks for the list; where that fails, it says so and asks again after a while. */
export async function refreshLatest(): Promise<void> {
  const id = ++asked;
  meanwhile = [];
  try {
    await askFirst(id);
    if (id === asked) listProblem.value = '';
  } catch (error) {
    if (id !== asked) return;
    listProblem.value = messageOf(error);
    setTimeout(() => id === asked && void refreshLatest(), AGAIN_MS);
  }
}

async function askFirst(id: number): Promise<void> {
  const state = looked.peek();
  const period = periodNow(state);
  const found: DispatchRecord[] = [];
  let through = 0;
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX && found.length < WANTED; page++) {
    const limit = page === 0 ? FIRST : MORE;
    const query = { ...asFilters(state.filters), ...endOf(period), limit, cursor };
    const { data, nextCursor } = await client.dispatches(query);
    if (id !== asked) return;
    found.push(...data.filter((record) => isMeant(record, state, period)));
    through += data.length;
    cursor = nextCursor ?? undefined;
    const oldest = data.at(-1);
    if (cursor === undefined || oldest === undefined) break;
    // Further back hardly any was still running when the period began.
    if (Date.parse(oldest.startedAt) < period.fromMs - HOUR_MS) break;
  }
  const isAll = state.filters.length === 0 && period.isOpen;
  isEmpty.value = isEmpty.peek() === false ? false : isAll && through === 0 && meanwhile.length === 0;
  const own = meanwhile.filter((record) => isMeant(record, state, period));
  latest.value = withoutTwins([...own.toReversed(), ...found]);
  lookedThrough.value = through;
  olderCursor.value = cursor ?? null;
}

export async function askOlder(): Promise<void> {
  const id = asked;
  const state = looked.peek();
  const cursor = olderCursor.peek();
  if (cursor === null) return;
  const { data, nextCursor } = await client.dispatches({ ...asFilters(state.filters), limit: MORE, cursor });
  if (id !== asked) return;
  const meant = data.filter((record) => isMeant(record, state, periodNow(state)));
  latest.value = withoutTwins([...latest.peek(), ...meant]);
  lookedThrough.value += data.length;
  olderCursor.value = nextCursor;
}

/** In the order of their settlement. */
export function addToLatest(records: readonly DispatchRecord[]): void {
  if (records.length === 0) return;
  if (isEmpty.peek() === true) isFirst.value = true;
  isEmpty.value = false;
  meanwhile = [...meanwhile, ...records].slice(-KEPT_MAX);
  const state = looked.peek();
  const period = periodNow(state);
  // What lies after the end of an open period is in the next one, which is about to be asked.
  const meant = records.filter((record) => period.isOpen && isMeant(record, state, period));
  if (meant.length === 0) return;
  const max = Math.max(KEPT_MAX, latest.peek().length);
  latest.value = withoutTwins([...meant.toReversed(), ...latest.peek()]).slice(0, max);
}

export async function refreshRuns(): Promise<void> {
  inFlight.value = (await client.runs()).data;
}

/** Lists go by the beginning of a dispatch, and none is settled before it begins. */
function endOf({ isOpen, toMs }: Period): { before?: number } {
  return isOpen ? {} : { before: toMs };
}

/** What is in flight has its own place; lists know exact matches only, and not when something was settled. */
function isMeant(record: DispatchRecord, { filters }: Looked, { fromMs, toMs, isOpen }: Period): boolean {
  if (record.outcome === null || record.settledAt === null) return false;
  const settledMs = Date.parse(record.settledAt);
  return settledMs >= fromMs && (isOpen || settledMs < toMs) && matches(filters, record);
}

function withoutTwins(records: readonly DispatchRecord[]): DispatchRecord[] {
  return [...new Map(records.toReversed().map((record) => [record.entryId, record])).values()].toReversed();
}
