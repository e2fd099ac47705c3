/**
 * What is shown as a file: CSV for a spreadsheet, JSON for a program; exact numbers, money with every digit. A text that a
 * spreadsheet would take for a formula gets an apostrophe before it. Pure but for `download`.
 */
import { exactUsd } from './format.ts';
import type { Period } from './period.ts';
import { promptOf, type Sums, tokensOf } from './sums.ts';
import { wallText } from './zone.ts';

export type Line = Readonly<Record<string, string | number | null>>;

/** One row of sums, flat. */
export function lineOf(names: Readonly<Record<string, string | null>>, sums: Sums): Line {
  return {
    ...names,
    requests: sums.requests,
    promptTokens: promptOf(sums).toString(),
    completionTokens: sums.output.toString(),
    totalTokens: tokensOf(sums).toString(),
    cacheReadTokens: sums.cacheRead.toString(),
    cacheWriteTokens: sums.cacheWrite.toString(),
    reasoningTokens: sums.reasoning.toString(),
    costUsd: exactUsd(sums.costNanoUsd),
    unpriced: sums.unpriced,
    reported: sums.reported,
    partial: sums.partial,
    estimated: sums.estimated,
    uncounted: sums.none,
    uncertain: sums.uncertain,
    failed: sums.hasOutcomes ? sums.failed : null,
    aborted: sums.hasOutcomes ? sums.aborted : null,
    avgMs: sums.latency?.avg ?? null,
    p50Ms: sums.latency?.p50 ?? null,
    p95Ms: sums.latency?.p95 ?? null,
    p99Ms: sums.latency?.p99 ?? null,
    firstTokenP95Ms: sums.firstToken?.p95 ?? null,
  };
}

/** With a mark that it is UTF-8: without one spreadsheets take names that are not ASCII for others. */
export function csvText(lines: readonly Line[]): string {
  const columns = Object.keys(lines[0] ?? {});
  const rows = lines.map((line) => columns.map((column) => csvField(line[column] ?? null)).join(','));
  return `\uFEFF${[columns.map(csvField).join(','), ...rows].join('\r\n')}\r\n`;
}

const NUMBER = /^-?\d+(\.\d+)?$/;
const FORMULA = /^[\s]*[=+\-@＝＋－＠]|^[\t\r\n]/;
/** Where a spreadsheet splits cells by `;` or tab, quotes amid a line are none, and what follows begins a cell. */
const FORMULA_INSIDE = /([;\t\r\n]\s*)(?=[=+\-@＝＋－＠])/g;
const QUOTED = /[",;\t\r\n\u0085\u2028\u2029]/;

function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  const begun = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  const safe = begun.replace(FORMULA_INSIDE, "$1'");
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function jsonText(lines: readonly Line[]): string {
  return `${JSON.stringify(lines, null, 2)}\n`;
}

/** With the days that it is of, in the zone that is shown: two files of one range are not the same. */
export function datedName(name: string, { fromMs, toMs }: Pick<Period, 'fromMs' | 'toMs'>, zone: string): string {
  const [first, last] = [fromMs, toMs - 1].map((ms) => wallText(zone, ms).slice(0, 10));
  return first === last ? `${name}-${first}` : `${name}-${first}-to-${last}`;
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
