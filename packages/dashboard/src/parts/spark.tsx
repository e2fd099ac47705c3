/** The small course of a number beside it: an SVG line without axes, for the eye only; the chart and its table have the numbers. */
import { tokensOf } from '../sums.ts';
import type { LiveView } from '../view.ts';
import { bucketStarts } from './course.ts';

const WIDTH = 100;
const HEIGHT = 26;

/** Without points, or where nothing happened, there is none. */
export function Spark({ points = [] }: { points?: readonly number[] | undefined }) {
  // Corrections may take more than there was: what is below nothing has no height.
  const top = Math.max(...points);
  if (points.length < 2 || top <= 0) return null;
  const step = WIDTH / (points.length - 1);
  const line = points.map(
    (point, at) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (Math.max(0, point) / top) * (HEIGHT - 3)).toFixed(1)}`,
  );
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,${HEIGHT} ${line.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline points={line.join(' ')} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

/** The courses of the tiles, from the answer by outcome. */
export interface Courses {
  cost: number[];
  requests: number[];
  tokens: number[];
  errors: number[];
  latency: number[];
  firstToken: number[];
}

export function sparksOf(view: LiveView): Courses {
  const starts = bucketStarts(view);
  const at = new Map(starts.map((start, index) => [start, index]));
  const empty = (): number[] => starts.map(() => 0);
  const courses: Courses = {
    cost: empty(),
    requests: empty(),
    tokens: empty(),
    errors: empty(),
    latency: empty(),
    firstToken: empty(),
  };
  for (const { bucketMs, sums } of view.cells.values()) {
    const index = at.get(bucketMs);
    if (index === undefined) continue;
    courses.cost[index]! += Number(sums.costNanoUsd);
    courses.requests[index]! += sums.requests;
    courses.tokens[index]! += Number(tokensOf(sums));
    courses.errors[index]! += sums.failed;
    courses.latency[index]! += sums.latency?.p95 ?? 0;
    courses.firstToken[index]! += sums.firstToken?.p95 ?? 0;
  }
  return courses;
}

/** Requests of each group over time, for the rows of the table. */
export function trendsOf(view: LiveView): Map<string | null, number[]> {
  const starts = bucketStarts(view);
  const at = new Map(starts.map((start, index) => [start, index]));
  const trends = new Map<string | null, number[]>();
  for (const { bucketMs, group, sums } of view.cells.values()) {
    const index = at.get(bucketMs);
    if (index === undefined) continue;
    const name = group[0] ?? null;
    const trend = trends.get(name) ?? starts.map(() => 0);
    trends.set(name, trend);
    trend[index]! += sums.requests;
  }
  return trends;
}
