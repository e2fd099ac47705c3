/** The main chart with what belongs to it: which number, the legend with the values under the pointer, and its table twin. */
import { signal, useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useMemo } from 'preact/hooks';
import { look, looked, METRICS, type Metric } from '../address.ts';
import type { Charted } from '../answers.ts';
import { compact, milliseconds, minute, money, whole } from '../format.ts';
import { answers, slowVersion } from '../screen.ts';
import type { ChartProps } from './chart.tsx';
import { GROUP_LABELS } from './controls.tsx';
import { type Course, courseOf, summary } from './course.ts';
import { Exact } from './exact.tsx';

const LABELS: Readonly<Record<Metric, string>> = {
  cost: 'Cost',
  tokens: 'Tokens',
  requests: 'Requests',
  latency: 'Latency',
  'first-token': 'First token',
  errors: 'Errors',
};

export function ChartCard({ view, group }: Charted) {
  const drawn = slowVersion.value;
  const { looked: asked } = answers.value!;
  const { metric, zone } = looked.value;
  const isTable = useSignal(false);
  const pointed = useSignal<number | null>(null);
  // As it was when the key was pressed: a text that changes with each event would be read out with each.
  const stepped = useSignal('');
  const Chart = drawing.value?.Chart ?? null;
  // The answers are those of another metric while this one's are on their way.
  const shownMetric = asked.metric;
  const course = useMemo(() => courseOf(view, shownMetric), [drawn, view, shownMetric]);
  const by =
    group === null || shownMetric === 'errors'
      ? ''
      : ` by ${GROUP_LABELS[group as keyof typeof GROUP_LABELS].toLowerCase()}`;
  const label = `${LABELS[shownMetric]}${by}`;
  return (
    <section class="card chart-card" aria-label={label}>
      <header>
        <fieldset class="choice">
          <legend class="sr">What the chart shows</legend>
          {METRICS.map((name) => (
            <button key={name} type="button" aria-pressed={metric === name} onClick={() => look({ metric: name })}>
              {LABELS[name]}
            </button>
          ))}
        </fieldset>
        <button
          type="button"
          class="quiet"
          aria-pressed={isTable.value}
          onClick={() => (isTable.value = !isTable.value)}
        >
          {isTable.value ? 'As chart' : 'As table'}
        </button>
      </header>
      {isTable.value ? (
        <Twin course={course} metric={shownMetric} label={label} />
      ) : (
        <div class="plot">
          {Chart === null ? null : (
            <Chart
              course={course}
              metric={shownMetric}
              zone={zone}
              summary={summary(course, label)}
              onPoint={(index) => (pointed.value = index)}
              onStep={(index) => (stepped.value = stepText(course, shownMetric, index, zone))}
              onZoom={zoom}
            />
          )}
        </div>
      )}
      {isTable.value ? null : <Legend course={course} metric={shownMetric} pointed={pointed.value} zone={zone} />}
      <p class="sr" role="status">
        {stepped.value}
      </p>
    </section>
  );
}

function zoom(fromMs: number, toMs: number): void {
  look({ range: { name: 'custom', fromMs, toMs } });
}

/** The drawing library is asked for beside the first answers; they do not wait for it, and mostly it is there before them. */
const drawing = signal<{ Chart: ComponentType<ChartProps> } | null>(null);
void import('./chart.tsx').then((loaded) => {
  drawing.value = loaded;
});

function Legend({
  course,
  metric,
  pointed,
  zone,
}: {
  course: Course;
  metric: Metric;
  pointed: number | null;
  zone: string;
}) {
  const at = pointed !== null && pointed < course.starts.length ? pointed : null;
  return (
    <div class="legend">
      <span class="when">{at === null ? '' : minute(course.starts[at]!, zone)}</span>
      {course.series.map(({ name, values, colour }) => (
        <span key={name} class="key">
          <i class={`swatch swatch-${colour < 0 ? 'rest' : colour}`} aria-hidden="true" />
          <bdi class="clip" title={name}>
            {name}
          </bdi>
          {at === null ? null : <b>{valueText(values[at] ?? null, metric)}</b>}
        </span>
      ))}
    </div>
  );
}

/** What the legend shows of a bar, to be read out when keys lead to it; a pointer that wanders about says nothing. */
function stepText({ starts, series }: Course, metric: Metric, at: number, zone: string): string {
  const start = starts[at];
  if (start === undefined) return '';
  const parts = series.filter(({ values }) => (values[at] ?? 0) !== 0);
  const said = parts.map(({ name, values }) => `${name} ${valueText(values[at]!, metric)}`);
  return `${minute(start, zone)}: ${said.join(', ') || 'nothing'}`;
}

/** The chart as a table: the same series, exactly. */
function Twin({ course, metric, label }: { course: Course; metric: Metric; label: string }) {
  const { zone } = looked.value;
  return (
    <section class="scroll twin" tabIndex={0} aria-label={label}>
      <table class="twin-table">
        <thead>
          <tr>
            <th scope="col">From</th>
            {course.series.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {course.starts.map((start, index) => (
            <tr key={start} data-start={new Date(start).toISOString()}>
              <th scope="row">{minute(start, zone)}</th>
              {course.series.map(({ name, values, exact }) => (
                <td key={name} data-series={name}>
                  <Exact value={exact[index] ?? null}>{valueText(values[index] ?? null, metric)}</Exact>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function valueText(value: number | null, metric: Metric): string {
  if (value === null) return '–';
  if (metric === 'cost') return money(BigInt(Math.round(value * 1e9)));
  if (metric === 'latency' || metric === 'first-token') return milliseconds(value);
  return metric === 'tokens' ? compact(value) : whole(value);
}
