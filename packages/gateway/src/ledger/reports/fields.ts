/**
 * Fields of a record that somebody sent: each under its name in snake_case or in camelCase, null the same as absent. What
 * is there and cannot be right refuses the record with the field's name; what is not known is null, never zero. Pure.
 */
import { TOKENS_MAX } from '../../domain/entry.ts';
import { GatewayError } from '../../domain/errors.ts';
import { nanoUsdOf } from '../../domain/price.ts';
import { isObject } from '../../lib/json-object.ts';
import { momentMs } from '../../lib/moment.ts';

export type Json = Readonly<Record<string, unknown>>;

const TEXT_CHARS_MAX = 256;
/** Ten years: a call that took longer is a mistake of units. */
const MS_MAX = 315_360_000_000;
/** In 1973. */
const TIME_MS_MIN = 100_000_000_000;
/** A call that costs more is a mistake. */
const NANO_USD_MAX = 1_000_000n * 1_000_000_000n;

/** The zone with or without its colon. */
const ZONED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:Z|([+-]\d\d):?(\d\d))$/;

export class Fields {
  readonly #object: Json;
  readonly #where: string;

  /** `where`: how refusals name the object, e.g. `records[3]`. */
  constructor(object: Json, where: string) {
    this.#object = object;
    this.#where = where;
  }

  text(...names: readonly string[]): string | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    if (typeof value !== 'string') return this.refuse(name, 'must be a text');
    const trimmed = value.trim();
    if (trimmed.length > TEXT_CHARS_MAX) return this.refuse(name, `is longer than ${TEXT_CHARS_MAX} characters`);
    if (!trimmed.isWellFormed() || trimmed.includes('\0')) {
      return this.refuse(name, 'holds a NUL or half of a surrogate pair');
    }
    return trimmed === '' ? null : trimmed;
  }

  tokens(...names: readonly string[]): number | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > TOKENS_MAX) {
      return this.refuse(name, `must be a whole number from 0 to ${TOKENS_MAX}`);
    }
    return (value as number) + 0;
  }

  /** Rounded to whole milliseconds. */
  ms(...names: readonly string[]): number | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    if (typeof value !== 'number' || !(value >= 0 && value <= MS_MAX)) {
      return this.refuse(name, 'must be a number of milliseconds, 0 or more');
    }
    return Math.round(value);
  }

  /** An amount of USD in nano-USD, half to even. */
  nanoUsd(...names: readonly string[]): bigint | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    const isAmount = typeof value === 'number' || typeof value === 'string';
    const nanoUsd = isAmount ? nanoUsdOf(String(value).trim()) : null;
    if (nanoUsd === null || nanoUsd > NANO_USD_MAX) {
      return this.refuse(name, 'must be an amount of USD from 0 to 1,000,000, as a number or as decimal text');
    }
    return nanoUsd;
  }

  /** A moment in milliseconds since the epoch, given so or as ISO 8601 with its zone, and not after `latestMs`. */
  time(latestMs: number, ...names: readonly string[]): number | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    const ms = typeof value === 'number' ? Math.round(value) : zonedMs(value);
    if (ms === null) return this.refuse(name, 'names a day or a time that there is not');
    // Seconds since the epoch would be in January 1970.
    if (!(ms >= TIME_MS_MIN)) {
      return this.refuse(name, 'must be ISO 8601 with a time zone, or milliseconds since the epoch');
    }
    return ms <= latestMs ? ms : this.refuse(name, 'lies more than a day in the future');
  }

  whole(min: number, max: number, ...names: readonly string[]): number | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      return this.refuse(name, `must be a whole number from ${min} to ${max}`);
    }
    return value as number;
  }

  flag(...names: readonly string[]): boolean {
    const [name, value] = this.#find(names);
    if (value === null || typeof value === 'boolean') return value ?? false;
    return this.refuse(name, 'must be true or false');
  }

  texts(countMax: number, ...names: readonly string[]): string[] {
    const [name, value] = this.#find(names);
    if (value === null) return [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string' && isStorable(item))) {
      return this.refuse(name, 'must be an array of texts');
    }
    const texts = [...new Set(value as string[])];
    return texts.length <= countMax ? texts : this.refuse(name, `has more than ${countMax} values`);
  }

  object(bytesMax: number, ...names: readonly string[]): Json | null {
    const [name, value] = this.#find(names);
    if (value === null) return null;
    if (!isObject(value)) return this.refuse(name, 'must be an object');
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) > bytesMax) return this.refuse(name, `is larger than ${bytesMax} bytes`);
    return isStorable(text) && !text.includes('\\u0000') ? value : this.refuse(name, 'holds a NUL or half a character');
  }

  has(...names: readonly string[]): boolean {
    return this.#find(names)[1] !== null;
  }

  refuse(name: string, why: string): never {
    throw new GatewayError('invalid_request', `\`${this.#where}.${name}\` ${why}.`, {
      param: `${this.#where}.${name}`,
    });
  }

  /** The first spelling that says something. */
  #find(names: readonly string[]): readonly [name: string, value: unknown] {
    for (const name of names) {
      for (const spelling of [name, camelCase(name)]) {
        const value = Object.hasOwn(this.#object, spelling) ? this.#object[spelling] : undefined;
        if (value !== undefined && value !== null) return [spelling, value];
      }
    }
    return [names[0]!, null];
  }
}

/** NaN of what is not written so; null of a day that no calendar has, which `Date.parse` takes for one after it. */
function zonedMs(value: unknown): number | null {
  const [, time, hours, minutes] = typeof value === 'string' ? (ZONED.exec(value) ?? []) : [];
  if (time === undefined) return Number.NaN;
  return momentMs(time + (hours === undefined ? 'Z' : `${hours}:${minutes}`));
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0') && text.length <= 64 * 1024;
}

const spellings = new Map<string, string>();

function camelCase(name: string): string {
  let known = spellings.get(name);
  if (known === undefined) {
    known = name.replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
    spellings.set(name, known);
  }
  return known;
}
