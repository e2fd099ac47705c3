/** `usage`: sums by any groups over a period, the whole ledger unless told. The table is the API's answer, the JSON is it. */
import {
  OUTCOMES,
  TIME_BUCKETS,
  type TimeBucket,
  USAGE_GROUPS,
  type UsageAnswer,
  type UsageGroup,
  type UsageSums,
} from '@weighbridge/protocol';
import type { Command } from 'commander';
import { ROWS_MAX } from '../ledger/usage-question.ts';
import { isZone } from '../lib/zones.ts';
import { type FilterFlags, filtersOf, refuseUnknown, withFilterOptions } from './filters.ts';
import { bucketText, countText, millisecondsText, pastMs, timeText, UNKNOWN } from './format.ts';
import { reconciled } from './reconciled.ts';
import {
  type Source,
  type SourceFlags,
  type SourceReconcileQuery,
  type SourceUsageQuery,
  withSource,
  withSourceOptions,
} from './source.ts';
import { costText, notesOf, promptTokensOf } from './sums.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, renderTable } from './table.ts';
import { type Shown, watch } from './watching.ts';

type Flags = SourceFlags &
  FilterFlags & {
    json?: boolean;
    by: string;
    from?: string;
    to?: string;
    bucket?: TimeBucket;
    tz?: string;
    latency?: boolean;
    limit: string;
    reconcile?: boolean;
    watch?: boolean;
  };

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withFilterOptions(withSourceOptions(command), OUTCOMES)
    .option('--by <groups>', `comma-separated: ${USAGE_GROUPS.join(', ')}; none: all in one`, 'provider,model')
    .option('--from <when>', 'ISO 8601 time, or how long ago: 30m, 24h, 7d, 2w (default: the beginning)')
    .option('--to <when>', 'the same (default: now)')
    .option('--bucket <length>', `one row for each ${TIME_BUCKETS.join(', ')}`)
    .option('--tz <zone>', 'whose hours, days and months: an IANA name like Europe/Berlin (default: this machine’s)')
    .option('--latency', 'percentiles too, where they are left out because they take long')
    .option('--limit <rows>', `rows at most, 1 to ${ROWS_MAX}; the sums hold the rest too`, '1000')
    .option('--reconcile', 'our cost beside what the providers said that calls cost')
    .option('--watch', 'stay, and show every change')
    .action(async (flags: Flags) => {
      const json = flags.json === true;
      questionOf(flags, Date.now());
      await withSource(flags, surroundings, async (source) => {
        const answer = () => answerOf(source, flags);
        if (flags.watch) await watch(source, surroundings, { json, answer });
        else surroundings.stdout((await answer()).text);
      });
      finish(EXIT.ok);
    });
}

async function answerOf(source: Source, flags: Flags): Promise<Shown> {
  // Now moves on while it is watched.
  const question = questionOf(flags, Date.now());
  if (flags.reconcile) return reconciled(await source.reconcile(reconcileQuestion(question)), flags.json === true);
  const answer = await source.usage(question);
  const text = flags.json ? `${JSON.stringify(answer)}\n` : usageText(answer, question.fromMs === 0);
  return { text, asOfSeq: answer.asOfSeq };
}

/** Without what only sums of usage have. */
function reconcileQuestion({
  bucket: _b,
  tz: _t,
  latency: _l,
  limit: _m,
  ...same
}: SourceUsageQuery): SourceReconcileQuery {
  return same;
}

function questionOf(flags: Flags, nowMs: number): SourceUsageQuery {
  const { bucket, latency } = flags;
  refuseUnknown('--bucket', bucket, TIME_BUCKETS);
  if (flags.reconcile && bucket !== undefined) throw new Failure('--reconcile has no buckets.', EXIT.usage);
  return {
    ...periodOf(flags, nowMs),
    groupBy: groupsOf(flags.by),
    bucket,
    tz: zoneOf(flags),
    latency,
    limit: limitOf(flags.limit),
    ...filtersOf(flags, OUTCOMES),
  };
}

/** Days are the reader's own unless told; without buckets no zone is asked for. */
function zoneOf({ bucket, tz }: Flags): string | undefined {
  if (tz === undefined) return bucket === undefined ? undefined : new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (isZone(tz)) return tz;
  throw new Failure(`--tz knows no "${tz}"; write it like Europe/Berlin.`, EXIT.usage);
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= ROWS_MAX) return limit;
  throw new Failure(`--limit must be a whole number from 1 to ${ROWS_MAX}.`, EXIT.usage);
}

export function usageText(answer: UsageAnswer, fromTheBeginning: boolean): string {
  const { groupBy, bucket, tz, rows, rowsOmitted, totals } = answer;
  const titles = [...(bucket === null ? [] : [bucket]), ...groupBy];
  const columns: Column[] = [
    ...titles.map((title) => ({ title, align: 'left' as const })),
    ...['requests', 'prompt', 'completion', 'total tokens', 'cost', 'p50', 'p95'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
  const cells = rows.map((row) => [
    ...(bucket === null ? [] : [bucketText(row.bucketStart, bucket, tz)]),
    ...groupBy.map((group) => row.group[group] ?? UNKNOWN),
    ...sumCells(row),
  ]);
  const sums = [...titles.map((_, index) => (index === 0 ? 'all' : '')), ...sumCells(totals)];
  const since = fromTheBeginning ? 'the beginning' : timeText(answer.from);
  const zone = bucket === null ? '' : `, by ${bucket} in ${tz}`;
  const omitted =
    rowsOmitted === 0 ? '' : `${countText(rowsOmitted)} more rows; --limit shows them, the sums hold them\n`;
  return `from ${since} to ${timeText(answer.to)}${zone}\n${renderTable(columns, cells, sums)}${omitted}${notesOf(totals.composition)}`;
}

function sumCells(sums: UsageSums): string[] {
  return [
    countText(sums.requests),
    countText(promptTokensOf(sums)),
    countText(sums.output),
    countText(sums.total),
    costText(sums),
    millisecondsText(sums.latencyMs?.p50 ?? null),
    millisecondsText(sums.latencyMs?.p95 ?? null),
  ];
}

function groupsOf(text: string): UsageGroup[] {
  if (text === 'none') return [];
  const words = text.split(',').map((word) => word.trim());
  for (const word of words) {
    if ((USAGE_GROUPS as readonly string[]).includes(word)) continue;
    throw new Failure(`--by knows no "${word}"; it takes ${USAGE_GROUPS.join(', ')}.`, EXIT.usage);
  }
  return [...new Set(words)] as UsageGroup[];
}

function periodOf({ from, to }: Flags, nowMs: number): { fromMs: number; toMs: number } {
  const moment = (flag: string, text: string) => {
    const ms = pastMs(text, nowMs);
    if (ms === null)
      throw new Failure(`${flag} must be like 2026-11-20, 2026-11-20T12:00:00Z, 24h or 7d, not "${text}".`, EXIT.usage);
    return ms;
  };
  const fromMs = from === undefined ? 0 : moment('--from', from);
  const toMs = to === undefined ? nowMs : moment('--to', to);
  if (fromMs > toMs) throw new Failure('--from lies after --to.', EXIT.usage);
  return { fromMs, toMs };
}
