/**
 * One book out of several catalogues. The first that knows a model gives its rates; the others give what the first lacks,
 * but only where they agree with it on the plain rates: an older catalogue's price for batches says nothing about a price
 * that has changed since. Where they disagree it is reported, for people. Pure.
 */
import type { RateName, Rates } from '../../domain/price.ts';
import { BOOK_FORMAT, type BookFile, type BookSource, DATE_SUFFIX, fileRow, hashOf } from '../book.ts';
import type { PriceRow, RateCard } from '../card.ts';
import type { Catalogue, MutableRates } from './catalogue.ts';
import { withSurcharges } from './vendor-docs.ts';

export interface Conflict {
  vendor: string;
  model: string;
  /** What they differ in: a rate, or where larger prompts begin. */
  about: string;
  /** What each says, the chosen one first. */
  values: [catalogue: string, value: string][];
}

export interface Merged {
  book: BookFile;
  conflicts: Conflict[];
  leftOut: string[];
}

interface Found {
  catalogue: Catalogue;
  rows: readonly PriceRow[];
}

const COMPARED = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;

/** Catalogues in the order in which they are believed. */
export function mergeCatalogues(catalogues: readonly Catalogue[], vendors: readonly string[]): Merged {
  const conflicts: Conflict[] = [];
  const rows = new Map<string, number>();
  const models: BookFile['models'] = {};
  const dated: BookFile['dated'] = {};
  const fileRows: BookFile['rows'] = [];
  for (const vendor of vendors) {
    const own: Record<string, number> = {};
    const names = new Set(catalogues.flatMap((catalogue) => catalogue.names(vendor)));
    for (const name of [...names].sort()) {
      const merged = mergeModel(vendor, name, catalogues, conflicts);
      if (merged === null) continue;
      const file = merged.map(fileRow);
      const text = JSON.stringify(file);
      if (!rows.has(text)) rows.set(text, fileRows.push(file) - 1);
      own[name] = rows.get(text)!;
    }
    if (Object.keys(own).length === 0) continue;
    models[vendor] = own;
    const covered = Object.keys(own).filter((name) => catalogues.some((each) => each.coversDates(vendor, name)));
    if (covered.length > 0) dated[vendor] = covered;
  }
  const sources: Record<string, BookSource> = {};
  for (const { id, source } of catalogues) sources[id] = source;
  // A page that was read yesterday makes no price younger.
  const date = catalogues
    .filter(({ id }) => id !== 'vendor-docs')
    .map(({ source }) => source.date)
    .sort()
    .at(-1)!;
  const content = { date, sources, rows: fileRows, models, dated };
  const book: BookFile = { format: BOOK_FORMAT, hash: hashOf(content), ...content };
  return {
    book,
    conflicts,
    leftOut: catalogues.flatMap(({ id, leftOut }) => leftOut.map((model) => `${id}: ${model}`)),
  };
}

function mergeModel(
  vendor: string,
  name: string,
  catalogues: readonly Catalogue[],
  conflicts: Conflict[],
): PriceRow[] | null {
  // A dated snapshot that is said to be the model itself has the price of the one that is listed without its date.
  const undated = name.replace(DATE_SUFFIX, '');
  const isOne = undated !== name && catalogues.some((each) => each.areOne(vendor, name, undated));
  const found = catalogues.flatMap((catalogue): Found[] => {
    const rows = catalogue.find(vendor, name) ?? (isOne ? catalogue.find(vendor, undated) : null);
    return rows === null ? [] : [{ catalogue, rows }];
  });
  // Only who knows the hours can say what holds now.
  const first = found.find(({ rows }) => rows.some(({ hours }) => hours !== null)) ?? found[0];
  if (first === undefined) return null;
  const others = found.filter((each) => each !== first);
  report(vendor, name, first, others, conflicts);
  const merged = first.rows.map((row) => filled(row, others));
  const history = others.find(({ rows }) => rows.some(({ validFrom }) => validFrom !== null));
  const dated = first.rows.length > 1 || history === undefined ? merged : withHistory(merged[0]!, first, history);
  return dated.map((row) => withSurcharges(vendor, row));
}

/** Rows that another catalogue dates; the first one's own holds from the day of its catalogue, or of the same price. */
function withHistory(row: PriceRow, first: Found, { rows }: Found): PriceRow[] {
  const last = rows.at(-1)!;
  if (isSamePrice(row, last)) return [...rows.slice(0, -1), { ...row, validFrom: last.validFrom }];
  return [...rows, { ...row, validFrom: first.catalogue.source.date }];
}

