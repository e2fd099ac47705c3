/**
 * Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): families of samples made
 * into text, and counts by bucket for histograms. Knows no metric; adds nothing up by itself.
 */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  labels: Labels;
  value: number;
}

/** Counts at or below each bound, not cumulative, and one more for what is above all. */
export interface HistogramSample {
  labels: Labels;
  boundsSeconds: readonly number[];
  counts: readonly number[];
  sumSeconds: number;
}

export type Family = { name: string; help: string } & (
  | { type: 'counter' | 'gauge'; samples: readonly Sample[] }
  | { type: 'histogram'; samples: readonly HistogramSample[] }
);

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function exposition(families: readonly Family[]): string {
  return families.map(familyText).join('');
}

function familyText(family: Family): string {
  const { name, help, type } = family;
  const lines = [`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${type}`];
  if (family.type === 'histogram') for (const sample of family.samples) lines.push(...histogramLines(name, sample));
  else for (const { labels, value } of family.samples) lines.push(`${name}${labelText(labels)} ${number(value)}`);
  return `${lines.join('\n')}\n`;
}

function histogramLines(name: string, { labels, boundsSeconds, counts, sumSeconds }: HistogramSample): string[] {
  // Most of the text is these lines, and their labels are the same but for the bound.
  const text = labelText(labels);
  const before = text === '' ? '{' : `${text.slice(0, -1)},`;
  let below = 0;
  const lines = boundsSeconds.map((bound, index) => {
    below += counts[index] ?? 0;
    return `${name}_bucket${before}le="${number(bound)}"} ${below}`;
  });
  const count = below + (counts[boundsSeconds.length] ?? 0);
  return [
    ...lines,
    `${name}_bucket${before}le="+Inf"} ${count}`,
    `${name}_sum${text} ${number(sumSeconds)}`,
    `${name}_count${text} ${count}`,
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Names come from callers: no text of theirs may end a label or begin a line. */
function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Durations as they come, counted by bound. */
export class DurationCounts {
  readonly boundsSeconds: readonly number[];
  readonly #counts: number[];
  #sumSeconds = 0;

  constructor(boundsSeconds: readonly number[]) {
    this.boundsSeconds = boundsSeconds;
    this.#counts = new Array<number>(boundsSeconds.length + 1).fill(0);
  }

  add(seconds: number, times = 1): void {
    const index = this.boundsSeconds.findIndex((bound) => seconds <= bound);
    this.#counts[index === -1 ? this.boundsSeconds.length : index]! += times;
    this.#sumSeconds += seconds * times;
  }

  /** Adds what another of the same bounds counted. */
  merge(other: DurationCounts): void {
    other.#counts.forEach((count, index) => {
      this.#counts[index]! += count;
    });
    this.#sumSeconds += other.#sumSeconds;
  }

  sample(labels: Labels): HistogramSample {
    const { boundsSeconds } = this;
    return { labels, boundsSeconds, counts: [...this.#counts], sumSeconds: this.#sumSeconds };
  }
}
