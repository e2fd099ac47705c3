/**
 * The catalogue of `@earendil-works/pi-ai`: one price for each model, in USD per 1M tokens, with larger prompts at other
 * rates. It knows neither dates nor tiers of service. A one-hour cache write is twice the input rate in it by rule.
 */
import type { BookSource } from '../book.ts';
import type { PriceRow } from '../card.ts';
import { type Catalogue, cardOf, hasPrice, type MutableRates, picoUsd, rowOf, tidied } from './catalogue.ts';
import { VENDOR_NAMES } from './vendor-names.ts';

interface PiCost {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
}
export interface PiCatalogue {
  providers: Record<
    string,
    Record<
      string,
      { type?: string; cost_per_mtok_usd?: PiCost & { tiers?: (PiCost & { inputTokensAbove: number })[] } }
    >
  >;
}

const MILLION = 1e6;

export function piCatalogue(content: PiCatalogue, source: BookSource): Catalogue {
  const leftOut: string[] = [];
  const models = new Map<string, Map<string, PriceRow[]>>();
  for (const [vendor, { pi }] of Object.entries(VENDOR_NAMES)) {
    const own = new Map<string, PriceRow[]>();
    models.set(vendor, own);
    for (const [model, { type, cost_per_mtok_usd: cost }] of Object.entries(content.providers[pi ?? ''] ?? {})) {
      const name = model.toLowerCase();
      if (type !== 'chat' || cost === undefined) continue;
      const rates = ratesOf(cost, vendor);
      if (rates === null || !hasPrice(rates, name)) {
        leftOut.push(`${vendor}/${name}: no price`);
        continue;
      }
      const larger = (cost.tiers ?? []).map((tier) => ({ above: tier.inputTokensAbove, rates: ratesOf(tier, vendor) }));
      if (larger.some((tier) => tier.rates === null)) leftOut.push(`${vendor}/${name}: a price that is none`);
      else
        own.set(name, [
          rowOf('pi-ai', cardOf(rates, larger.map(({ above, rates }) => ({ above, rates: rates! })).sort(byAbove))),
        ]);
    }
  }
  return {
    id: 'pi-ai',
    source,
    names: (vendor) => [...(models.get(vendor)?.keys() ?? [])],
    find: (vendor, name) => models.get(vendor)?.get(name) ?? null,
    coversDates: () => false,
    areOne: () => false,
    leftOut,
  };
}

function ratesOf(cost: PiCost, vendor: string): MutableRates | null {
  const [input, output] = [picoUsd(cost.input, MILLION), picoUsd(cost.output, MILLION)];
  const [cacheRead, cacheWrite] = [picoUsd(cost.cacheRead, MILLION), picoUsd(cost.cacheWrite, MILLION)];
  if (input === null || output === null || cacheRead === null || cacheWrite === null) return null;
  const rates: MutableRates = { input, output, cacheRead, cacheWrite };
  if (vendor === 'anthropic' && cacheWrite > 0n) rates.cacheWrite1h = 2n * input;
  return tidied(rates);
}

function byAbove(a: { above: number }, b: { above: number }): number {
  return a.above - b.above;
}
