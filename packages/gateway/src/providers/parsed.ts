/**
 * Taking facts out of parsed JSON that nobody vouches for: a value of another type than expected is an absent one, and
 * no text grows beyond what a column should hold. Whether a number is a count is counters.ts's business.
 */

import { isObject } from '../lib/json-object.ts';
import { findMember, isDeeperThan, scanObject } from '../lib/json-splice.ts';

export type Json = Record<string, unknown>;

/** Ids, models, tiers and reasons are words; what is longer is cut. */
const TEXT_CHARS_MAX = 256;
/** Arguments of tools are strings, so nothing is nested so deep; parsing millions of levels would take gigabytes. */
const DEPTH_MAX = 512;

export function objectIn(object: Json | null, key: string): Json | null {
  const value = object?.[key];
  return isObject(value) ? value : null;
}

/** The objects of the array under that key; none where there is no array. */
export function objectsIn(object: Json | null, key: string): readonly Json[] {
  const value = object?.[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, TEXT_CHARS_MAX) : null;
}

/** The value of a JSON text; undefined for what is none, or is nested deeper than any answer. */
export function parseJson(text: string): unknown {
  if (text.length > DEPTH_MAX && isDeeperThan(Buffer.from(text), DEPTH_MAX)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value at a path as it was written, number spellings included. */
export function rawAt(bytes: Buffer, path: readonly string[]): string | null {
  let at = 0;
  let end = bytes.length;
  for (const key of path) {
    const scan = scanObject(bytes, at);
    const member = typeof scan === 'string' ? null : findMember(scan, key);
    if (member === null) return null;
    at = member.start;
    end = member.end;
  }
  return bytes.toString('utf8', at, end);
}

const DONE_LENGTH_MAX = 32;

/** OpenAI's last word, which others' servers send behind answers in their own dialects too. */
export function isDone(data: string): boolean {
  return data.length <= DONE_LENGTH_MAX && data.trim() === '[DONE]';
}