function filled(row: PriceRow, others: readonly Found[]): PriceRow {
  const also: Record<string, string> = { ...row.also };
  let { standard } = row;
  const tiers: Record<string, RateCard> = { ...row.tiers };
  for (const { catalogue, rows } of others) {
    // The youngest: what an older row of theirs said beside the same rates may have been taken back since.
    const other = rows.findLast((each) => isSamePrice(row, each));
    // What a provider's own tools cost does not hang on the price of tokens.
    const tools = ratesLacking(standard.rates, rows.at(-1)!.standard.rates, (rate) => rate.startsWith('tool.'));
    const more = other === undefined ? {} : ratesLacking(standard.rates, other.standard.rates, () => true);
    for (const rate of Object.keys({ ...tools, ...more })) also[rate] = catalogue.id;
    standard = {
      rates: { ...standard.rates, ...tools, ...more },
      larger: largerOf(standard, tools, catalogue.id === 'litellm' ? undefined : other?.standard),
    };
    for (const [tier, card] of Object.entries(other?.tiers ?? {})) {
      if (tiers[tier] !== undefined) continue;
      tiers[tier] = card;
      also[tier] = catalogue.id;
    }
  }
  const withTools = Object.fromEntries(
    Object.entries(tiers).map(([tier, card]) => [tier, toolsOf(card, standard.rates)]),
  );
  return { ...row, standard, tiers: withTools, also };
}

/** Larger prompts: one's own, each filled from the other's that begins at the same size; or all of the other's. */
function largerOf(own: RateCard, tools: Rates, other: RateCard | undefined): RateCard['larger'] {
  if (own.larger.length === 0 && other !== undefined) return other.larger;
  return own.larger.map(({ above, rates }) => {
    const same = other?.larger.find((each) => Math.abs(each.above - above) <= 1);
    const more = same === undefined || !agree(rates, same.rates) ? {} : ratesLacking(rates, same.rates, () => true);
    return { above, rates: { ...rates, ...tools, ...more } };
  });
}

function toolsOf({ rates, larger }: RateCard, standard: Rates): RateCard {
  const tools = ratesLacking(rates, standard, (rate) => rate.startsWith('tool.'));
  return {
    rates: { ...rates, ...tools },
    larger: larger.map((each) => ({ ...each, rates: { ...each.rates, ...tools } })),
  };
}

function ratesLacking(own: Rates, other: Rates, wanted: (rate: RateName) => boolean): MutableRates {
  const lacking: MutableRates = {};
  for (const [rate, value] of Object.entries(other) as [RateName, bigint][]) {
    if (own[rate] === undefined && wanted(rate)) lacking[rate] = value;
  }
  return lacking;
}

function isSamePrice(row: PriceRow, other: PriceRow): boolean {
  return agree(row.standard.rates, other.standard.rates);
}

/** The plain rates are the same, and of the cache's those that both have. */
function agree(a: Rates, b: Rates): boolean {
  if (a.input !== b.input || a.output !== b.output) return false;
  return (['cacheRead', 'cacheWrite'] as const).every(
    (rate) => a[rate] === undefined || b[rate] === undefined || a[rate] === b[rate],
  );
}

function report(vendor: string, model: string, first: Found, others: readonly Found[], conflicts: Conflict[]): void {
  const all = [first, ...others].map(({ catalogue, rows }) => ({ id: catalogue.id, row: rows.at(-1)! }));
  const compare = (about: string, textOf: (row: PriceRow) => string | undefined): void => {
    const values = all.flatMap(({ id, row }): [string, string][] => {
      const value = textOf(row);
      return value === undefined ? [] : [[id, value]];
    });
    if (new Set(values.map(([, value]) => value)).size > 1) conflicts.push({ vendor, model, about, values });
  };
  for (const rate of COMPARED) compare(rate, ({ standard }) => usdPerMillion(standard.rates[rate]));
  compare('larger prompts above', ({ standard }) => standard.larger.map(({ above }) => above).join(', ') || undefined);
}

/** `1.25`, as vendors write prices. */
export function usdPerMillion(picoUsd: bigint | undefined): string | undefined {
  if (picoUsd === undefined) return undefined;
  const decimals = (picoUsd % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  return `${picoUsd / 1_000_000n}${decimals === '' ? '' : `.${decimals}`}`;
}
