/**
 * What a published catalogue is to us, whatever its format: the vendors' models it knows, with rows for each, and what it
 * lists that cannot be priced from counted tokens. The adapters beside this file make one of each format.
 */
import { type RateName, type Rates, rateNames } from '../../domain/price.ts';
import type { BookSource } from '../book.ts';
import type { PriceRow, RateCard } from '../card.ts';

export type CatalogueId = 'pi-ai' | 'genai-prices' | 'litellm' | 'vendor-docs';

export interface Catalogue {
  id: CatalogueId;
  source: BookSource;
  /** Every name that stands in it, in lower case. */
  names(vendor: string): string[];
  find(vendor: string, name: string): readonly PriceRow[] | null;
  /** It says that dated snapshots of this model cost the same. */
  coversDates(vendor: string, name: string): boolean;
  /** It says that these are two names of one model. */
  areOne(vendor: string, name: string, other: string): boolean;
  /** `vendor/model: why`, for models that it lists and that are left out here. */
  leftOut: string[];
}

export type MutableRates = { [Name in RateName]?: bigint };

const PICO_PER_USD = 1e12;
/** What binary fractions add to a decimal; anything larger is a price finer than a pico-USD. */
const NOISE = 1e-6;

/** USD per `units` as integer pico-USD per unit; null where it is no price. */
export function picoUsd(usd: unknown, units: number): bigint | null {
  if (typeof usd !== 'number' || !Number.isFinite(usd) || usd < 0) return null;
  const pico = (usd / units) * PICO_PER_USD;
  const rounded = Math.round(pico);
  return Math.abs(pico - rounded) <= NOISE * Math.max(1, pico) && Number.isSafeInteger(rounded)
    ? BigInt(rounded)
    : null;
}

export function cardOf(rates: Rates, larger: RateCard['larger'] = []): RateCard {
  return { rates, larger };
}

export function rowOf(by: CatalogueId, standard: RateCard, more: Partial<PriceRow> = {}): PriceRow {
  return { validFrom: null, hours: null, standard, tiers: {}, by, also: {}, ...more };
}

/** Rates of tokens times a factor in thousandths, tools as they are; null where one were no whole number of pico-USD. */
export function scaled({ rates, larger }: RateCard, thousandths: bigint): RateCard | null {
  const times = (own: Rates): Rates | null => {
    const found: MutableRates = {};
    for (const name of rateNames(own)) {
      const rate = own[name]! * (name.startsWith('tool.') ? 1000n : thousandths);
      if (rate % 1000n !== 0n) return null;
      found[name] = rate / 1000n;
    }
    return found;
  };
  const all = [rates, ...larger.map((each) => each.rates)].map(times);
  if (!all.every((each) => each !== null)) return null;
  return cardOf(
    all[0]!,
    larger.map(({ above }, at) => ({ above, rates: all[at + 1]! })),
  );
}

/** A part that costs what its bucket costs needs no rate; a cache's 0 says "not known" in every catalogue. */
export function tidied(rates: MutableRates): MutableRates {
  const kept: MutableRates = { ...rates };
  for (const name of ['cacheRead', 'cacheWrite', 'cacheWrite1h'] as const) {
    if (kept[name] === 0n && kept.input !== 0n) delete kept[name];
  }
  for (const name of ['audioInput', 'imageInput'] as const) if (kept[name] === kept.input) delete kept[name];
  for (const name of ['audioOutput', 'imageOutput', 'reasoning'] as const) {
    if (kept[name] === kept.output) delete kept[name];
  }
  return kept;
}

/** Whether there is a price at all: catalogues write 0 for models whose price they do not know. */
export function hasPrice(rates: Rates, name: string): boolean {
  if (rates.input === undefined) return false;
  return rates.input > 0n || (rates.output ?? 0n) > 0n || name.endsWith(':free');
}
