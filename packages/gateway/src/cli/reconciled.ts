/** `usage --reconcile`: our cost beside the providers' own, as a table. Differences are what a reader looks for. */
import type { Reconciliation, ReconciliationSums } from '@weighbridge/protocol';
import { usdText } from '../domain/price.ts';
import { countText, dollarsText, timeText, UNKNOWN } from './format.ts';
import { type Column, renderTable } from './table.ts';
import type { Shown } from './watching.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const left = (title: string): Column => ({ title, align: 'left' });

export function reconciled(answer: Reconciliation, json: boolean): Shown {
  return { text: json ? `${JSON.stringify(answer)}\n` : reconciledText(answer), asOfSeq: 0 };
}

function reconciledText({ from, to, groupBy, rows, totals, furthest }: Reconciliation): string {
  const period = `from ${from.startsWith('1970') ? 'the beginning' : timeText(from)} to ${timeText(to)}\n`;
  if (totals.dispatches === 0) return `${period}No provider said what a call cost.\n`;
  const columns = [...groupBy.map(left), ...['calls', 'differ', 'unpriced', 'ours', 'theirs', 'difference'].map(right)];
  const sums = renderTable(
    columns,
    rows.map((row) => [...groupBy.map((group) => row.group[group] ?? UNKNOWN), ...cells(row)]),
    [...groupBy.map((_, index) => (index === 0 ? 'all' : '')), ...cells(totals)],
  );
  return period + sums + (furthest.length === 0 ? '' : `\n${furthestText(furthest)}`);
}

function cells({
  dispatches,
  differing,
  unpriced,
  costNanoUsd,
  providerCostNanoUsd,
  differenceNanoUsd,
}: ReconciliationSums) {
  return [
    ...[dispatches, differing, unpriced].map(countText),
    ...[costNanoUsd, providerCostNanoUsd, differenceNanoUsd].map(money),
  ];
}

function furthestText(furthest: Reconciliation['furthest']): string {
  const columns = [
    left('furthest apart'),
    left('model'),
    ...['ours', 'theirs', 'difference'].map(right),
    left('said in'),
  ];
  return renderTable(
    columns,
    furthest.map(({ dispatchId, provider, model, nanoUsd, providerNanoUsd, differenceNanoUsd, source }) => [
      dispatchId,
      `${provider}/${model}`,
      money(nanoUsd),
      money(providerNanoUsd),
      money(differenceNanoUsd),
      source,
    ]),
  );
}

function money(nanoUsd: string | null): string {
  return dollarsText(nanoUsd === null ? null : usdText(BigInt(nanoUsd)));
}
