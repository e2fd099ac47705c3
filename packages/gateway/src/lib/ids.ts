/**
 * Our own ids: a prefix and 26 characters that sort by time (ULID layout: 48 bits of milliseconds, 80 of randomness).
 * Inside one millisecond the random part counts up, so ids of one process always ascend: they are primary keys,
 * and random keys would cost the store twice as much.
 */
import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const RANDOM_DIGITS = 16;

export type IdPrefix =
  | 'run'
  | 'dsp'
  | 'ent'
  | 'cor'
  | 'evt'
  | 'evc'
  | 'ins'
  | 'led'
  | 'key'
  | 'whk'
  | 'ses'
  | 'msg'
  | 'rep'
  | 'lan';

/** Makes ascending ids. One instance for a process; `now` and `random` are injected for tests. */
export class IdSource {
  #lastMs = -1;
  #digits: number[] = [];
  #time = '';
  readonly #now: () => number;
  readonly #random: (bytes: number) => Uint8Array;

  constructor(now: () => number = Date.now, random: (bytes: number) => Uint8Array = pooledBytes) {
    this.#now = now;
    this.#random = random;
  }

  next(prefix: IdPrefix): string {
    return `${prefix}_${this.#suffix()}`;
  }

  #suffix(): string {
    // A clock that goes back must not make ids that sort before earlier ones.
    const ms = Math.max(this.#now(), this.#lastMs);
    if (ms === this.#lastMs) {
      this.#countUp();
    } else {
      this.#lastMs = ms;
      this.#time = encodeTime(ms);
      this.#digits = Array.from(this.#random(RANDOM_DIGITS), (byte) => byte & 31);
      // Half of the range stays free to count up in.
      this.#digits[0] = this.#digits[0]! & 15;
    }
    let text = this.#time;
    for (const digit of this.#digits) text += ALPHABET[digit];
    return text;
  }

  #countUp(): void {
    for (let index = RANDOM_DIGITS - 1; index >= 0; index--) {
      const digit = this.#digits[index]! + 1;
      this.#digits[index] = digit & 31;
      if (digit < 32) return;
    }
  }
}

const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let poolAt = 0;

/** Random bytes from a pool: asking the system for sixteen at a time costs more than the rest of an id. */
function pooledBytes(bytes: number): Uint8Array {
  if (poolAt + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES);
    poolAt = 0;
  }
  poolAt += bytes;
  return pool.subarray(poolAt - bytes, poolAt);
}

/** The same suffix under another prefix: an entry and its event carry their dispatch's. */
export function siblingId(id: string, prefix: IdPrefix): string {
  return `${prefix}${id.slice(id.indexOf('_'))}`;
}

/** Between which two ids all those lie that hang on ids from `first` to `last`: they keep the time, and so sort by it. */
export function rangeOf(prefix: IdPrefix, first: string, last: string): readonly [from: string, below: string] {
  const timeOf = (id: string): string => id.slice(id.indexOf('_') + 1, -RANDOM_DIGITS);
  return [`${prefix}_${timeOf(first)}`, `${prefix}_${timeOf(last)}~`];
}

/** Every id of that time or later is at least this. */
export function firstId(prefix: IdPrefix, ms: number): string {
  return `${prefix}_${encodeTime(Math.min(Math.max(0, Math.floor(ms)), 32 ** 10 - 1))}`;
}

/** The `nth` id that hangs on another: always the same, so that what is written twice finds itself. */
export function nthId(id: string, prefix: IdPrefix, nth: number): string {
  const suffix = id.slice(id.indexOf('_') + 1);
  const digest = createHash('sha256').update(`${suffix} ${nth}`).digest();
  let text = suffix.slice(0, -RANDOM_DIGITS);
  for (let index = 0; index < RANDOM_DIGITS; index++) text += ALPHABET[digest[index]! & 31];
  return `${prefix}_${text}`;
}

function encodeTime(ms: number): string {
  let text = '';
  let rest = ms;
  for (let index = 0; index < 10; index++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
