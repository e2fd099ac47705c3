/**
 * What a book says about one model: rows by date and time of day, each with rates for the standard service and for those
 * tiers of service that have their own, each with larger prompts at other rates. Here it is decided which of them holds
 * for a dispatch. Pure; what is not published is null.
 */
import type { Rates } from '../domain/price.ts';

/** Rates of one tier of service. A prompt above a threshold re-prices the whole request, not only what is above. */
export interface RateCard {
  rates: Rates;
  /** Ascending. */
  larger: readonly { above: number; rates: Rates }[];
}

export interface PriceRow {
  /** ISO day in UTC; null: since ever. */
  validFrom: string | null;
  /** Seconds of the day in UTC, `[from, to)`, across midnight where `to` is smaller; null: all day. */
  hours: readonly [number, number] | null;
  standard: RateCard;
  /** By name of the tier of service: `flex`, `batch`, `priority`. */
  tiers: Readonly<Record<string, RateCard>>;
  /** The catalogue that the row is from. */
  by: string;
  /** Where a rate, or a whole tier of service, is from another. */
  also: Readonly<Record<string, string>>;
}

/** Rates, and what of the dispatch chose them. */
export interface Chosen {
  rates: Rates;
  promptAbove: number | null;
  serviceTier: string | null;
}

const DAY_S = 86_400;
/** What vendors call the service that everybody gets. */
const STANDARD_NAMES = new Set([
  '',
  'auto',
  'default',
  'standard',
  'on_demand',
  'unspecified',
  'traffic_type_unspecified',
]);
/** Vertex' traffic types, by the tier they are billed as. */
const TIER_OF: ReadonlyMap<string, string> = new Map([
  ['on_demand_flex', 'flex'],
  ['on_demand_priority', 'priority'],
]);

/** The last row that holds at a moment; null where the first begins later. */
export function rowAt(rows: readonly PriceRow[], atMs: number): PriceRow | null {
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index]!;
    if (row.validFrom !== null && atMs < Date.parse(row.validFrom)) continue;
    if (row.hours === null || isWithin(row.hours, Math.floor(atMs / 1000) % DAY_S)) return row;
  }
  return null;
}

/** Null: no price is known for this tier of service, or for a prompt of this size in it. */
export function chooseRates(row: PriceRow, serviceTier: string | null, promptTokens: number): Chosen | null {
  const tier = tierName(serviceTier);
  if (tier === null) return { ...sized(row.standard, promptTokens), serviceTier: null };
  const card = Object.hasOwn(row.tiers, tier) ? row.tiers[tier]! : null;
  if (card === null) return null;
  // Where the standard service charges more for a prompt like this and the tier's own price is not published.
  if (card.larger.length === 0 && row.standard.larger.some(({ above }) => promptTokens > above)) return null;
  return { ...sized(card, promptTokens), serviceTier: tier };
}

/** Null for the standard service, whatever it is called. */
export function tierName(serviceTier: string | null): string | null {
  const name = (serviceTier ?? '').toLowerCase();
  return STANDARD_NAMES.has(name) ? null : (TIER_OF.get(name) ?? name);
}

function sized({ rates, larger }: RateCard, promptTokens: number): { rates: Rates; promptAbove: number | null } {
  const found = larger.findLast(({ above }) => promptTokens > above);
  return found === undefined ? { rates, promptAbove: null } : { rates: found.rates, promptAbove: found.above };
}

function isWithin([from, to]: readonly [number, number], second: number): boolean {
  return from <= to ? second >= from && second < to : second >= from || second < to;
}
