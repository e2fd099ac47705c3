/**
 * The page's connection to the event log. Events are gathered and added at most ten times a second; a tab that nobody sees
 * pauses, and asks again when it is seen; a connection that broke resumes after the last event, and until then the page
 * says that it is stale. What cannot be added is asked again while events come.
 */
import { signal } from '@preact/signals';
import { ApiError, type DispatchRecord } from '@weighbridge/client';
import { looked } from './address.ts';
import { client } from './client.ts';
import { facts, serverNow } from './facts.ts';
import { addToLatest, refreshLatest, refreshRuns } from './latest.ts';
import { messageOf } from './problems.ts';
import { drawn, followAddress, hasFailed, isAsking, refresh, settle, shownSeq, tookMs } from './screen.ts';
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
/** What failed, or lies before the last events, is asked again no sooner. */
const REASK_LEAST_MS = 1_000;
const FAILED_MS = 3_000;
/** A gateway that needs long for the answers is asked as much less often. */
const REASK_SHARE = 20;
const RUNS_MS = 1_000;
const RETRY_MS = 1_000;
/** A feed that says nothing, not even that it is alive, for this long has broken. */
const SILENCE_MS = 40_000;
const LAGS_KEPT = 500;

let waiting: SettledEvent[] = [];
/** Every event after this one is still to come: it was read before anything was asked. */
let lastSeq = facts.seq;
let frame: ReturnType<typeof setTimeout> | null = null;
let lastFrameAt = 0;
let askedAt = 0;
let runsAskedAt = 0;
let hasNew = false;
/** What is shown lacks something that no event will add: its period is over, or the connection was broken. */
let isBehind = false;
let feed: AbortController | null = null;
/** What was settled before was waited for by nobody: it is no measure of how fast the screen is. */
let connectedAt = 0;
const lags: number[] = [];

export function begin(): void {
  followAddress();
  document.addEventListener('visibilitychange', () => (document.hidden ? pause() : void resume()));
  if (document.hidden) standing.value = 'paused';
  // Nothing is lost by that: it follows from the number that came with the page.
  else {
    void drawn().then(() => {
      if (feed === null && !document.hidden) void follow(claim());
    });
  }
  setInterval(tick, 250);
}

function pause(): void {
  feed?.abort();
  feed = null;
  standing.value = 'paused';
}

/** Asks for what is there now, and follows from there on: what happened meanwhile may be a day's events. */
async function resume(): Promise<void> {
  if (feed !== null || document.hidden) return;
  const own = claim();
  while (!(await refresh())) {
    if (own.aborted) return;
    standing.value = 'stale';
    await pauseFor(RETRY_MS);
  }
  askedAt = performance.now();
  lastSeq = Math.max(lastSeq, shownSeq() ?? 0);
  // After the number is known: what is settled up to it is then in the list.
  await refreshLatest();
  if (!own.aborted) await follow(own);
}

function claim(): AbortSignal {
  feed?.abort();
  feed = new AbortController();
  return feed.signal;
}

async function follow(own: AbortSignal): Promise<void> {
  if (standing.peek() !== 'stale') standing.value = 'connecting';
  try {
    const events = client.events({
      types: ['model.usage', 'model.usage.corrected'],
      afterSeq: lastSeq,
      signal: own,
      silenceMs: SILENCE_MS,
      onConnection: (isOpen) => {
        if (own.aborted) return;
        const wasStale = standing.peek() === 'stale';
        standing.value = isOpen ? 'live' : 'stale';
        if (isOpen) connectedAt = serverNow();
        if (isOpen && wasStale) isBehind = true;
      },
    });
    for await (const { seq, data } of events) take({ seq, record: data as DispatchRecord });
  } catch (error) {
    if (own.aborted) return;
    standing.value = 'stale';
    if (error instanceof ApiError && error.status === 401) return void messageOf(error);
    await pauseFor(RETRY_MS);
    if (!own.aborted) await follow(own);
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
  hasNew = true;
  if (settle(events)) isBehind = true;
  addToLatest(events.map(({ record }) => record).filter(({ kind }) => kind === 'usage'));
  // A tab that is hidden gets its frame when it is looked at again: that says nothing of how late events come.
  const own = feed;
  requestAnimationFrame(() => setTimeout(() => own !== null && own === feed && measure(events)));
}

/** After the frame that shows them. */
function measure(events: readonly SettledEvent[]): void {
  const now = serverNow();
  for (const { record } of events) {
    const settledMs = Date.parse(record.settledAt ?? '');
    if (settledMs >= connectedAt) lags.push(Math.max(0, now - settledMs));
  }
  lags.splice(0, Math.max(0, lags.length - LAGS_KEPT));
  if (lags.length === 0) return;
  const ordered = lags.toSorted((a, b) => a - b);
  lagMs.value = ordered[Math.ceil(ordered.length * 0.99) - 1]!;
}

function tick(): void {
  if (document.hidden || standing.peek() === 'paused') return;
  const now = performance.now();
  // Nobody is there to be asked while the connection is broken.
  const isLive = standing.peek() === 'live';
  if (isLive && now - runsAskedAt > RUNS_MS) void askRuns();
  if (isAsking()) return;
  const sinceMs = now - askedAt;
  if (isLive && ((isBehind && sinceMs > REASK_LEAST_MS) || (hasFailed && sinceMs > FAILED_MS))) return void reask();
  if (sinceMs < tookMs * REASK_SHARE) return;
  if ((hasNew && sinceMs > REASK_MS) || sinceMs > REASK_ALL_MS) void reask();
}

async function askRuns(): Promise<void> {
  runsAskedAt = performance.now();
  if (looked.peek().tab !== 'models' && looked.peek().tab !== 'health') return;
  await refreshRuns().catch(() => {});
}

async function reask(): Promise<void> {
  hasNew = false;
  isBehind = false;
  if (looked.peek().tab === 'models') await refresh();
  // From its end: what takes long is not asked for the more often.
  askedAt = performance.now();
}

function pauseFor(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  return promise;
}
