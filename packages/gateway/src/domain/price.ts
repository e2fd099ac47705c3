/**
 * Money as integers. A rate is pico-USD for one unit, a line is units x rate (exact), a total is the sum of the lines
 * rounded once, half to even, to nano-USD. Nothing here guesses: without a rate for a bucket in use there is no cost.
 */
import type { Usage, UsageBucket } from '@weighbridge/protocol';
import { USAGE_BUCKETS } from '@weighbridge/protocol';

const PICO_PER_NANO = 1000n;
const NANO_PER_USD = 1_000_000_000n;

/** pico-USD for one token of each bucket. */
export type Rates = Readonly<Record<UsageBucket, bigint>>;

/** The price that held when the dispatch started, pinned on its entry. */
export interface PricePin {
  /** Hash of the rates, so that equal prices have equal ids. */
  priceId: string;
  source: 'config' | 'demo';
  rates: Rates;
}

export interface Line {
  bucket: UsageBucket;
  units: number;
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
}

/** One line for each bucket with units, in the buckets' order. */
export function priceLines(usage: Usage, rates: Rates): Line[] {
  const lines: Line[] = [];
  for (const bucket of USAGE_BUCKETS) {
    const units = usage[bucket];
    if (units === 0) continue;
    const ratePicoUsd = rates[bucket];
    lines.push({ bucket, units, ratePicoUsd, amountPicoUsd: BigInt(units) * ratePicoUsd });
  }
  return lines;
}

/** The cost of a usage in nano-USD. */
export function costNanoUsd(usage: Usage, rates: Rates): bigint {
  let pico = 0n;
  for (const bucket of USAGE_BUCKETS) {
    const units = usage[bucket];
    if (units !== 0) pico += BigInt(units) * rates[bucket];
  }
  return divideHalfEven(pico, PICO_PER_NANO);
}

/** Integer division, ties to the even quotient. `divisor` > 0. */
export function divideHalfEven(value: bigint, divisor: bigint): bigint {
  let quotient = value / divisor;
  let rest = value % divisor;
  if (rest < 0n) {
    quotient -= 1n;
    rest += divisor;
  }
  const twice = rest * 2n;
  if (twice > divisor || (twice === divisor && (quotient & 1n) === 1n)) quotient += 1n;
  return quotient;
}

/** nano-USD as USD for people: at least six decimals, never an exponent. `306000n` -> `0.000306`. */
export function usdText(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? '-' : '';
  const absolute = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const decimals = (absolute % NANO_PER_USD)
    .toString()
    .padStart(9, '0')
    .replace(/0{1,3}$/, '');
  return `${sign}${absolute / NANO_PER_USD}.${decimals}`;
}
