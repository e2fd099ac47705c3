/** The small course of a number beside it: an SVG line without axes, for the eye only; the chart and its table have the numbers. */
import { promptOf } from '../sums.ts';
import type { LiveView } from '../view.ts';
import { nextBucket } from '../zone.ts';

const WIDTH = 100;
const HEIGHT = 26;
const POINTS_MAX = 400;

export function Spark({ points }: { points: readonly number[] }) {
  if (points.length < 2 || points.every((point) => point === 0)) return null;
  const top = Math.max(...points);
  const step = WIDTH / (points.length - 1);
  const line = points.map(
    (point, at) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (point / top) * (HEIGHT - 3)).toFixed(1)}`,
  );
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,${HEIGHT} ${line.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline points={line.join(' ')} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

export interface Course {
  cost: number[];
  requests: number[];
  tokens: number[];
  errors: number[];
}

/** Every bucket of a period in order, also those in which nothing was settled. */
export function bucketsOf(
  { bucket, fromMs, toMs }: Pick<LiveView, 'bucket' | 'fromMs' | 'toMs'>,
  zone: string,
  max = POINTS_MAX,
): number[] {
  const starts: number[] = [];
  if (bucket === null) return starts;
  for (let start = fromMs; start < toMs && starts.length < max; start = nextBucket(bucket, zone, start))
    starts.push(start);
  return starts;
}

export function sparksOf(view: LiveView, zone: string): Course {
  const starts = bucketsOf(view, zone);
  const at = new Map(starts.map((start, index) => [start, index]));
  const empty = (): number[] => starts.map(() => 0);
  const course: Course = { cost: empty(), requests: empty(), tokens: empty(), errors: empty() };
  for (const { bucketMs, sums } of view.cells.values()) {
    const index = at.get(bucketMs);
    if (index === undefined) continue;
    course.cost[index]! += Number(sums.costNanoUsd);
    course.requests[index]! += sums.requests;
    course.tokens[index]! += Number(promptOf(sums) + sums.output);
    course.errors[index]! += sums.failed;
  }
  return course;
}
