/** `models`: the configured models and every other that was used, with their counts since the ledger began. `--watch` follows. */
import type { Composition, UsageAnswer, UsageRow, UsageSums } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { countText } from './format.ts';
import { type Source, type SourceFlags, withSource, withSourceOptions } from './source.ts';
import { costText, notesOf, promptTokensOf } from './sums.ts';
import { EXIT, type Surroundings } from './surroundings.ts';
import { type Column, renderTable } from './table.ts';
import { type Shown, watch } from './watching.ts';

interface ModelCount {
  model: string;
  requests: number;
  promptTokens: string;
  completionTokens: string;
  totalTokens: string;
  costNanoUsd: string;
  costUsd: string;
  composition: Composition;
}

type Flags = SourceFlags & { json?: boolean; watch?: boolean };

/** No end: settlement times may be ahead of this clock. */
const END_MS = Date.UTC(9999, 11, 31);

const COLUMNS: readonly Column[] = [
  { title: 'model', align: 'left' },
  { title: 'requests', align: 'right' },
  { title: 'prompt', align: 'right' },
  { title: 'completion', align: 'right' },
  { title: 'total tokens', align: 'right' },
  { title: 'cost', align: 'right' },
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command)
    .option('--watch', 'stay, and show every change')
    .action(async (flags: Flags) => {
      const json = flags.json === true;
      await withSource(flags, surroundings, async (source) => {
        const answer = () => answerOf(source, json);
        if (flags.watch) await watch(source, surroundings, { json, answer });
        else surroundings.stdout((await answer()).text);
      });
      finish(EXIT.ok);
    });
}

async function answerOf(source: Source, json: boolean): Promise<Shown> {
  const question = { fromMs: 0, toMs: END_MS, groupBy: ['provider', 'model'] } as const;
  const [configured, answer] = await Promise.all([source.models(), source.usage(question)]);
  const { asOfSeq, totals } = answer;
  const counts = modelCounts(configured, answer);
  const text = json ? `${JSON.stringify({ object: 'list', asOfSeq, data: counts })}\n` : modelsText(counts, totals);
  return { text, asOfSeq };
}

/** The used models, the dearest first, then those that are configured and were never used. */
export function modelCounts(configured: readonly string[], { rows }: UsageAnswer): ModelCount[] {
  const used = rows.map((row: UsageRow) => countOf(`${row.group.provider}/${row.group.model}`, row));
  const names = new Set(used.map(({ model }) => model));
  return [...used, ...configured.filter((model) => !names.has(model)).map((model) => countOf(model, null))];
}

export function modelsText(counts: readonly ModelCount[], totals: UsageSums): string {
  const rows = counts.map((count) => [
    count.model,
    countText(count.requests),
    countText(count.promptTokens),
    countText(count.completionTokens),
    countText(count.totalTokens),
    costText(count),
  ]);
  const all = countOf('all', totals);
  const sums = [
    'all',
    countText(all.requests),
    countText(all.promptTokens),
    countText(all.completionTokens),
    countText(all.totalTokens),
    costText(all),
  ];
  return renderTable(COLUMNS, rows, sums) + notesOf(totals.composition);
}

function countOf(model: string, sums: UsageSums | null): ModelCount {
  return {
    model,
    requests: sums?.requests ?? 0,
    promptTokens: sums === null ? '0' : promptTokensOf(sums),
    completionTokens: sums?.output ?? '0',
    totalTokens: sums?.total ?? '0',
    costNanoUsd: sums?.costNanoUsd ?? '0',
    costUsd: sums?.costUsd ?? '0.000000',
    composition: sums?.composition ?? { reported: 0, partial: 0, estimated: 0, none: 0, unpriced: 0, uncertain: 0 },
  };
}
