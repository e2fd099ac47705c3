/** `usage`: sums by any groups over a period, the whole ledger unless told. The table is the API's answer, the JSON is it. */
import { USAGE_GROUPS, type UsageAnswer, type UsageGroup, type UsageSums } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { countText, millisecondsText, momentMs, timeText, UNKNOWN } from './format.ts';
import { type SourceFlags, withSource, withSourceOptions } from './source.ts';
import { costText, notesOf, promptTokensOf } from './sums.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, renderTable } from './table.ts';

type Flags = SourceFlags & {
  json?: boolean;
  by: string;
  from?: string;
  to?: string;
  model?: string;
  provider?: string;
  agent?: string;
  session?: string;
  endUser?: string;
};

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command)
    .option('--by <groups>', `comma-separated: ${USAGE_GROUPS.join(', ')}`, 'provider,model')
    .option('--from <when>', 'ISO 8601 time, or how long ago: 30m, 24h, 7d, 2w (default: the beginning)')
    .option('--to <when>', 'the same (default: now)')
    .option('--model <model>', 'only this model')
    .option('--provider <provider>', 'only this provider')
    .option('--agent <agent>', 'only this agent')
    .option('--session <key>', 'only this session')
    .option('--end-user <id>', 'only this end user')
    .action(async (flags: Flags) => {
      const { stdout } = surroundings;
      const { model, provider, agent, session, endUser } = flags;
      const question = {
        ...periodOf(flags, Date.now()),
        groupBy: groupsOf(flags.by),
        model,
        provider,
        agent,
        session,
        endUser,
      };
      const answer = await withSource(flags, surroundings, (source) => source.usage(question));
      stdout(flags.json ? `${JSON.stringify(answer)}\n` : usageText(answer, question.fromMs === 0));
      finish(EXIT.ok);
    });
}

export function usageText(answer: UsageAnswer, fromTheBeginning: boolean): string {
  const { groupBy, rows, totals } = answer;
  const columns: Column[] = [
    ...groupBy.map((title) => ({ title, align: 'left' as const })),
    ...['requests', 'prompt', 'completion', 'total tokens', 'cost', 'p50', 'p95'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
  const cells = rows.map((row) => [...groupBy.map((group) => row.group[group] ?? UNKNOWN), ...sumCells(row)]);
  const sums = [...groupBy.map((_, index) => (index === 0 ? 'all' : '')), ...sumCells(totals)];
  const since = fromTheBeginning ? 'the beginning' : timeText(answer.from);
  return `from ${since} to ${timeText(answer.to)}\n${renderTable(columns, cells, sums)}${notesOf(totals.composition)}`;
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
  const words = text.split(',').map((word) => word.trim());
  for (const word of words) {
    if ((USAGE_GROUPS as readonly string[]).includes(word)) continue;
    throw new Failure(`--by knows no "${word}"; it takes ${USAGE_GROUPS.join(', ')}.`, EXIT.usage);
  }
  return [...new Set(words)] as UsageGroup[];
}

function periodOf({ from, to }: Flags, nowMs: number): { fromMs: number; toMs: number } {
  const moment = (flag: string, text: string) => {
    const ms = momentMs(text, nowMs);
    if (ms === null)
      throw new Failure(`${flag} must be like 2026-11-20, 2026-11-20T12:00:00Z, 24h or 7d, not "${text}".`, EXIT.usage);
    return ms;
  };
  const fromMs = from === undefined ? 0 : moment('--from', from);
  const toMs = to === undefined ? nowMs : moment('--to', to);
  if (fromMs > toMs) throw new Failure('--from lies after --to.', EXIT.usage);
  return { fromMs, toMs };
}
