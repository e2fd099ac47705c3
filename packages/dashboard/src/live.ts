/**
 * The page's connection to the event log. Events are gathered and added at most ten times a second; a tab that nobody sees
 * pauses, and asks again when it is seen; a connection that broke resumes after the last event, and until then the page
 * says that it is stale. What cannot be added is asked again while events come.
 */
import { signal } from '@preact/signals';
import { ApiError, type DispatchRecord } from '@weighbridge/client';
import { looked } from './address.ts';
import { client } from './client.ts';
import { serverNow } from './facts.ts';
import {
  addToTail,
  answers,
  followAddress,
  messageOf,
  refresh,
  refreshRuns,
  refreshTail,
  version,
  viewsOf,
} from './screen.ts';
import type { SettledEvent } from './view.ts';

export type Standing = 'connecting' | 'live' | 'stale' | 'paused';

export const standing = signal<Standing>('connecting');
/** Milliseconds from settlement to screen, the 99th percentile of the last events; null: none came yet. */
export const lagMs = signal<number | null>(null);

const FRAME_MS = 100;
/** Percentiles are asked again this often while events come. */
const REASK_MS = 5_000;
/** And everything, whether or not: what moves with the clock. */
const REASK_ALL_MS = 60_000;
const RUNS_MS = 1_000;
/** A feed that says nothing, not even that it is alive, for this long has broken. */
const SILENCE_MS = 40_000;
const LAGS_KEPT = 500;
/** Events that an answer under way may still need. */
const RECENT_MS = 60_000;
const RECENT_MAX = 20_000;

let waiting: SettledEvent[] = [];
let recent: { event: SettledEvent; atMs: number }[] = [];
let lastSeq: number | null = null;
let frame: ReturnType<typeof setTimeout> | null = null;
let lastFrameAt = 0;
let askedAt = 0;
let hasNew = false;
let feed: AbortController | null = null;
const lags: number[] = [];

export function begin(): void {
  followAddress();
  document.addEventListener('visibilitychange', () => (document.hidden ? pause() : void resume()));
  void resume();
  setInterval(tick, 250);
}

function pause(): void {
  feed?.abort();
  feed = null;
  standing.value = 'paused';
}

async function resume(): Promise<void> {
  if (feed !== null || document.hidden) return;
  const isFirst = lastSeq === null;
  if (!isFirst) {
    await Promise.allSettled([refresh(), refreshTail()]);
    askedAt = performance.now();
  }
  void follow();
}

/** From the first answer's number on, so that nothing falls between it and the feed. */
async function follow(): Promise<void> {
  feed?.abort();
  const own = new AbortController();
  feed = own;
  standing.value = standing.peek() === 'stale' ? 'stale' : 'connecting';
  try {
    const events = client.events({
      types: ['model.usage', 'model.usage.corrected'],
      ...(lastSeq === null ? {} : { afterSeq: lastSeq }),
      signal: own.signal,
      silenceMs: SILENCE_MS,
      onConnection: (isOpen) => {
        if (own.signal.aborted) return;
        const wasStale = standing.peek() === 'stale';
        standing.value = isOpen ? 'live' : 'stale';
        if (isOpen && wasStale) void reask();
      },
    });
    for await (const { seq, data } of events) take({ seq, record: data as DispatchRecord });
  } catch (error) {
    if (own.signal.aborted) return;
    standing.value = 'stale';
    if (error instanceof ApiError && error.status === 401) return void messageOf(error);
    setTimeout(() => own === feed && void follow(), 1_000);
  }
}

function take(event: SettledEvent): void {
  lastSeq = event.seq;
  if (event.record === null) return;
  waiting.push(event);
  if (frame === null) frame = setTimeout(draw, Math.max(0, lastFrameAt + FRAME_MS - performance.now()));
}

function draw(): void {
  frame = null;
  lastFrameAt = performance.now();
  const events = waiting;
  waiting = [];
  const now = performance.now();
  recent = recent.filter(({ atMs }) => now - atMs < RECENT_MS).slice(-RECENT_MAX);
  for (const event of events) recent.push({ event, atMs: now });
  hasNew ||= events.length > 0;
  const current = answers.peek();
  if (current !== null) {
    if (current.period.isOpen && events.some((event) => current.table.isOver(event))) void reask();
    for (const event of events) for (const view of viewsOf(current)) view.add(event);
    version.value += 1;
  }
  addToTail(events.map(({ record }) => record).filter(({ kind }) => kind === 'usage'));
  requestAnimationFrame(() => setTimeout(() => measure(events)));
}

/** After the frame that shows them. */
function measure(events: readonly SettledEvent[]): void {
  const now = serverNow();
  for (const { record } of events) {
    if (record.settledAt !== null) lags.push(Math.max(0, now - Date.parse(record.settledAt)));
  }
  lags.splice(0, Math.max(0, lags.length - LAGS_KEPT));
  if (lags.length === 0) return;
  const ordered = lags.toSorted((a, b) => a - b);
  lagMs.value = ordered[Math.ceil(ordered.length * 0.99) - 1]!;
}

function tick(): void {
  if (document.hidden || standing.peek() === 'paused') return;
  const now = performance.now();
  if (now - runsAskedAt > RUNS_MS) void askRuns();
  const sinceMs = now - askedAt;
  if ((hasNew && sinceMs > REASK_MS) || sinceMs > REASK_ALL_MS) void reask();
}

let runsAskedAt = 0;

async function askRuns(): Promise<void> {
  runsAskedAt = performance.now();
  if (looked.peek().tab !== 'models' && looked.peek().tab !== 'health') return;
  await refreshRuns().catch(() => {});
}

async function reask(): Promise<void> {
  askedAt = performance.now();
  hasNew = false;
  if (looked.peek().tab !== 'models') return;
  await refresh(recentEvents);
}

/** Taken when the answers are there: events that came while they were on their way belong to them. */
function recentEvents(): SettledEvent[] {
  return recent.map(({ event }) => event);
}
