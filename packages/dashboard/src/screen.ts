/**
 * What the screen shows of the ledger's sums, as signals. Asks when something else is looked at, lets events add to the
 * answers, and asks again for what cannot be added (percentiles). One place, so that tiles, chart and table never disagree.
 */
import { batch, effect, signal } from '@preact/signals';
import { ApiError } from '@weighbridge/client';
import { looked } from './address.ts';
import { type Answers, periodNow, restOf, sourcesFromPage, sourcesOf, viewsOf } from './answers.ts';
import { refreshLatest } from './latest.ts';
import type { SettledEvent } from './view.ts';

export const answers = signal<Answers | null>(null);
/** Counts changes inside the answers: whoever draws them reads it. */
export const version = signal(0);
/** The same for what costs more to draw than to read: charts, and tables of thousands. At most twice a second. */
export const slowVersion = signal(0);
export const problem = signal('');

/** How long the last question took, milliseconds. */
export let tookMs = 0;

const SLOW_MS = 500;

let asked = 0;
let slowTimer: ReturnType<typeof setTimeout> | null = null;
/** Of each question under way the events that came meanwhile: its answer may have been made before them. */
const underWay = new Set<SettledEvent[]>();

/** Asks for everything that is looked at; false where that failed. A later question makes an earlier one's answers unwanted. */
export async function refresh(): Promise<boolean> {
  const id = ++asked;
  const state = looked.peek();
  const period = periodNow(state);
  const meanwhile: SettledEvent[] = [];
  const show = (found: Answers): void => {
    if (id !== asked) return;
    for (const event of meanwhile) for (const view of viewsOf(found)) view.add(event);
    batch(() => {
      answers.value = found;
      version.value += 1;
      slowVersion.value += 1;
    });
    problem.value = '';
  };
  underWay.add(meanwhile);
  const startedAt = performance.now();
  try {
    const isFirst = answers.peek() === null;
    const given = isFirst ? sourcesFromPage(state, period) : null;
    if (given !== null) {
      show({ looked: state, period, sources: given, rest: null });
      // The numbers are drawn before anything else is asked.
      await drawn();
    }
    const sums = given === null ? sourcesOf(state, period) : Promise.resolve(given);
    const rest = restOf(state, period);
    if (isFirst && given === null)
      void sums.then(
        (sources) => show({ looked: state, period, sources, rest: null }),
        () => {},
      );
    const [sources, found] = await Promise.all([sums, rest]);
    show({ looked: state, period, sources, rest: found });
    tookMs = performance.now() - startedAt;
    return true;
  } catch (error) {
    if (id === asked) problem.value = messageOf(error);
    return false;
  } finally {
    underWay.delete(meanwhile);
  }
}

/** Adds what was settled. True where the time has come to ask anew: something lies after the period that is shown. */
export function settle(events: readonly SettledEvent[]): boolean {
  for (const meanwhile of underWay) meanwhile.push(...events);
  const current = answers.peek();
  if (current === null) return false;
  for (const view of viewsOf(current)) for (const event of events) view.add(event);
  version.value += 1;
  if (slowTimer === null) slowTimer = setTimeout(drawSlowly, SLOW_MS);
  return current.period.isOpen && events.some((event) => current.sources.isOver(event));
}

function drawSlowly(): void {
  slowTimer = null;
  slowVersion.value += 1;
}

/** Every event up to here is in what is shown; null: nothing is. */
export function shownSeq(): number | null {
  const current = answers.peek();
  return current === null ? null : Math.min(...[...viewsOf(current)].map(({ seq }) => seq));
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError && error.status === 401) {
    // The server shows the form instead of the page.
    location.reload();
    return 'Your sign-in has ended.';
  }
  if (error instanceof ApiError) return error.message;
  return 'The gateway cannot be reached.';
}

/** Asks whenever something else is looked at that answers depend on. */
export function followAddress(): void {
  let before = '';
  effect(() => {
    const { range, zone, group, metric, filters, compares, tab } = looked.value;
    const key = JSON.stringify([range, zone, group, metric, filters, compares, tab === 'models']);
    if (key === before) return;
    before = key;
    if (tab !== 'models') return;
    const isFirst = answers.peek() === null;
    void refresh();
    void (isFirst ? drawn() : Promise.resolve()).then(refreshLatest).catch(() => {});
  });
}

/** After the next frame is on the screen; at once where nobody looks. */
export function drawn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (document.hidden) resolve();
  else requestAnimationFrame(() => setTimeout(resolve));
  return promise;
}
