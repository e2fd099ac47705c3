/**
 * One dispatch in full, as text: what is known of it, and how its cost came to be, line by line with the source of each
 * number, so that an invoice can be defended with it. Pure.
 */
import type { DispatchDetail, PriceDetail } from '@weighbridge/protocol';
import { usdText } from '../domain/price.ts';
import { countText, dollarsText, timeText, UNKNOWN } from './format.ts';
import { type Column, plainText, renderTable } from './table.ts';

const LINE_COLUMNS: readonly Column[] = [
  { title: 'price line', align: 'left' },
  ...['units', 'pico-USD each', 'pico-USD'].map((title) => ({ title, align: 'right' as const })),
  { title: 'rate from', align: 'left' },
];

export function dispatchText(detail: DispatchDetail): string {
  const {
    priceLines: _,
    rawUsage,
    corrections,
    usage: _usage,
    cost: _cost,
    price: _p,
    unpriced: _u,
    costNow: _n,
    providerCost: _s,
    ...facts
  } = detail;
  // What came late stands in the correction that brought it.
  const { usage, cost } = [detail, ...corrections].find((each) => each.usage !== null) ?? detail;
  const rows: string[][] = Object.entries(facts).map(([name, value]) => [name, factText(value)]);
  for (const [name, value] of Object.entries(usage ?? {})) rows.push([`usage.${name}`, factText(value)]);
  for (const [name, value] of Object.entries(cost ?? {})) rows.push([`cost.${name}`, factText(value)]);
  const width = Math.max(...rows.map(([name]) => name!.length));
  const lines = rows.map(([name, value]) => `${name!.padEnd(width)}  ${value}\n`).join('');
  const raw = rawUsage === null ? '' : `\nas the provider sent it: ${plainText(JSON.stringify(rawUsage))}\n`;
  return lines + priceText({ ...detail, cost }) + correctionsText(detail) + providerText(detail) + raw;
}

function priceText({ price, priceLines, unpriced, cost }: DispatchDetail): string {
  const others = (price?.otherModels ?? []).map(
    (other) => `${plainText(other.model)} has its own: ${other.priceId}, from ${basisText(other)}\n`,
  );
  const head = price === null ? '' : `\nprice ${price.priceId}, from ${basisText(price)}\n${others.join('')}`;
  if (unpriced !== null) return `${head}\nunpriced: ${plainText(unpriced)}\n`;
  if (priceLines === null || cost === null) return head;
  const rows = priceLines.map((line) => [
    line.bucket,
    countText(line.units),
    countText(line.ratePicoUsd),
    countText(line.amountPicoUsd),
    line.source,
  ]);
  const sum = priceLines.reduce((total, line) => total + BigInt(line.amountPicoUsd), 0n);
  const total = ['total', '', '', countText(sum), `= ${countText(cost.nanoUsd)} nano-USD, ${dollarsText(cost.usd)}`];
  return head + renderTable(LINE_COLUMNS, rows, total);
}

function basisText({ source, basis }: Pick<PriceDetail, 'source' | 'basis'>): string {
  if (basis === null) return source === 'config' ? 'the config' : source;
  const { book, provider, model, validFrom, promptAbove, serviceTier } = basis;
  return [
    `${source} ${book}: ${plainText(provider)}/${plainText(model)}`,
    validFrom === null ? null : `since ${validFrom}`,
    promptAbove === null ? null : `prompts above ${countText(promptAbove)} tokens`,
    serviceTier === null ? null : `service tier ${plainText(serviceTier)}`,
  ]
    .filter((part) => part !== null)
    .join(', ');
}

function correctionsText({ corrections, costNow }: DispatchDetail): string {
  if (corrections.length === 0) return '';
  const columns: Column[] = [
    ...['correction', 'when', 'why', 'price'].map((title) => ({ title, align: 'left' as const })),
    { title: 'difference', align: 'right' },
  ];
  const rows = corrections.map((correction) => [
    correction.entryId,
    timeText(correction.settledAt),
    correction.reason ?? UNKNOWN,
    correction.cost?.priceId ?? UNKNOWN,
    dollarsText(correction.cost?.usd ?? null),
  ]);
  return `\n${renderTable(columns, rows, ['with corrections', '', '', '', dollarsText(costNow?.usd ?? null)])}`;
}

function providerText({ providerCost, costNow }: DispatchDetail): string {
  if (providerCost === null) return '';
  const difference = costNow === null ? null : usdText(BigInt(costNow.nanoUsd) - BigInt(providerCost.nanoUsd));
  const apart = difference === null ? '' : `; ours less theirs is ${dollarsText(difference)}`;
  return `\nthe provider says that it cost ${dollarsText(providerCost.usd)} (${plainText(providerCost.source)})${apart}\n`;
}

function factText(value: unknown): string {
  if (value === null) return UNKNOWN;
  return plainText(typeof value === 'string' ? value : JSON.stringify(value));
}
