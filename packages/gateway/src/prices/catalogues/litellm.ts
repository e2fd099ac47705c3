/**
 * The price map of LiteLLM: USD per token, the widest of the catalogues and the only one with batch, flex and priority.
 * Models that are billed by anything but tokens are left out.
 */
import type { BookSource } from '../book.ts';
import type { PriceRow, RateCard } from '../card.ts';
import { type Catalogue, cardOf, hasPrice, type MutableRates, picoUsd, rowOf, scaled, tidied } from './catalogue.ts';
import { VENDOR_NAMES } from './vendor-names.ts';

export type LitellmCatalogue = Record<string, Record<string, unknown>>;

const MODES = new Set(['chat', 'responses', 'completion', 'embedding']);
const NAMES: Readonly<Record<string, keyof MutableRates>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1h',
  input_cost_per_audio_token: 'audioInput',
  output_cost_per_audio_token: 'audioOutput',
  input_cost_per_image_token: 'imageInput',
  output_cost_per_image_token: 'imageOutput',
  output_cost_per_reasoning_token: 'reasoning',
};
const TIERS: Readonly<Record<string, string>> = { batches: 'batch', flex: 'flex', priority: 'priority' };
const FIELD = /^(.+?)(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?$/;
/** What else a call may be billed by. */
const OTHER_UNITS = /_per_(?:second|pixel|request|query|image|character)(?!\w*token)|^tiered_pricing$|^search_context/;

export function litellmCatalogue(content: LitellmCatalogue, source: BookSource): Catalogue {
  const leftOut: string[] = [];
  const vendorOf = new Map(Object.entries(VENDOR_NAMES).map(([vendor, { litellm }]) => [litellm, vendor]));
  const models = new Map<string, Map<string, PriceRow[]>>();
  for (const [key, model] of Object.entries(content)) {
    const own = String(model.litellm_provider);
    const vendor = vendorOf.get(own);
    if (vendor === undefined || !MODES.has(String(model.mode))) continue;
    const name = key.toLowerCase().replace(`${own}/`, '');
    const other = Object.entries(model).find(([field, value]) => isOtherUnit(vendor, field, value))?.[0];
    const row = other === undefined ? readRow(model, name) : null;
    if (row === null) leftOut.push(`${vendor}/${name}: ${other === undefined ? 'no price' : `billed by ${other} too`}`);
    else setOf(models, vendor).set(name, [row]);
  }
  return {
    id: 'litellm',
    source,
    names: (vendor) => [...(models.get(vendor)?.keys() ?? [])],
    find: (vendor, name) => models.get(vendor)?.get(name) ?? null,
    coversDates: () => false,
    areOne: () => false,
    leftOut,
  };
}

function isOtherUnit(vendor: string, field: string, value: unknown): boolean {
  if (!OTHER_UNITS.test(field) || value === 0 || value === null) return false;
  // Elsewhere it is the price of a search, which is a tool's; at Perplexity every request is one.
  return field.startsWith('search_context') ? vendor === 'perplexity' : true;
}

function readRow(model: Record<string, unknown>, name: string): PriceRow | null {
  const found = new Map<string, Map<number, MutableRates>>();
  for (const [field, value] of Object.entries(model)) {
    const [, base = '', thousands, tier = ''] = FIELD.exec(field) ?? [];
    const rateName = NAMES[base];
    if (rateName === undefined || value === null) continue;
    const rate = picoUsd(value, 1);
    if (rate === null) return null;
    const above = thousands === undefined ? 0 : Number(thousands) * 1000;
    const bySize = found.get(tier) ?? new Map<number, MutableRates>();
    found.set(tier, bySize);
    bySize.set(above, { ...bySize.get(above), [rateName]: rate });
  }
  const plain = readCard(found.get(''));
  if (plain === null || !hasPrice(plain.rates, name)) return null;
  const standard = withSearch(plain, model);
  const tiers: Record<string, RateCard> = {};
  for (const [field, tier] of Object.entries(TIERS)) {
    const card = readCard(found.get(field));
    // Half a price is none.
    if (card !== null && (card.rates.output !== undefined || standard.rates.output === undefined)) tiers[tier] = card;
  }
  const fast = fastCard(plain, model.provider_specific_entry);
  if (fast !== null) tiers.fast = fast;
  return rowOf('litellm', standard, { tiers });
}

/** The price of a search, where it is one price for each search; elsewhere it hangs on what a usage does not say. */
function withSearch(card: RateCard, model: Record<string, unknown>): RateCard {
  const isEach = model.web_search_billing_unit === 'per_query' || model.litellm_provider === 'anthropic';
  const sizes = new Set(Object.values((model.search_context_cost_per_query ?? {}) as Record<string, unknown>));
  const rate = isEach && sizes.size === 1 ? picoUsd([...sizes][0], 1) : null;
  if (rate === null) return card;
  return {
    rates: { ...card.rates, 'tool.web_search': rate },
    larger: card.larger.map(({ above, rates }) => ({ above, rates: { ...rates, 'tool.web_search': rate } })),
  };
}

/** Anthropic's fast mode: every rate of tokens times a whole number. */
function fastCard(card: RateCard, entry: unknown): RateCard | null {
  const factor = (entry as { fast?: unknown } | undefined)?.fast;
  if (typeof factor !== 'number' || !Number.isInteger(factor) || factor < 1) return null;
  return scaled(card, BigInt(factor) * 1000n);
}

function readCard(bySize: Map<number, MutableRates> | undefined): RateCard | null {
  const rates = bySize?.get(0);
  if (bySize === undefined || rates?.input === undefined) return null;
  const sizes = [...bySize.keys()].filter((above) => above > 0).sort((a, b) => a - b);
  return cardOf(
    tidied(rates),
    // What it does not say of a larger prompt's cache is not known.
    sizes.map((above) => ({
      above,
      rates: tidied({ input: rates.input!, output: rates.output!, ...bySize.get(above)! }),
    })),
  );
}

function setOf(models: Map<string, Map<string, PriceRow[]>>, vendor: string): Map<string, PriceRow[]> {
  const own = models.get(vendor) ?? new Map<string, PriceRow[]>();
  models.set(vendor, own);
  return own;
}
