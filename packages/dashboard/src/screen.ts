/**
 * What the screen shows of the ledger's sums, as signals. Asks when something else is looked at, lets events add to the
 * answers, and asks again for what cannot be added (percentiles). One place, so that tiles, chart and table never disagree.
 */
import { computed, effect, signal } from '@preact/signals';
import { type Looked, looked } from './address.ts';
import {
  type Answers,
  askedFor,
  periodNow,
  type Rest,
  restOf,
  sourcesFromPage,
  sourcesOf,
  viewsOf,
} from './answers.ts';
import { refreshLatest } from './latest.ts';
import { messageOf } from './problems.ts';
import type { LiveView, SettledEvent } from './view.ts';

export const answers = signal<Answers | null>(null);
/** Counts changes inside the answers, which other answers are not: whoever draws them reads both. */
export const version = signal(0);
/** The same for what costs more to draw than to read: charts, and tables of thousands. At most twice a second. */
export const slowVersion = signal(0);
export const problem = signal('');

/** How long the last question took, milliseconds. */
export let tookMs = 0;
/** Whether the last one failed: it has to be asked again. */
export let hasFailed = false;

const SLOW_MS = 500;

let slowTimer: ReturnType<typeof setTimeout> | null = null;

/** What is being asked: one thing at a time, so that an answer that takes long is never given up for its own repetition. */
interface Asking {
  /** `askedFor`. */
  key: string;
  ended: AbortController;
  /** The events that came meanwhile: its answers may have been made before them. */
  meanwhile: SettledEvent[];
  /** False where it failed. */
  done: Promise<boolean>;
}

let asking: Asking | null = null;

/** Whether what is shown is the answer to something that is not looked at any more; the new one is on its way. */
export const isOutdated = computed(
  () => answers.value !== null && askedFor(answers.value.looked) !== askedFor(looked.value),
);

export function isAsking(): boolean {
  return asking !== null && asking.key === askedFor(looked.peek());
}

/** Asks for everything that is looked at; false where that failed. Whatever else was being asked is given up. */
export function refresh(): Promise<boolean> {
  const state = looked.peek();
  const key = askedFor(state);
  if (asking?.key === key) return asking.done;
  asking?.ended.abort();
  const own: Asking = { key, ended: new AbortController(), meanwhile: [], done: Promise.resolve(false) };
  asking = own;
  own.done = answered(own, state).finally(() => {
    if (asking === own) asking = null;
  });
  return own.done;
}

async function answered(own: Asking, state: Looked): Promise<boolean> {
  const period = periodNow(state);
  const startedAt = performance.now();
  const { signal } = own.ended;
  const shown = answers.peek();
  const isShown = shown !== null && askedFor(shown.looked) === own.key;
  // What came of an opening that failed in part stays, until its successor is there.
  let come: Partial<Rest> = isShown ? shown.rest : {};
  const isOpening = shown === null || (isShown && !isWhole(come));
  const show = (sources: LiveView): void => {
    if (signal.aborted) return;
    const found = { looked: state, period, sources, rest: come };
    for (const event of own.meanwhile) for (const view of viewsOf(found)) view.add(event);
    answers.value = found;
  };
  try {
    const given = shown === null ? sourcesFromPage(state, period) : null;
    if (given !== null) {
      show(given);
      // The numbers are drawn before anything else is asked.
      await drawn();
    }
    const sources = given === null ? sourcesOf(state, period, signal) : Promise.resolve(given);
    const showCome = async (): Promise<void> => show(await sources);
    const parts = Object.entries(restOf(state, period, signal)).map(async ([name, part]) => {
      const answer = await part;
      come = { ...come, [name]: answer };
      if (isOpening) await showCome();
    });
    // At first each as it comes, for nothing is there that it could disagree with; later all at once.
    await Promise.all([isOpening ? showCome() : sources, ...parts]);
    if (!isOpening) await showCome();
    tookMs = performance.now() - startedAt;
    if (signal.aborted) return false;
    problem.value = '';
    hasFailed = false;
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    problem.value = messageOf(error);
    hasFailed = true;
    return false;
  }
}

function isWhole({ chart, course, table, before }: Partial<Rest>): boolean {
  return chart !== undefined && course !== undefined && table !== undefined && before !== undefined;
}

/** Adds what was settled. True where the time has come to ask anew: something lies after the period that is shown. */
export function settle(events: readonly SettledEvent[]): boolean {
  asking?.meanwhile.push(...events);
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

/** Asks whenever something else is looked at that answers depend on. */
export function followAddress(): void {
  let before = '';
  effect(() => {
    const { tab } = looked.value;
    const key = `${tab === 'models'} ${askedFor(looked.value)}`;
    if (key === before) return;
    before = key;
    if (tab !== 'models') return;
    const isFirst = answers.peek() === null;
    void refresh();
    void (isFirst ? drawn() : Promise.resolve()).then(refreshLatest);
  });
}

/** After the next frame is on the screen; at once where nobody looks. */
export function drawn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (document.hidden) resolve();
  else requestAnimationFrame(() => setTimeout(resolve));
  return promise;
}
