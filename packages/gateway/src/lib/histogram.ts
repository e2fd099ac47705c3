/**
 * A sparse histogram of milliseconds that merges without loss: exact to 1 ms below 10 s, to 1 % above. Stored as bytes:
 * pairs of (distance to the bin before, count), each an unsigned LEB128 number. Percentiles are nearest-rank.
 */

const EXACT_BELOW_MS = 10_000;
/** Each bin above the exact range is 1 % wider than the one before. */
const GROWTH = Math.log(1.01);

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
    let value = 0;
    let factor = 1;
    while (true) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a histogram is cut short');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
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

/** Many histograms in the making of one. */
export interface Tally {
  add(bytes: Uint8Array): void;
  /** Nearest-rank percentiles in milliseconds; null when nothing was counted. `ranks` in 0..1, ascending. */
  percentiles(ranks: readonly number[]): number[] | null;
}

/** Bins end where 1 % steps pass a year. */
const DENSE_BINS = EXACT_BELOW_MS + 1000;

/** For few: quick, 43 kB each. */
export function denseTally(): Tally {
  const counts = new Uint32Array(DENSE_BINS);
  return { add: (bytes) => addEncoded(counts, bytes), percentiles: (ranks) => densePercentiles(counts, ranks) };
}

/** For thousands: slower, but only as large as what is in it. */
export function sparseTally(): Tally {
  const histogram: Histogram = new Map();
  return { add: (bytes) => mergeInto(histogram, bytes), percentiles: (ranks) => percentiles(histogram, ranks) };
}

/** Adds an encoded histogram. One pass over the bytes, no objects: months of them are merged for one answer. */
function addEncoded(into: Uint32Array, bytes: Uint8Array): void {
  let bin = 0;
  let at = 0;
  while (at < bytes.length) {
    for (let isCount = 0; isCount < 2; isCount++) {
      let value = 0;
      let factor = 1;
      let byte = 128;
      while (byte >= 128) {
        if (at >= bytes.length) throw new Error('a histogram is cut short');
        byte = bytes[at++]!;
        value += (byte & 127) * factor;
        factor *= 128;
      }
      if (isCount === 0) bin += value;
      else into[Math.min(bin, DENSE_BINS - 1)]! += value;
    }
  }
}

function densePercentiles(counts: Uint32Array, ranks: readonly number[]): number[] | null {
  let count = 0;
  for (let bin = 0; bin < counts.length; bin++) count += counts[bin]!;
  if (count === 0) return null;
  const found: number[] = [];
  let seen = 0;
  for (let bin = 0; bin < counts.length && found.length < ranks.length; bin++) {
    if (counts[bin] === 0) continue;
    seen += counts[bin]!;
    while (found.length < ranks.length && seen >= Math.max(1, Math.ceil(ranks[found.length]! * count)))
      found.push(midOf(bin));
  }
  return found;
}
