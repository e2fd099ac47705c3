/**
 * The price of a dispatch: the config's where the model has one, else an imported catalogue's, else the snapshot's that
 * came with the package. Books are read when first asked, an imported one again when its file changes. Never guesses:
 * what nobody published is null.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { promptTokens, type Usage } from '@weighbridge/protocol';
import { vendorById } from '../config/vendors.ts';
import { type PricePin, type PriceSource, pin, type RateName, type Rates, rateNames } from '../domain/price.ts';
import type { Provider } from '../domain/provider.ts';
import { type Book, type BookEntry, readBook } from './book.ts';
import { type Chosen, chooseRates, type PriceRow, rowAt } from './card.ts';

/** What the price of a dispatch follows from. */
export interface PriceQuestion {
  provider: Pick<Provider, 'models' | 'vendor'>;
  model: string;
  /** As the provider named it in its answer; null where it named none. */
  servedModel: string | null;
  startedAt: number;
  usage: Usage;
  serviceTier: string | null;
}

export interface Pricing {
  pin(question: PriceQuestion): PricePin | null;
}

/** A book and how its prices are named on entries. */
export interface NamedBook {
  source: PriceSource;
  book: Book;
}

export interface PricesOptions {
  /** Where `prices import` puts its book; null: nowhere. */
  importedFile: string | null;
  snapshotFile?: URL;
  /** Told once for each state of an imported file that cannot be used. */
  report?: (message: string) => void;
}

/** Where `prices import` leaves a catalogue, in the state directory. */
export const IMPORTED_PRICES = 'prices.json';

const SNAPSHOT = new URL('./snapshot.json', import.meta.url);
/** How often a changed import is looked for. */
const LOOK_MS = 1000;

export class Prices implements Pricing {
  readonly #options: PricesOptions;
  /** Pins that were made, by the entry and the rates of its book. */
  readonly #pins = new WeakMap<BookEntry, Map<Rates, PricePin>>();
  /** Undefined: not read yet. Null: it cannot be. */
  #snapshot: NamedBook | null | undefined;
  #imported: NamedBook | null = null;
  #importedAs = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PricesOptions) {
    this.#options = options;
  }

  /** An import may just have been made. */
  lookAgain(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /** In the order in which they are asked. */
  books(): NamedBook[] {
    this.#lookForImport();
    if (this.#snapshot === undefined)
      this.#snapshot = this.#read('book', this.#options.snapshotFile ?? SNAPSHOT) ?? null;
    return [this.#imported, this.#snapshot].filter((named) => named !== null);
  }

  /** Never throws: whatever is wrong with a book, its dispatch must be settled. */
  pin(question: PriceQuestion): PricePin | null {
    try {
      return this.#find(question);
    } catch (error) {
      this.#options.report?.(`the price of ${question.model} was not found: ${(error as Error).message}`);
      return null;
    }
  }

  #find({ provider, model, servedModel, startedAt, usage, serviceTier }: PriceQuestion): PricePin | null {
    const names = servedModel === null || servedModel === model ? [model] : [model, servedModel];
    for (const name of names) {
      const configured = provider.models.find(({ id, hasOwnCost }) => hasOwnCost && id === name);
      if (configured !== undefined) return configured.price;
    }
    if (provider.vendor === null) return null;
    // Who served it says it best; an alias may stand for another model every month.
    for (const name of names.toReversed()) {
      for (const named of this.books()) {
        const entry = named.book.find(provider.vendor, name);
        const row = entry === null ? null : rowAt(entry.rows, startedAt);
        if (entry === null || row === null) continue;
        const chosen = chooseRates(row, serviceTier, promptTokens(usage));
        return chosen === null ? null : this.#pinned(named, entry, row, chosen);
      }
    }
    return null;
  }

  /** Equal answers are one object: its hash and its text are made once. */
  #pinned(named: NamedBook, entry: BookEntry, row: PriceRow, chosen: Chosen): PricePin {
    const made = this.#pins.get(entry) ?? new Map<Rates, PricePin>();
    this.#pins.set(entry, made);
    const known = made.get(chosen.rates);
    if (known !== undefined) return known;
    const anew = bookPin(named, entry, row, chosen);
    made.set(chosen.rates, anew);
    return anew;
  }

  /** A dispatch is settled whatever becomes of a file: without its price it is unpriced, and `reprice` may come later. */
  #read(source: PriceSource, file: string | URL): NamedBook | undefined {
    try {
      return { source, book: readBook(readFileSync(file, 'utf8')) };
    } catch (error) {
      this.#options.report?.(`the prices in ${file} are not used: ${(error as Error).message}`);
      return undefined;
    }
  }

  #lookForImport(): void {
    const file = this.#options.importedFile;
    const now = performance.now();
    if (file === null || now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    const as = stateOf(file);
    if (as === this.#importedAs) return;
    this.#importedAs = as;
    this.#imported = as === '' ? null : (this.#read('import', file) ?? this.#imported);
  }
}

