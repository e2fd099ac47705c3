/**
 * What the screen shows, as signals: the answers to what is looked at, the dispatches that came last, what is in flight. Asks
 * again when something else is looked at, lets events add to the answers, and asks again now and then for what cannot be
 * added (percentiles). One place, so that tiles, chart and table never disagree.
 */
import { effect, signal } from '@preact/signals';
import {
  ApiError,
  type DispatchesQuery,
  type DispatchRecord,
  type RunInFlight,
  type UsageGroup,
  type UsageQuery,
} from '@weighbridge/client';
import { type Looked, looked } from './address.ts';
import { client } from './client.ts';
import { serverNow } from './facts.ts';
import { type Filter, matches } from './filter-text.ts';
import { type Period, periodBefore, periodOf } from './period.ts';
import type { Sums } from './sums.ts';
import { LiveView, type SettledEvent } from './view.ts';
import { DAY_MS } from './zone.ts';

export interface Answers {
  /** What they are the answers to. */
  looked: Looked;
  period: Period;
  /** By the chosen group and outcome, without buckets, with percentiles where they cost little. */
  table: LiveView;
  /** In buckets, by the chosen group. */
  chart: LiveView;
  /** By source and outcome: the sums of everything, also where the table leaves rows out. */
  sources: LiveView;
  /** The period before; null where none is compared. */
  before: { totals: Sums; failed: number } | null;
  /** What the chart is grouped by: not always what was chosen, because not every answer would be short enough. */
  chartGroup: UsageGroup | null;
}

export const answers = signal<Answers | null>(null);
/** Counts changes inside the answers: whoever draws them reads it. */
export const version = signal(0);
export const problem = signal('');
export const isAsking = signal(false);
/** Newest first. */
export const tail = signal<readonly DispatchRecord[]>([]);
export const inFlight = signal<readonly RunInFlight[]>([]);
/** Whether the ledger has any entry at all; null: not known yet. */
export const isEmpty = signal<boolean | null>(null);
/** The first call came while the page was open and waiting for it. */
export const isFirst = signal(false);

/** Dispatches that came last and are kept; those that were asked for beyond stay until something else is looked at. */
const TAIL_MAX = 200;
const ROWS_MAX = 10_000;

let asked = 0;

/** Asks for everything that is looked at. A later question makes an earlier one's answers unwanted. */
export async function refresh(recent: () => readonly SettledEvent[] = () => []): Promise<void> {
  const id = ++asked;
  const now = looked.peek();
  isAsking.value = true;
  try {
    const found = await answersTo(now);
    if (id !== asked) return;
    for (const event of recent()) for (const view of viewsOf(found)) view.add(event);
    answers.value = found;
    version.value += 1;
    problem.value = '';
  } catch (error) {
    if (id === asked) problem.value = messageOf(error);
  } finally {
    if (id === asked) isAsking.value = false;
  }
}

export function viewsOf({ table, chart, sources }: Answers): LiveView[] {
  return [table, chart, sources];
}

async function answersTo(state: Looked): Promise<Answers> {
  const { range, zone, group, filters, compares } = state;
  const period = periodOf(range, zone, serverNow());
  const during = questionOf(state, period);
  const earlier = periodBefore(range, period, zone);
  const [table, { chart, chartGroup }, sources, before] = await Promise.all([
    client.usage({ ...during, groupBy: [group, 'outcome'], ...latencyOf(group, period), limit: ROWS_MAX }),
    chartAnswer(state, { ...during, bucket: period.bucket }),
    client.usage({ ...during, groupBy: ['source', 'outcome'], latency: true }),
    compares
      ? client.usage({ ...during, from: earlier.fromMs, to: earlier.toMs, groupBy: ['outcome'], latency: true })
      : null,
  ]);
  return {
    looked: state,
    period,
    table: new LiveView(table, filters),
    chart: new LiveView(chart, filters),
    sources: new LiveView(sources, filters),
    before: before === null ? null : beforeOf(new LiveView(before, filters)),
    chartGroup,
  };
}

