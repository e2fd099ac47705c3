/**
 * What is looked at made into questions, and their answers put together. The sums of everything come first and alone: they are
 * what somebody opens the page for; the table, the chart and the comparison follow. Keeps nothing; screen.ts does.
 */
import {
  ApiError,
  type DispatchesQuery,
  type UsageAnswer,
  type UsageGroup,
  type UsageQuery,
} from '@weighbridge/client';
import type { Looked } from './address.ts';
import { client } from './client.ts';
import { facts, serverNow } from './facts.ts';
import type { Filter } from './filter-text.ts';
import { type Period, periodBefore, periodOf } from './period.ts';
import type { Sums } from './sums.ts';
import { LiveView } from './view.ts';
import { DAY_MS } from './zone.ts';

export interface Answers {
  /** What they are the answers to. */
  looked: Looked;
  period: Period;
  /** By source and outcome: the sums of everything, also where the table leaves rows out. */
  sources: LiveView;
  /** What is missing is still on its way, which is so only when the page has just been opened. */
  rest: Partial<Rest>;
}

export interface Rest {
  chart: Charted;
  /** In buckets, by outcome, with percentiles: how everything went. */
  course: LiveView;
  /** By the chosen group and outcome, without buckets, with percentiles where they cost little. */
  table: LiveView;
  /** The period before; null where none is compared. */
  before: { totals: Sums; failed: number } | null;
}

export interface Charted {
  /** In buckets, by `group`; for latency and errors the same view as `course`. */
  view: LiveView;
  /** Not always what was chosen, because not every answer would be short enough; null: it is not grouped. */
  group: UsageGroup | null;
}

/** Groups that one answer may hold. */
export const ROWS_MAX = 10_000;

/** What answers depend on, and nothing else: the same text means the same questions. */
export function askedFor({ range, zone, group, metric, filters, compares }: Looked): string {
  return JSON.stringify([range, zone, group, metric, filters, compares]);
}

export function periodNow({ range, zone }: Looked): Period {
  return periodOf(range, zone, serverNow());
}

/** The sums that came with the page, where they answer what is looked at; null: it has to be asked. */
export function sourcesFromPage(state: Looked, period: Period): LiveView | null {
  const { sums } = facts;
  if (sums === null || state.filters.length > 0) return null;
  const isMeant = Date.parse(sums.from) === period.fromMs && Date.parse(sums.to) === period.toMs;
  return isMeant ? new LiveView(sums, []) : null;
}

export async function sourcesOf(state: Looked, period: Period, signal: AbortSignal): Promise<LiveView> {
  const asked = { ...questionOf(state, period), groupBy: ['source', 'outcome'] as const, latency: true };
  return new LiveView(await client.usage(asked, signal), state.filters);
}

/** In the order in which they are on the screen: whoever answers one after the other answers so. */
export function restOf(
  state: Looked,
  period: Period,
  signal: AbortSignal,
): { [Part in keyof Rest]: Promise<Rest[Part]> } {
  const { filters, metric } = state;
  const during = { ...questionOf(state, period), bucket: period.bucket };
  const isOfAll = metric === 'latency' || metric === 'first-token' || metric === 'errors';
  const parts = isOfAll ? null : chartAnswer(state, { ...during, latency: false }, signal);
  const course = client
    .usage({ ...during, groupBy: ['outcome'], latency: true }, signal)
    .then((answer) => new LiveView(answer, filters));
  const chart = parts ?? course.then((view) => ({ view, group: null }));
  return {
    chart,
    course,
    table: tableAnswer(state, period, signal).then((answer) => new LiveView(answer, filters)),
    before: beforeAnswer(state, period, signal),
  };
}

export function viewsOf({ sources, rest: { chart, course, table } }: Answers): Iterable<LiveView> {
  return new Set([sources, chart?.view, course, table].filter((view) => view !== undefined));
}

/** What is looked at as a question: the period, the zone, the filters. */
export function questionOf({ zone, filters }: Looked, { fromMs, toMs }: Pick<Period, 'fromMs' | 'toMs'>): UsageQuery {
  return { tz: zone, ...asFilters(filters), exclude: excludedBy(filters), from: fromMs, to: toMs };
}

/** By outcome too, unless that would leave a part of a group out: then nobody knows which dispatches of it failed. */
async function tableAnswer(state: Looked, period: Period, signal: AbortSignal): Promise<UsageAnswer> {
  const { group } = state;
  const asked = { ...questionOf(state, period), ...latencyOf(group, period), limit: ROWS_MAX };
  const answer = await client.usage({ ...asked, groupBy: [group, 'outcome'] }, signal);
  return answer.rowsOmitted === 0 ? answer : client.usage({ ...asked, groupBy: [group] }, signal);
}

/** Percentiles of many sessions are put together from single entries: over more than a day they would be waited for. */
function latencyOf(group: UsageGroup, { fromMs, toMs }: Period): { latency?: boolean } {
  return isOfEntries(group) && toMs - fromMs > 1.1 * DAY_MS ? {} : { latency: true };
}

function isOfEntries(group: UsageGroup): boolean {
  return group === 'session' || group === 'endUser';
}

/** Sessions and end users may be too many for one answer in buckets; the chart then shows models. */
async function chartAnswer({ group, filters }: Looked, asked: UsageQuery, signal: AbortSignal): Promise<Charted> {
  try {
    return { view: new LiveView(await client.usage({ ...asked, groupBy: [group] }, signal), filters), group };
  } catch (error) {
    if (!isOfEntries(group) || !(error instanceof ApiError) || error.param !== 'bucket') throw error;
    const models = await client.usage({ ...asked, groupBy: ['model'] }, signal);
    return { view: new LiveView(models, filters), group: 'model' };
  }
}

async function beforeAnswer(state: Looked, period: Period, signal: AbortSignal): Promise<Rest['before']> {
  if (!state.compares) return null;
  const { fromMs, toMs, bucket } = periodBefore(state.range, period, state.zone, serverNow());
  const asked = { ...questionOf(state, { fromMs, toMs }), groupBy: ['outcome'] as const, latency: true };
  const answer = await client.usage(bucket === null ? asked : { ...asked, bucket }, signal);
  const view = new LiveView(answer, state.filters);
  const failed = [...view.cells.values()].reduce((sum, { sums }) => sum + sums.failed, 0);
  return { totals: view.totals, failed };
}

export function asFilters(filters: readonly Filter[]): DispatchesQuery {
  return Object.fromEntries(filters.filter(({ isExcluded }) => !isExcluded).map(({ name, value }) => [name, value]));
}

function excludedBy(filters: readonly Filter[]): string[] {
  return filters.filter(({ isExcluded }) => isExcluded).map(({ name, value }) => `${name}:${value}`);
}
