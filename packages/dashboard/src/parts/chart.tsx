/**
 * The drawing itself, by uPlot on a canvas: stacked bars or lines, a zone's own times below, a stretch that is drawn with the
 * pointer becomes the range. Loaded after the page. What it shows is in the legend and the table too: a canvas says nothing.
 */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import type { Metric } from '../address.ts';
import { clock, compact, day } from '../format.ts';
import { DAY_MS } from '../zone.ts';
import { type Course, stacked } from './course.ts';

export interface ChartProps {
  course: Course;
  metric: Metric;
  zone: string;
  summary: string;
  onPoint(index: number | null): void;
  /** By a key: who does so may not see what is pointed at. */
  onStep(index: number): void;
  onZoom(fromMs: number, toMs: number): void;
}

const HEIGHT_PX = 240;

export function Chart(props: ChartProps) {
  const { course, metric, zone, summary, onPoint, onStep } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  // Another set of series is another drawing; other numbers are not.
  const shape = JSON.stringify([metric, zone, course.isStacked, course.series.map(({ colour }) => colour)]);

  // In the frame of its card, not in the one after.
  useLayoutEffect(() => {
    const own = host.current!;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsFor(latest, own), pointsOf(latest.current.course), own);
    };
    make();
    const width = new ResizeObserver(() => plot.current?.setSize({ width: own.clientWidth, height: HEIGHT_PX }));
    width.observe(own);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', make);
    return () => {
      width.disconnect();
      scheme.removeEventListener('change', make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(pointsOf(course));
  }, [course]);

  const move = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0 || plot.current === null) return;
    event.preventDefault();
    const last = course.starts.length - 1;
    const index = Math.min(last, Math.max(0, (plot.current.cursor.idx ?? (step > 0 ? -1 : last + 1)) + step));
    const left = plot.current.valToPos(middleOf(course, index), 'x');
    plot.current.setCursor({ left, top: 0 });
    onPoint(index);
    onStep(index);
  };

  return <div ref={host} class="canvas" role="img" aria-label={summary} tabIndex={0} onKeyDown={move} />;
}

/** Bars stand in the middle of their bucket. Drawn from the highest down, so that each covers those below it. */
function pointsOf(course: Course): UPlot.AlignedData {
  const xs = course.starts.map((_, index) => middleOf(course, index));
  const lines = course.isStacked ? stacked(course.series).toReversed() : course.series.map(({ values }) => values);
  return [xs, ...lines] as UPlot.AlignedData;
}

function middleOf({ starts }: Course, index: number): number {
  const start = starts[index]!;
  const next = starts[index + 1] ?? start + (starts.length > 1 ? start - starts[index - 1]! : DAY_MS);
  return (start + next) / 2000;
}

function optionsFor(latest: { current: ChartProps }, host: HTMLElement): UPlot.Options {
  const { course, metric, zone } = latest.current;
  const colours = getComputedStyle(host);
  const colour = (name: string): string => colours.getPropertyValue(name).trim();
  const font = `12px ${colour('--font')}`;
  const axis: UPlot.Axis = {
    stroke: colour('--muted'),
    font,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const drawn = course.isStacked ? course.series.toReversed() : course.series;
  return {
    width: host.clientWidth,
    height: HEIGHT_PX,
    padding: [10, 22, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), zone === 'UTC' ? 'Etc/UTC' : zone),
    cursor: { y: false, points: { show: !course.isStacked }, drag: { x: true, y: false, setScale: false } },
    scales: {
      x: { range: (_plot, min, max) => wide(latest.current.course, min, max) },
      // Corrections may take more than there was.
      y: { range: (_plot, min, max) => [Math.min(0, min * 1.08), max > 0 ? max * 1.08 : min < 0 ? 0 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 30,
        grid: { show: false },
        values: (_plot, splits, _axis, _space, step) =>
          splits.map((at) => (step >= 86_400 ? shortDay(at * 1000, zone) : timeText(at * 1000, zone))),
      },
      { ...axis, size: 62, values: (_plot, splits) => splits.map((value) => axisText(value, metric)) },
    ],
    series: [
      {},
      ...drawn.map((series): UPlot.Series => {
        const ink = colour(`--series-${series.colour < 0 ? 'rest' : series.colour}`);
        if (!course.isStacked)
          return { stroke: ink, width: 2, spanGaps: true, points: { show: course.starts.length < 40 } };
        return {
          fill: ink,
          stroke: ink,
          width: 0,
          paths: UPlot.paths.bars!({ size: [0.82, 48], radius: 0 }),
          points: { show: false },
        };
      }),
    ],
    hooks: {
      setCursor: [
        ({ cursor }) =>
          latest.current.onPoint(cursor.left === undefined || cursor.left < 0 ? null : (cursor.idx ?? null)),
      ],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 6) return;
          latest.current.onZoom(plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Half a bucket of room on both sides. */
function wide(course: Course, min: number, max: number): [number, number] {
  const { starts } = course;
  if (starts.length === 0) return [min, max];
  const half = middleOf(course, 0) - starts[0]! / 1000;
  return [min - half, max + half];
}

function timeText(ms: number, zone: string): string {
  const text = clock(ms, zone).slice(0, 5);
  return text === '00:00' ? shortDay(ms, zone) : text;
}

function shortDay(ms: number, zone: string): string {
  return day(ms, zone).replace(/, \d+$/, '');
}

function axisText(value: number, metric: Metric): string {
  if (metric === 'cost')
    return value === 0 ? '$0' : value < 0.01 ? `$${Number(value.toPrecision(2))}` : `$${compactUsd(value)}`;
  if (metric === 'latency' || metric === 'first-token') return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
  return compact(value);
}

function compactUsd(value: number): string {
  return value >= 10_000 ? compact(value) : String(Number(value.toPrecision(4)));
}
