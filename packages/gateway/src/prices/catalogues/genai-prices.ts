/**
 * The catalogue of `@pydantic/genai-prices`: prices with the day they began and the hours they hold, one-hour cache
 * writes, audio, images, searches. A model is found by patterns; where several fit, the first wins.
 */
import type { BookSource } from '../book.ts';
import type { PriceRow, RateCard } from '../card.ts';
import { type Catalogue, cardOf, hasPrice, type MutableRates, picoUsd, rowOf, tidied } from './catalogue.ts';
import { VENDOR_NAMES } from './vendor-names.ts';

type Match =
  | { or: Match[] }
  | { and: Match[] }
  | { equals: string }
  | { starts_with: string }
  | { ends_with: string }
  | { contains: string }
  | { regex: string };
type Price = number | { base: number; tiers: { start: number; price: number }[] };
type Prices = Record<string, Price | undefined>;
interface Conditional {
  constraint?: { start_date?: string; start_time?: string; end_time?: string };
  prices: Prices;
}
interface GenaiModel {
  id: string;
  match: Match;
  prices: Prices | Conditional[];
}
export interface GenaiProvider {
  id: string;
  models: GenaiModel[];
}

const MILLION = 1e6;
const THOUSAND = 1e3;
const NAMES: Readonly<Record<string, readonly [keyof MutableRates, units: number]>> = {
  input_mtok: ['input', MILLION],
  output_mtok: ['output', MILLION],
  cache_read_mtok: ['cacheRead', MILLION],
  cache_write_mtok: ['cacheWrite', MILLION],
  cache_write_1h_mtok: ['cacheWrite1h', MILLION],
  input_audio_mtok: ['audioInput', MILLION],
  output_audio_mtok: ['audioOutput', MILLION],
  input_image_mtok: ['imageInput', MILLION],
  output_image_mtok: ['imageOutput', MILLION],
  output_reasoning_mtok: ['reasoning', MILLION],
  web_searches_kcount: ['tool.web_search', THOUSAND],
  storage_searches_kcount: ['tool.file_search', THOUSAND],
  code_executions_kcount: ['tool.code_execution', THOUSAND],
  social_searches_kcount: ['tool.x_search', THOUSAND],
};
/** Of cached tokens it is not known which were audio or image: they are priced as cached text. */
const NOT_TOLD_APART = new Set(['cache_audio_read_mtok', 'cache_image_read_mtok']);
const DATED = /\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\}/;

export function genaiCatalogue(providers: readonly GenaiProvider[], source: BookSource): Catalogue {
  const leftOut: string[] = [];
  const models = new Map<string, readonly GenaiModel[]>();
  for (const [vendor, { genai }] of Object.entries(VENDOR_NAMES)) {
    models.set(vendor, providers.find(({ id }) => id === genai)?.models ?? []);
  }
  const rowsOfModel = new Map<GenaiModel, PriceRow[] | null>();
  const rowsOf = (vendor: string, model: GenaiModel): PriceRow[] | null => {
    const known = rowsOfModel.get(model);
    if (known !== undefined) return known;
    const rows = readRows(model, (why) => leftOut.push(`${vendor}/${model.id}: ${why}`));
    rowsOfModel.set(model, rows);
    return rows;
  };
  const modelOf = (vendor: string, name: string) => models.get(vendor)?.find(({ match }) => matches(match, name));
  return {
    id: 'genai-prices',
    source,
    names: (vendor) => {
      const named = (models.get(vendor) ?? []).flatMap((model) =>
        textsOf(model.match)
          .map((text) => text.toLowerCase())
          .filter((text) => modelOf(vendor, text) === model),
      );
      // Vertex sells other vendors' models too; the Gemini API does not.
      return vendor === 'google' ? named.filter((name) => !name.includes('claude')) : named;
    },
    find: (vendor, name) => {
      const model = modelOf(vendor, name);
      return model === undefined ? null : rowsOf(vendor, model);
    },
    coversDates: (vendor, name) => {
      const model = modelOf(vendor, name);
      return model !== undefined && coversDates(model.match, name);
    },
    areOne: (vendor, name, other) => {
      const model = modelOf(vendor, name);
      return model !== undefined && model === modelOf(vendor, other);
    },
    leftOut,
  };
}

