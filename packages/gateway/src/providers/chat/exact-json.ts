/**
 * JSON in and out without losing what a number does not hold: arguments of tools are somebody's ids and amounts, and `1.0`
 * or 9007199254740993 must arrive as written. Where nothing is translated bytes are spliced instead (lib/json-splice.ts).
 */

import { isObject } from '../../lib/json-object.ts';
import { isDeeperThan } from '../../lib/json-splice.ts';
import type { Json } from '../parsed.ts';

/** Arguments are no deeper than this; what is would cost the writer its stack. */
const DEPTH_MAX = 256;

interface RawJson {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
}

const RAW = JSON as unknown as RawJson;

/** The value, its odd numbers kept as they are spelled when it is written again; undefined for what is no JSON, or too deep. */
export function parseExact(text: string): unknown {
  if (text.length > DEPTH_MAX && isDeeperThan(Buffer.from(text), DEPTH_MAX)) return undefined;
  try {
    return JSON.parse(text, keepNumber as (key: string, value: unknown) => unknown);
  } catch {
    return undefined;
  }
}

/** The same of an object's text; null for anything else, a number that is kept as it is spelled among it. */
export function parseExactObject(text: string): Json | null {
  const value = parseExact(text);
  return isObject(value) && !RAW.isRawJSON(value) ? value : null;
}

function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return RAW.rawJSON(source);
}
