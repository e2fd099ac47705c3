/**
 * A price book: a dated file of rows for vendors' models, with a hash over its content, and how to read one. The file is
 * compact, because it comes with the package: equal rows stand there once. Makes no decisions; that is card.ts.
 */
import { createHash } from 'node:crypto';
import type { RateName, Rates } from '../domain/price.ts';
import type { PriceRow, RateCard } from './card.ts';

export const BOOK_FORMAT = 'weighbridge-prices/1';

/** The rates that nearly every row has, in the order of a file's list. */
const LISTED = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;

/** Integers of pico-USD in the order of LISTED, null where there is none; then, perhaps, the others by name. */
type FileRates = (number | null | Record<string, number>)[];
type FileCard = { rates: FileRates; larger?: [above: number, rates: FileRates][] };
export interface FileRow extends FileCard {
  from?: string;
  hours?: [number, number];
  tiers?: Record<string, FileCard>;
  by: string;
  also?: Record<string, string>;
}

/** Where a book's numbers are from. */
export interface BookSource {
  version: string;
  date: string;
  from: string;
  licence: string;
  sha256: string;
}

export interface BookFile {
  format: typeof BOOK_FORMAT;
  /** Of the youngest catalogue in it. */
  date: string;
  hash: string;
  sources: Record<string, BookSource>;
  rows: FileRow[][];
  /** Vendor, then model in lower case, to a position in `rows`. */
  models: Record<string, Record<string, number>>;
  /** Models whose dated snapshots (`-2026-03-05`, `-20260305`) cost the same. */
  dated: Record<string, string[]>;
}

export interface BookEntry {
  vendor: string;
  /** As the book spells it. */
  model: string;
  rows: readonly PriceRow[];
}

export interface Book {
  /** Date and the head of the hash: what entries are stamped with. */
  readonly version: string;
  readonly date: string;
  readonly hash: string;
  readonly sources: Readonly<Record<string, BookSource>>;
  find(vendor: string, model: string): BookEntry | null;
  vendors(): string[];
  models(vendor: string): string[];
}

/** How vendors name the snapshots of a model. */
export const DATE_SUFFIX = /[-@](?:20\d{6}|20\d\d-\d\d-\d\d)$/;

/** The hash over everything but itself. */
export function hashOf(file: Omit<BookFile, 'format' | 'hash'>): string {
  const { date, sources, rows, models, dated } = file;
  return createHash('sha256').update(JSON.stringify({ date, sources, rows, models, dated })).digest('hex');
}

/** Reads the text of a book. Throws, in words for people, where it is none or was changed. */
export function readBook(text: string): Book {
  const file = JSON.parse(text) as BookFile;
  if (file.format !== BOOK_FORMAT) throw new Error(`it is no price book of the format ${BOOK_FORMAT}`);
  if (hashOf(file) !== file.hash) throw new Error('its content does not have the hash that it names');
  const read = new Map<number, readonly PriceRow[]>();
  const dated = new Map(Object.entries(file.dated).map(([vendor, names]) => [vendor, new Set(names)]));
  const rowsAt = (position: number): readonly PriceRow[] => {
    const rows = read.get(position) ?? file.rows[position]!.map(rowOf);
    read.set(position, rows);
    return rows;
  };
  // One object for one model, so that what follows from it can be kept with it.
  const entries = new Map<string, BookEntry>();
  const exactly = (vendor: string, model: string): BookEntry | null => {
    const models = Object.hasOwn(file.models, vendor) ? file.models[vendor]! : {};
    if (!Object.hasOwn(models, model)) return null;
    const known = entries.get(`${vendor}/${model}`) ?? { vendor, model, rows: rowsAt(models[model]!) };
    entries.set(`${vendor}/${model}`, known);
    return known;
  };
  return {
    version: `${file.date}.${file.hash.slice(0, 12)}`,
    date: file.date,
    hash: file.hash,
    sources: file.sources,
    find: (vendor, model) => {
      // As Gemini's paths spell it.
      const name = model.toLowerCase().replace(/^models\//, '');
      const found = exactly(vendor, name);
      if (found !== null) return found;
      const undated = name.replace(DATE_SUFFIX, '');
      return undated !== name && dated.get(vendor)?.has(undated) ? exactly(vendor, undated) : null;
    },
    vendors: () => Object.keys(file.models),
    models: (vendor) => Object.keys(file.models[vendor] ?? {}),
  };
}

export function fileRow({ validFrom, hours, standard, tiers, by, also }: PriceRow): FileRow {
  return {
    ...(validFrom === null ? {} : { from: validFrom }),
    ...(hours === null ? {} : { hours: [...hours] as [number, number] }),
    ...fileCard(standard),
    ...(Object.keys(tiers).length === 0
      ? {}
      : { tiers: Object.fromEntries(Object.entries(tiers).map(([name, card]) => [name, fileCard(card)])) }),
    by,
    ...(Object.keys(also).length === 0 ? {} : { also: { ...also } }),
  };
}

function rowOf({ from, hours, tiers = {}, by, also = {}, ...card }: FileRow): PriceRow {
  return {
    validFrom: from ?? null,
    hours: hours ?? null,
    standard: cardOf(card),
    tiers: Object.fromEntries(Object.entries(tiers).map(([name, tier]) => [name, cardOf(tier)])),
    by,
    also,
  };
}

function fileCard({ rates, larger }: RateCard): FileCard {
  return {
    rates: fileRates(rates),
    ...(larger.length === 0 ? {} : { larger: larger.map((tier) => [tier.above, fileRates(tier.rates)]) }),
  };
}

function cardOf({ rates, larger = [] }: FileCard): RateCard {
  return {
    rates: ratesOf(rates),
    larger: larger.map(([above, tier]) => ({ above, rates: ratesOf(tier) })),
  };
}

function fileRates(rates: Rates): FileRates {
  const listed: FileRates = LISTED.map((name) => (rates[name] === undefined ? null : Number(rates[name])));
  const others = Object.entries(rates).filter(([name]) => !(LISTED as readonly string[]).includes(name));
  if (others.length > 0) {
    return [...listed, Object.fromEntries(others.sort().map(([name, rate]) => [name, Number(rate)]))];
  }
  while (listed.at(-1) === null) listed.pop();
  return listed;
}

function ratesOf(listed: FileRates): Rates {
  const rates: { [Name in RateName]?: bigint } = {};
  for (const [index, name] of LISTED.entries()) {
    const rate = listed[index];
    if (typeof rate === 'number') rates[name] = BigInt(rate);
  }
  const others = (listed[LISTED.length] ?? {}) as Record<string, number>;
  for (const [name, rate] of Object.entries(others)) rates[name as RateName] = BigInt(rate);
  return rates;
}
