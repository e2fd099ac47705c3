/** `dispatches`: single dispatches, newest first, and `dispatches show ID`: one in full, with its price lines and raw usage. */
import { type DispatchRecord, OUTCOMES, promptTokens } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { DEFAULT_TENANT } from '../domain/caller.ts';
import { dispatchText } from './dispatch-text.ts';
import { type FilterFlags, filtersOf, withFilterOptions } from './filters.ts';
import { countText, dollarsText, millisecondsText, timeText, UNKNOWN } from './format.ts';
import { type SourceFlags, ticks, withSource, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';
import { type Shown, watch } from './watching.ts';

type Flags = SourceFlags & FilterFlags & { json?: boolean; watch?: boolean; limit: string; cursor?: string };

const ID = /^(dsp|ent)_[0-9A-Z]{26}$/;
const LIMIT_MAX = 1_000;
/** `open`: still in flight. */
const OUTCOME_WORDS: readonly string[] = [...OUTCOMES, 'open'];

const COLUMNS: readonly Column[] = [
  { title: 'started', align: 'left' },
  { title: 'dispatch', align: 'left' },
  { title: 'model', align: 'left' },
  { title: 'agent', align: 'left' },
  { title: 'outcome', align: 'left' },
  { title: 'prompt', align: 'right' },
  { title: 'completion', align: 'right' },
  { title: 'usage', align: 'left' },
  { title: 'cost', align: 'right' },
  { title: 'latency', align: 'right' },
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const { stdout } = surroundings;
  // The list's options stand before `show`, its own after it: otherwise `show ID --json` would be the list's.
  command.enablePositionalOptions();
  withFilterOptions(withSourceOptions(command), OUTCOME_WORDS)
    .option('--limit <count>', `how many, 1 to ${LIMIT_MAX}`, '20')
    .option('--cursor <cursor>', 'go on where a list ended')
    .option('--watch', 'stay, and show every change')
    .action(async (flags: Flags) => {
      const { cursor } = flags;
      const query = { limit: limitOf(flags.limit), cursor, ...filtersOf(flags, OUTCOME_WORDS) };
      const json = flags.json === true;
      await withSource(flags, surroundings, async (source) => {
        const answer = async (): Promise<Shown> => {
          const list = await source.dispatches(query);
          return { text: json ? `${JSON.stringify(list)}\n` : dispatchesText(list.data, list.nextCursor), asOfSeq: 0 };
        };
        // No event tells of a dispatch that begins, so the list is asked for again.
        if (flags.watch) await watch({ changes: (_seq, signal) => ticks(signal) }, surroundings, { json, answer });
        else stdout((await answer()).text);
      });
      finish(EXIT.ok);
    });
  withSourceOptions(command.command('show <id>').description('one dispatch in full')).action(
    async (id: string, flags: Flags) => {
      if (!ID.test(id)) throw new Failure(`"${plainText(id)}" is no id; it is dsp_… or ent_….`, EXIT.usage);
      const detail = await withSource(flags, surroundings, (source) => source.dispatch(id));
      if (detail === null) throw new Failure(`there is no dispatch ${plainText(id)}.`);
      stdout(flags.json ? `${JSON.stringify(detail)}\n` : dispatchText(detail));
      finish(EXIT.ok);
    },
  );
}

export function dispatchesText(records: readonly DispatchRecord[], nextCursor: string | null): string {
  // A house of one tenant has no use for its name on every line.
  const hasTenants = records.some(({ tenantId }) => tenantId !== DEFAULT_TENANT);
  const columns = hasTenants ? COLUMNS.toSpliced(2, 0, { title: 'tenant', align: 'left' }) : COLUMNS;
  const rows = records.map((record) => [
    timeText(record.startedAt),
    record.dispatchId,
    ...(hasTenants ? [record.tenantId] : []),
    `${record.provider}/${record.model}`,
    record.agentId ?? UNKNOWN,
    outcomeText(record),
    countText(record.usage === null ? null : promptTokens(record.usage)),
    countText(record.usage?.output ?? null),
    record.outcome === null ? '' : record.usageSource,
    dollarsText(record.cost?.usd ?? null),
    millisecondsText(record.latencyMs),
  ]);
  const more = nextCursor === null ? '' : `more: --cursor ${nextCursor}\n`;
  return renderTable(columns, rows) + more;
}

function outcomeText({ outcome, errorKind }: DispatchRecord): string {
  if (outcome === null) return 'in flight';
  return errorKind === null ? outcome : `${outcome} (${errorKind})`;
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new Failure(`--limit must be a whole number from 1 to ${LIMIT_MAX}.`, EXIT.usage);
}