/** What is looked at as a question: the period, the zone, the filters. */
export function questionOf({ zone, filters }: Looked, { fromMs, toMs }: Pick<Period, 'fromMs' | 'toMs'>): UsageQuery {
  return { tz: zone, ...asFilters(filters), exclude: excludedBy(filters), from: fromMs, to: toMs };
}

/** Percentiles of many sessions are put together from single entries: over more than a day they would be waited for. */
function latencyOf(group: UsageGroup, { fromMs, toMs }: Period): { latency?: boolean } {
  const isOfEntries = group === 'session' || group === 'endUser';
  return isOfEntries && toMs - fromMs > 1.1 * DAY_MS ? {} : { latency: true };
}

function beforeOf(view: LiveView): { totals: Sums; failed: number } {
  const failed = [...view.cells.values()].reduce((sum, { sums }) => sum + sums.failed, 0);
  return { totals: view.totals, failed };
}

/** Sessions and end users may be too many for one answer in buckets; the chart then shows all of them as one. */
async function chartAnswer({ metric, group }: Looked, during: UsageQuery) {
  const latency = metric === 'latency' || metric === 'first-token';
  const groupBy: UsageGroup[] = latency ? [] : metric === 'errors' ? ['outcome'] : [group];
  const isMany = group === 'session' || group === 'endUser';
  if (!latency && metric !== 'errors' && isMany) {
    try {
      return { chart: await client.usage({ ...during, groupBy, latency }), chartGroup: group };
    } catch (error) {
      if (!(error instanceof ApiError) || error.param !== 'bucket') throw error;
      return { chart: await client.usage({ ...during, groupBy: ['model'], latency }), chartGroup: 'model' as const };
    }
  }
  return { chart: await client.usage({ ...during, groupBy, latency }), chartGroup: groupBy[0] ?? null };
}

function asFilters(filters: readonly Filter[]): DispatchesQuery {
  return Object.fromEntries(filters.filter(({ isExcluded }) => !isExcluded).map(({ name, value }) => [name, value]));
}

function excludedBy(filters: readonly Filter[]): string[] {
  return filters.filter(({ isExcluded }) => isExcluded).map(({ name, value }) => `${name}:${value}`);
}

/** Where older dispatches go on; null: there are none. */
export const olderCursor = signal<string | null>(null);

export async function refreshTail(): Promise<void> {
  const { filters } = looked.peek();
  const { data, nextCursor } = await client.dispatches({ ...asFilters(filters), limit: 50 });
  if (filters !== looked.peek().filters) return;
  tail.value = settledOf(data, filters);
  olderCursor.value = nextCursor;
  isEmpty.value = isEmpty.peek() === false ? false : data.length === 0 && looked.peek().filters.length === 0;
}

export async function askOlder(): Promise<void> {
  const { filters } = looked.peek();
  const cursor = olderCursor.peek();
  if (cursor === null) return;
  const { data, nextCursor } = await client.dispatches({ ...asFilters(filters), limit: 100, cursor });
  const known = new Set(tail.peek().map(({ entryId }) => entryId));
  tail.value = [...tail.peek(), ...settledOf(data, filters).filter(({ entryId }) => !known.has(entryId))];
  olderCursor.value = nextCursor;
}

/** What is in flight has its own place; what is left out is so here, because lists know exact matches only. */
function settledOf(records: readonly DispatchRecord[], filters: readonly Filter[]): DispatchRecord[] {
  return records.filter((record) => record.outcome !== null && matches(filters, record));
}

export function addToTail(records: readonly DispatchRecord[]): void {
  if (records.length > 0) {
    if (isEmpty.peek() === true) isFirst.value = true;
    isEmpty.value = false;
  }
  const { filters } = looked.peek();
  const meant = records.filter((record) => matches(filters, record));
  if (meant.length === 0) return;
  const known = new Set(meant.map(({ entryId }) => entryId));
  const max = Math.max(TAIL_MAX, tail.peek().length);
  tail.value = [...meant.toReversed(), ...tail.peek().filter(({ entryId }) => !known.has(entryId))].slice(0, max);
}

export async function refreshRuns(): Promise<void> {
  inFlight.value = (await client.runs()).data;
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
    void refresh();
    void refreshTail().catch(() => {});
  });
}