/** What changes with the file; empty where there is none. */
function stateOf(file: string): string {
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
  } catch {
    // Not ours to see: the same as none.
    return '';
  }
}

/** An entry as the ledger has it, for whoever prices it again: its provider may be configured no longer. */
export function entryPricing(
  pricing: Pricing,
  providers: () => ReadonlyMap<string, Provider>,
): (entry: Omit<PriceQuestion, 'provider'> & { provider: string }) => PricePin | null {
  return ({ provider, ...entry }) => {
    const configured = providers().get(provider);
    const known = configured ?? { models: [], vendor: vendorById(provider)?.id ?? null };
    return pricing.pin({ ...entry, provider: known });
  };
}

/** Names all prices in force: where it is equal, every dispatch has the same price. */
export function pricesHash(prices: Prices, providers: ReadonlyMap<string, Provider>): string {
  prices.lookAgain();
  const hash = createHash('sha256');
  for (const { source, book } of prices.books()) hash.update(`${source} ${book.hash}\n`);
  for (const id of [...providers.keys()].sort()) {
    const { vendor, models } = providers.get(id)!;
    const own = models.filter(({ hasOwnCost }) => hasOwnCost).map((model) => `${model.id}=${model.price?.priceId}`);
    hash.update(`${JSON.stringify([id, vendor, own.sort()])}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** A book's rates made whole, with where each is from. */
export function bookPin({ source, book }: NamedBook, entry: BookEntry, row: PriceRow, chosen: Chosen): PricePin {
  const { rates, promptAbove, serviceTier } = chosen;
  const own = row.by;
  const nameOf = (id: string): string => `${id} ${book.sources[id]?.version ?? ''}`.trim();
  const tierBy = serviceTier === null ? own : (row.also[serviceTier] ?? own);
  const published: Record<string, string> = {};
  for (const name of rateNames(rates)) {
    // A tier of service has its tools from the standard service, and all else from whom the tier is.
    const isOfTier = serviceTier !== null && !name.startsWith('tool.');
    published[name] = nameOf(isOfTier ? tierBy : (row.also[name] ?? own));
  }
  const whole: { [Name in RateName]?: bigint } = { ...rates };
  // Without a rate of its own a cached token is an input token like any other, as the catalogues themselves count.
  for (const name of ['cacheRead', 'cacheWrite'] as const) {
    if (whole[name] !== undefined || row.standard.rates[name] !== undefined || rates.input === undefined) continue;
    whole[name] = rates.input;
    published[name] = `${published.input}, as input`;
  }
  if (whole.cacheWrite1h === undefined && row.standard.rates.cacheWrite === undefined && rates.input !== undefined) {
    whole.cacheWrite1h = rates.input;
    published.cacheWrite1h = `${published.input}, as input`;
  }
  const { vendor: provider, model } = entry;
  return pin(source, whole, {
    book: book.version,
    provider,
    model,
    validFrom: row.validFrom,
    promptAbove,
    serviceTier,
    published,
  });
}
