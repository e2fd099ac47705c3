/** Why a model has the price that it has: every book that was asked, what it said, and which word counted. For people. */
import { makeUsage } from '@weighbridge/protocol';
import { type PricePin, rateNames } from '../domain/price.ts';
import type { Provider } from '../domain/provider.ts';
import type { BookSource } from './book.ts';
import { chooseRates, type PriceRow, rowAt, tierName } from './card.ts';
import { bookPin, type NamedBook, type Prices } from './prices.ts';

/** The dispatch whose price is asked for, as far as a price hangs on it. */
export interface Supposed {
  at: number;
  promptTokens: number;
  serviceTier: string | null;
}

export interface Explanation {
  provider: string;
  vendor: string | null;
  model: string;
  /** What a dispatch like the supposed one is priced with; null: it is unpriced. */
  inForce: PricePin | null;
  /** Why there is none; null where there is one. */
  missing: string | null;
  config: 'priced' | 'not understood' | 'silent';
  books: BookWord[];
}

/** What one book says of the model. */
export interface BookWord {
  source: NamedBook['source'];
  version: string;
  sources: Readonly<Record<string, BookSource>>;
  /** Oldest first; empty where it does not know the model. */
  rows: readonly { row: PriceRow; holds: boolean; pin: PricePin }[];
}

export function explainPrice(
  prices: Prices,
  provider: Pick<Provider, 'id' | 'models' | 'vendor'>,
  model: string,
  supposed: Supposed,
): Explanation {
  const { at, promptTokens, serviceTier } = supposed;
  const usage = makeUsage({ input: promptTokens, output: 1 });
  const own = provider.models.find(({ id, hasOwnCost }) => hasOwnCost && id === model);
  const books = prices.books().map((named) => wordOf(named, provider.vendor, model, supposed));
  const inForce = prices.pin({ provider, model, servedModel: null, startedAt: at, usage, serviceTier });
  const config = own === undefined ? 'silent' : own.price === null ? 'not understood' : 'priced';
  const missing = inForce === null ? whyMissing(provider, config, books, supposed) : null;
  return { provider: provider.id, vendor: provider.vendor, model, inForce, missing, config, books };
}

function wordOf(named: NamedBook, vendor: string | null, model: string, { at }: Supposed): BookWord {
  const { source, book } = named;
  const entry = vendor === null ? null : book.find(vendor, model);
  const holding = entry === null ? null : rowAt(entry.rows, at);
  const rows = (entry?.rows ?? []).map((row) => ({
    row,
    holds: row === holding,
    pin: bookPin(named, entry!, row, chooseRates(row, null, 0)!),
  }));
  return { source, version: book.version, sources: book.sources, rows };
}

function whyMissing(
  { id, vendor }: Pick<Provider, 'id' | 'vendor'>,
  config: Explanation['config'],
  books: readonly BookWord[],
  { serviceTier, promptTokens }: Supposed,
): string {
  if (config === 'not understood') return '`cost` in the config was not understood, and no book may replace it';
  if (vendor === null)
    return `no known vendor is behind the provider ${id}: set \`cost\`, or \`pricedAs\`, in the config`;
  const known = books.find(({ rows }) => rows.length > 0);
  if (known === undefined) return `no book knows this model of ${vendor}: set \`cost\`, or import a newer catalogue`;
  const row = known.rows.find(({ holds }) => holds)?.row;
  if (row === undefined) return 'its first price begins later';
  const tier = tierName(serviceTier);
  if (tier !== null && !Object.hasOwn(row.tiers, tier)) return `nobody published a price for its service tier ${tier}`;
  return `nobody published what ${tier} costs for a prompt of ${promptTokens} tokens`;
}

/** Rates in the order in which people read prices. */
export function orderedRates({ rates }: PricePin): [name: string, picoUsd: bigint][] {
  const order = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'];
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return rateNames(rates)
    .toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => [name, rates[name]!]);
}
