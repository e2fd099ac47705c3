/**
 * What is shown as a file: CSV for a spreadsheet, JSON for a program; exact numbers, money with every digit. A text that a
 * spreadsheet would take for a formula gets an apostrophe before it. Pure but for `download`.
 */
import { exactUsd } from './format.ts';
import { promptOf, type Sums, tokensOf } from './sums.ts';

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

export function csvText(lines: readonly Line[]): string {
  const columns = Object.keys(lines[0] ?? {});
  const rows = lines.map((line) => columns.map((column) => csvField(line[column] ?? null)).join(','));
  return `${[columns.map(csvField).join(','), ...rows].join('\r\n')}\r\n`;
}

const NUMBER = /^-?\d+(\.\d+)?$/;

function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  const safe = /^[\s]*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function jsonText(lines: readonly Line[]): string {
  return `${JSON.stringify(lines, null, 2)}\n`;
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