function readRows(model: GenaiModel, leaveOut: (why: string) => void): PriceRow[] | null {
  const conditional: Conditional[] = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const rows: PriceRow[] = [];
  for (const { constraint, prices } of conditional) {
    const strange = Object.keys(prices).find((key) => NAMES[key] === undefined && !NOT_TOLD_APART.has(key));
    if (strange !== undefined) {
      leaveOut(`billed by ${strange}, which is not counted here`);
      return null;
    }
    const card = readCard(prices);
    if (card === null || !hasPrice(card.rates, model.id)) {
      leaveOut('no price');
      return null;
    }
    rows.push(
      rowOf('genai-prices', card, {
        validFrom: constraint?.start_date ?? null,
        hours:
          constraint?.start_time === undefined || constraint.end_time === undefined
            ? null
            : [secondOf(constraint.start_time), secondOf(constraint.end_time)],
      }),
    );
  }
  return rows;
}

function readCard(prices: Prices): RateCard | null {
  const starts = new Set<number>();
  for (const price of Object.values(prices)) {
    if (typeof price === 'object') for (const { start } of price.tiers) starts.add(start);
  }
  const at = (prompt: number): MutableRates | null => {
    const rates: MutableRates = {};
    for (const [key, price] of Object.entries(prices)) {
      const named = NAMES[key];
      if (named === undefined || price === undefined) continue;
      const usd =
        typeof price === 'number' ? price : (price.tiers.findLast(({ start }) => prompt > start)?.price ?? price.base);
      const rate = picoUsd(usd, named[1]);
      if (rate === null) return null;
      rates[named[0]] = rate;
    }
    return tidied(rates);
  };
  const rates = at(0);
  if (rates === null) return null;
  const larger = [...starts].sort((a, b) => a - b).map((above) => ({ above, rates: at(above + 1) }));
  if (larger.some((tier) => tier.rates === null)) return null;
  return cardOf(
    rates,
    larger.map((tier) => ({ above: tier.above, rates: tier.rates! })),
  );
}

function matches(match: Match, name: string): boolean {
  if ('or' in match) return match.or.some((each) => matches(each, name));
  if ('and' in match) return match.and.every((each) => matches(each, name));
  if ('equals' in match) return name === match.equals.toLowerCase();
  if ('starts_with' in match) return name.startsWith(match.starts_with.toLowerCase());
  if ('ends_with' in match) return name.endsWith(match.ends_with.toLowerCase());
  if ('contains' in match) return name.includes(match.contains.toLowerCase());
  return new RegExp(match.regex).test(name);
}

/** The plain names in a pattern: what a pattern begins with, ends with or holds is itself a name that it matches. */
function textsOf(match: Match): string[] {
  if ('or' in match) return match.or.flatMap(textsOf);
  if ('and' in match || 'regex' in match) return [];
  return [Object.values(match)[0] as string];
}

function coversDates(match: Match, name: string): boolean {
  if ('or' in match) return match.or.some((each) => coversDates(each, name));
  if ('regex' in match) {
    const isDated = DATED.test(match.regex);
    return isDated && (matches(match, `${name}-20260101`) || matches(match, `${name}-2026-01-01`));
  }
  return 'starts_with' in match && name === match.starts_with.toLowerCase();
}

/** `01:00:00Z` as a second of the day. */
function secondOf(time: string): number {
  const parts = /^(\d\d):(\d\d):(\d\d)Z$/.exec(time);
  if (parts === null) throw new Error(`the time of day ${time} is not in UTC`);
  return Number(parts[1]) * 3600 + Number(parts[2]) * 60 + Number(parts[3]);
}
