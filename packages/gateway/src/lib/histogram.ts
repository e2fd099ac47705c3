/**
 * A sparse histogram of milliseconds that merges without loss: exact to 1 ms below 10 s, to 1 % above. Stored as bytes:
 * pairs of (distance to the bin before, count), each an unsigned LEB128 number. Percentiles are nearest-rank.
 */

const EXACT_BELOW_MS = 10_000;
/** Each bin above the exact range is 1 % wider than the one before. */
const GROWTH = Math.log(1.01);

const CUT_SHORT = 'a histogram is cut short';

/** Count of values by bin. */
export type Histogram = Map<number, number>;

/** The bin of a duration in whole milliseconds. */
export function binOf(ms: number): number {
  if (ms < EXACT_BELOW_MS) return Math.max(0, Math.round(ms));
  return EXACT_BELOW_MS + Math.floor(Math.log(ms / EXACT_BELOW_MS) / GROWTH);
}

/** The duration a bin stands for: its own below 10 s, the geometric middle of the bin above. */
export function midOf(bin: number): number {
  if (bin < EXACT_BELOW_MS) return bin;
  return Math.round(EXACT_BELOW_MS * Math.exp((bin - EXACT_BELOW_MS + 0.5) * GROWTH));
}

export function addTo(histogram: Histogram, ms: number): void {
  const bin = binOf(ms);
  histogram.set(bin, (histogram.get(bin) ?? 0) + 1);
}

export function mergeInto(histogram: Histogram, bytes: Uint8Array): void {
  let at = 0;
  let bin = 0;
  const next = (): number => {
    const number = numberAt(bytes, at);
    at = endOfNumber(bytes, at);
    return number;
  };
  while (at < bytes.length) {
    bin += next();
    const count = next();
    histogram.set(bin, (histogram.get(bin) ?? 0) + count);
  }
}

export function encode(histogram: Histogram): Uint8Array {
  const bytes: number[] = [];
  const push = (number: number): void => {
    let rest = number;
    while (rest > 127) {
      bytes.push((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    bytes.push(rest);
  };
  let before = 0;
  for (const bin of [...histogram.keys()].sort((a, b) => a - b)) {
    push(bin - before);
    push(histogram.get(bin)!);
    before = bin;
  }
  return Uint8Array.from(bytes);
}

export function countOf(histogram: Histogram): number {
  let count = 0;
  for (const n of histogram.values()) count += n;
  return count;
}

/** Nearest-rank percentiles in milliseconds, in the order asked; null for an empty histogram. `ranks` in 0..1. */
export function percentiles(histogram: Histogram, ranks: readonly number[]): number[] | null {
  const count = countOf(histogram);
  if (count === 0) return null;
  const bins = [...histogram.entries()].sort(([a], [b]) => a - b);
  return ranks.map((rank) => {
    let left = Math.max(1, Math.ceil(rank * count));
    for (const [bin, n] of bins) {
      left -= n;
      if (left <= 0) return midOf(bin);
    }
    return midOf(bins.at(-1)![0]);
  });
}

/** Bins end where 1 % steps pass a year. */
const DENSE_BINS = EXACT_BELOW_MS + 1000;

/**
 * Many encoded histograms in the making of one: quick, 43 kB however many there are. What is added is added to the tally
 * of the whole too, where there is one, so that each is decoded once. Emptied, it serves the next group.
 */
export class Tally {
  readonly #counts = new Uint32Array(DENSE_BINS);
  readonly #whole: Tally | null;
  #count = 0;

  constructor(whole: Tally | null = null) {
    this.#whole = whole;
  }

  add(bytes: Uint8Array): void {
    const whole = this.#whole;
    const added = addEncoded(this.#counts, whole === null ? null : whole.#counts, bytes);
    this.#count += added;
    if (whole !== null) whole.#count += added;
  }

  /** Nearest-rank percentiles in milliseconds; null when nothing was counted. `ranks` in 0..1, ascending. */
  percentiles(ranks: readonly number[]): number[] | null {
    if (this.#count === 0) return null;
    const counts = this.#counts;
    let bin = 0;
    let seen = counts[0]!;
    return ranks.map((rank) => {
      const wanted = Math.max(1, Math.ceil(rank * this.#count));
      while (seen < wanted) seen += counts[++bin]!;
      return midOf(bin);
    });
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
  }
}

/** One pass over the bytes, no objects: months of them are merged for one answer. Gives how many were counted. */
function addEncoded(into: Uint32Array, andInto: Uint32Array | null, bytes: Uint8Array): number {
  let bin = 0;
  let counted = 0;
  for (let at = 0; at < bytes.length; ) {
    // Nearly every number is one byte: bins lie close together, and few dispatches share one.
    let distance = bytes[at++]!;
    if (distance > 127) {
      distance = numberAt(bytes, at - 1);
      at = endOfNumber(bytes, at - 1);
    }
    let count = at < bytes.length ? bytes[at++]! : cutShort();
    if (count > 127) {
      count = numberAt(bytes, at - 1);
      at = endOfNumber(bytes, at - 1);
    }
    bin = Math.min(bin + distance, DENSE_BINS - 1);
    into[bin]! += count;
    if (andInto !== null) andInto[bin]! += count;
    counted += count;
  }
  return counted;
}

function numberAt(bytes: Uint8Array, start: number): number {
  let value = 0;
  let factor = 1;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    value += (byte & 127) * factor;
    if (byte < 128) return value;
    factor *= 128;
  }
  return cutShort();
}

/** Where the next begins: a byte above 127 is followed by more of the same. */
function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! > 127) at++;
  return at + 1;
}

function cutShort(): never {
  throw new Error(CUT_SHORT);
}
