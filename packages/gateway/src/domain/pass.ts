/**
 * A request of the pass-through: bytes on their way to a provider as they came. Nothing of it is validated; what it is
 * about is only looked at, so that it can be attributed and counted.
 */
import type { Readable } from 'node:stream';
import type { JsonWatch } from '../lib/json-watch.ts';
import type { Caller } from './caller.ts';

/** A body that is too large to be held, or that comes while it is made. */
export interface Upload {
  stream: Readable;
  /** Sees it as it passes: what it is about, and how much text it holds. */
  watch: JsonWatch;
}

export interface PassCall {
  caller: Caller;
  /** The provider's id, as the path names it. */
  providerId: string;
  method: string;
  /** Path and query behind the provider's id, escapes untouched; begins with `/`. */
  path: string;
  /** As received: alternating names and values. */
  rawHeaders: readonly string[];
  /** Lower-cased; several values are joined as HTTP says. */
  headers: Readonly<Record<string, string>>;
  /** Null: the request has none. */
  body: Buffer | Upload | null;
}

export function isUpload(body: Buffer | Upload | null): body is Upload {
  return body !== null && !Buffer.isBuffer(body);
}
