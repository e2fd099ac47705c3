/**
 * Which catalogue a file is, by what stands in it, and a book of its own made of one, with what the vendors' own pages add
 * to every catalogue: what `prices import` does. The formats themselves are read by the adapters beside this file.
 */
import { createHash } from 'node:crypto';
import { isObject } from '../../lib/json-object.ts';
import { BOOK_FORMAT, type BookFile, type BookSource, readBook } from '../book.ts';
import type { Catalogue } from './catalogue.ts';
import { type GenaiProvider, genaiCatalogue } from './genai-prices.ts';
import { type LitellmCatalogue, litellmCatalogue } from './litellm.ts';
import { mergeCatalogues } from './merge.ts';
import { type PiCatalogue, piCatalogue } from './pi-ai.ts';
import { vendorDocs } from './vendor-docs.ts';
import { VENDOR_NAMES } from './vendor-names.ts';

/** What only the person who brings a file knows of it. */
export interface Brought {
  name: string;
  version: string;
  date: string;
  licence: string;
}

export const VENDORS_PRICED: readonly string[] = Object.keys(VENDOR_NAMES);

/** Throws, in words for people, where the text is none of the known catalogues. */
export function readCatalogue(text: string, brought: Brought): Catalogue {
  const content: unknown = JSON.parse(text);
  const source: BookSource = {
    version: brought.version,
    date: brought.date,
    from: brought.name,
    licence: brought.licence,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
  if (Array.isArray(content) && content.every((each) => Array.isArray(each?.models))) {
    return genaiCatalogue(content as GenaiProvider[], source);
  }
  if (isObject(content) && isObject(content.providers)) return piCatalogue(content as unknown as PiCatalogue, source);
  if (isObject(content) && Object.values(content).some((each) => isObject(each) && 'litellm_provider' in each)) {
    return litellmCatalogue(content as LitellmCatalogue, source);
  }
  throw new Error('it is no catalogue known here: LiteLLM’s price map, genai-prices’ list, pi-ai’s models, or a book');
}

/** A file as a book: one of ours as it is, a foreign catalogue made into one. */
export function bookOf(text: string, brought: Brought): { book: BookFile; leftOut: string[] } {
  const content: unknown = JSON.parse(text);
  if (isObject(content) && content.format === BOOK_FORMAT) {
    const book = readBook(text);
    // Every row is read once, so that none is found broken while a call is settled.
    for (const vendor of book.vendors()) for (const model of book.models(vendor)) book.find(vendor, model);
    return { book: content as unknown as BookFile, leftOut: [] };
  }
  const { book, leftOut } = mergeCatalogues([readCatalogue(text, brought), vendorDocs()], VENDORS_PRICED);
  if (book.rows.length === 0) throw new Error('it has no price for any vendor known here');
  return { book, leftOut };
}
