/**
 * What the chart draws: an answer in buckets made into series. The costliest groups have their own, the rest is one; latency is
 * lines, all else is stacked. The chart, its legend and its table twin are made of this one thing. Pure.
 */
import type { Metric } from '../address.ts';
import { type Sums, share, tokensOf } from '../sums.ts';
import type { LiveView } from '../view.ts';
import { nextBucket, startOfBucket } from '../zone.ts';

/** Series with a colour of their own. */
const OWN_MAX = 8;
const BUCKETS_MAX = 2_200;

export interface Series {
  name: string;
  /** One for each bucket; null: nothing is known there. */
  values: (number | null)[];
  /** Exactly, where it is a sum. */
  exact: (bigint | number | null)[];
  /** Which colour; -1 for the rest. */
  colour: number;
}

export interface Course {
  /** Where each bucket begins, milliseconds. */
  starts: number[];
  series: Series[];
  isStacked: boolean;
}

export function courseOf(view: LiveView, metric: Metric): Course {
  const starts = bucketStarts(view);
  const at = new Map(starts.map((start, index) => [start, index]));
  if (metric === 'latency' || metric === 'first-token') return linesOf(view, metric, starts, at);
  return { starts, series: stackOf(view, metric, starts.length, at), isStacked: true };
}

/** Every bucket of a period in order, also those in which nothing was settled. The period may begin in the midst of the first. */
export function bucketStarts({ bucket, fromMs, toMs, zone, cells }: LiveView): number[] {
  if (bucket === null) return [];
  const starts = new Set<number>();
  let start = startOfBucket(bucket, zone, fromMs);
  for (; start < toMs && starts.size < BUCKETS_MAX; start = nextBucket(bucket, zone, start)) starts.add(start);
  // Whatever was answered is drawn, also where the browser's calendar is not the gateway's.
  for (const { bucketMs } of cells.values()) starts.add(bucketMs);
  return [...starts].sort((a, b) => a - b);
}

const LINES = {
  latency: [
    ['p50', (sums: Sums) => sums.latency?.p50],
    ['p95', (sums: Sums) => sums.latency?.p95],
    ['p99', (sums: Sums) => sums.latency?.p99],
  ],
  'first-token': [
    ['p50', (sums: Sums) => sums.firstToken?.p50],
    ['p95', (sums: Sums) => sums.firstToken?.p95],
  ],
} as const;

function linesOf(view: LiveView, metric: 'latency' | 'first-token', starts: number[], at: Map<number, number>): Course {
  const series = LINES[metric].map(([name, read], colour): Series => {
    const values: (number | null)[] = starts.map(() => null);
    for (const { bucketMs, sums } of view.cells.values()) {
      const index = at.get(bucketMs);
      // Of all outcomes only one has them.
      if (index !== undefined) values[index] ??= read(sums) ?? null;
    }
    return { name, values, exact: values, colour };
  });
  return { starts, series, isStacked: false };
}

const AMOUNTS = {
  cost: (sums: Sums) => sums.costNanoUsd,
  tokens: (sums: Sums) => tokensOf(sums),
  requests: (sums: Sums) => BigInt(sums.requests),
  errors: (sums: Sums) => BigInt(sums.failed),
} as const;

function stackOf(view: LiveView, metric: keyof typeof AMOUNTS, length: number, at: Map<number, number>): Series[] {
  const amount = AMOUNTS[metric];
  const groups = new Map<string | null, { total: bigint; exact: bigint[] }>();
  for (const { bucketMs, group, sums } of view.cells.values()) {
    const index = at.get(bucketMs);
    // Errors are one thing, whatever they are grouped by: their cells are outcomes.
    const name = metric === 'errors' ? 'failed' : (group[0] ?? null);
    if (index === undefined) continue;
    let found = groups.get(name);
    if (found === undefined) {
      found = { total: 0n, exact: Array.from({ length }, () => 0n) };
      groups.set(name, found);
    }
    found.exact[index]! += amount(sums);
    found.total += amount(sums);
  }
  const ordered = [...groups].sort(([, a], [, b]) => (a.total < b.total ? 1 : a.total > b.total ? -1 : 0));
  // A ninth alone needs no "others".
  const ownCount = ordered.length === OWN_MAX + 1 ? OWN_MAX + 1 : Math.min(ordered.length, OWN_MAX);
  const series = ordered
    .slice(0, ownCount)
    .map(([name, { exact }], index): Series => made(name ?? 'none', exact, index < OWN_MAX ? index : -1, metric));
  const rest = ordered.slice(ownCount);
  if (rest.length === 0) return series;
  const sum = Array.from({ length }, (_, index) => rest.reduce((all, [, { exact }]) => all + exact[index]!, 0n));
  return [...series, made(`${rest.length} others`, sum, -1, metric)];
}

function made(name: string, exact: bigint[], colour: number, metric: Metric): Series {
  const unit = metric === 'cost' ? 1e9 : 1;
  return { name, exact, values: exact.map((value) => Number(value) / unit), colour };
}

/** Each series on top of those before it, for drawing. */
export function stacked(series: readonly Series[]): number[][] {
  const below: number[] = [];
  return series.map(({ values }) =>
    values.map((value, index) => {
      below[index] = (below[index] ?? 0) + (value ?? 0);
      return below[index];
    }),
  );
}

/** In words, for whoever does not see the chart. */
export function summary({ series, starts }: Course, label: string): string {
  const totals = series.map(({ name, values }) => ({
    name,
    total: values.reduce<number>((all, value) => all + (value ?? 0), 0),
  }));
  const all = totals.reduce((sum, { total }) => sum + total, 0);
  const first = totals.toSorted((a, b) => b.total - a.total)[0];
  const part = first === undefined ? null : share(first.total, all);
  const most =
    first === undefined || part === null ? 'nothing' : `most of it ${first.name}, ${Math.round(part * 100)} %`;
  return `${label} in ${starts.length} steps: ${most}. The same numbers are in the table.`;
}
