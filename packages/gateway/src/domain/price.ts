/**
 * Money as integers. A rate is pico-USD for one unit, a line is units x rate (exact), a total is the sum of the lines
 * rounded once, half to even, to nano-USD. Nothing here guesses: a unit in use without a rate leaves the whole dispatch
 * without a cost, and never at 0.
 */
import { createHash } from 'node:crypto';
import type { Usage, UsageBucket } from '@weighbridge/protocol';
import type { Whole } from '../lib/whole.ts';

const PICO_PER_NANO = 1000n;
const NANO_DECIMALS = 9;

/** The informational parts of `input` and `output` that some models bill at a rate of their own. */
export const PRICED_PARTS = ['audioInput', 'imageInput', 'audioOutput', 'imageOutput', 'reasoning'] as const;
export type PricedPart = (typeof PRICED_PARTS)[number];

/** A bucket, a part, a provider's own tool, or `tool.*` for every other tool. */
export type RateName = UsageBucket | PricedPart | `tool.${string}`;

/** pico-USD for one unit. What has no rate here cannot be priced; a part without a rate is billed as its bucket. */
export type Rates = Readonly<{ [Name in RateName]?: bigint }>;

/**
 * `demo`: answers cost nothing. `import`: a catalogue that the operator brought. `book`: the snapshot that came along.
 * `reported`: whoever reported the usage said what it cost; there are no rates.
 */
export type PriceSource = 'config' | 'demo' | 'import' | 'book' | 'reported';

/** Why these rates and no others: what was looked up, and where each number was published. */
export interface PriceBasis {
  /** Date and hash of the book. */
  book: string;
  /** The vendor and the model of the book's row. */
  provider: string;
  model: string;
  /** The first day on which the row holds; null: since ever. */
  validFrom: string | null;
  /** The prompt was larger than this, which re-prices the whole request; null: it was not. */
  promptAbove: number | null;
  /** `flex`, `batch`, …; null is the standard service. */
  serviceTier: string | null;
  /** For each rate, the catalogue that published it. */
  published: Readonly<Record<string, string>>;
}

/** The price that held when the dispatch started, pinned on its entry at settlement. */
export interface PricePin {
  /** Hash of the rates, so that equal prices have equal ids. */
  priceId: string;
  source: PriceSource;
  rates: Rates;
  basis: PriceBasis | null;
}

const ID_PREFIX: Readonly<Record<PriceSource, string>> = {
  config: 'cfg',
  demo: 'demo',
  import: 'imp',
  book: 'book',
  reported: 'rep',
};

export function pin(source: PriceSource, rates: Rates, basis: PriceBasis | null = null): PricePin {
  const text = rateNames(rates)
    .map((name) => `${name}=${rates[name]}`)
    .join(';');
  return { priceId: priceIdOf(source, text), source, rates, basis };
}

/** A hash of the text that says the price, with where it is from. */
export function priceIdOf(source: PriceSource, text: string): string {
  return `${ID_PREFIX[source]}_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** The names that have a rate, sorted, so that equal rates give equal texts. */
export function rateNames(rates: Rates): RateName[] {
  return (Object.keys(rates) as RateName[]).filter((name) => rates[name] !== undefined).sort();
}

export interface Line {
  bucket: RateName;
  units: number;
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
}

/** One line for each name with units; null where a unit in use has no rate, or the parts exceed their bucket. */
export function priceLines(usage: Usage, rates: Rates): Line[] | null {
  const { lines, unpriced } = reckoned(usage, rates);
  return unpriced.length === 0 ? lines : null;
}

/** What of a usage the rates do not cover, for people. */
export function unpricedUnits(usage: Usage, rates: Rates): RateName[] {
  return reckoned(usage, rates).unpriced;
}

function reckoned(usage: Usage, rates: Rates): { lines: Line[]; unpriced: RateName[] } {
  const lines: Line[] = [];
  const unpriced: RateName[] = [];
  const add = (name: RateName, units: number, ratePicoUsd: bigint | undefined): void => {
    if (units === 0) return;
    if (units < 0 || ratePicoUsd === undefined) unpriced.push(name);
    else lines.push({ bucket: name, units, ratePicoUsd, amountPicoUsd: BigInt(units) * ratePicoUsd });
  };
  const part = (units: number, rate: bigint | undefined): number => (rate === undefined ? 0 : units);
  const { input, output, reasoning } = usage;
  const audioInput = part(usage.audioInput, rates.audioInput);
  const imageInput = part(usage.imageInput, rates.imageInput);
  const audioOutput = part(usage.audioOutput, rates.audioOutput);
  const imageOutput = part(usage.imageOutput, rates.imageOutput);
  // Billed apart and not told apart: how much of the output it was is not known.
  if (rates.reasoning !== undefined && reasoning === null && output > 0) unpriced.push('reasoning');
  const reasoned = part(reasoning ?? 0, rates.reasoning);
  add('input', input - audioInput - imageInput, rates.input);
  add('audioInput', audioInput, rates.audioInput);
  add('imageInput', imageInput, rates.imageInput);
  add('output', output - audioOutput - imageOutput - reasoned, rates.output);
  add('audioOutput', audioOutput, rates.audioOutput);
  add('imageOutput', imageOutput, rates.imageOutput);
  add('reasoning', reasoned, rates.reasoning);
  add('cacheRead', usage.cacheRead, rates.cacheRead);
  add('cacheWrite', usage.cacheWrite, rates.cacheWrite);
  add('cacheWrite1h', usage.cacheWrite1h, rates.cacheWrite1h);
  for (const tool in usage.serverTools) {
    const name = `tool.${tool}` as const;
    add(name, usage.serverTools[tool]!, rates[name] ?? rates['tool.*']);
  }
  return { lines, unpriced };
}

/** The cost of a usage in nano-USD; null where the rates do not cover it. */
export function costNanoUsd(usage: Usage, rates: Rates): bigint | null {
  const lines = priceLines(usage, rates);
  return lines === null ? null : sumNanoUsd(lines);
}

/** Rounded once, half to even. */
export function sumNanoUsd(lines: readonly Line[]): bigint {
  let pico = 0n;
  for (const line of lines) pico += line.amountPicoUsd;
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
export function usdText(nanoUsd: Whole): string {
  const isNegative = nanoUsd < 0;
  const digits = String(nanoUsd)
    .slice(isNegative ? 1 : 0)
    .padStart(NANO_DECIMALS + 1, '0');
  const point = digits.length - NANO_DECIMALS;
  return `${isNegative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point).replace(/0{1,3}$/, '')}`;
}

/** `0.0001234567`, `2.5e-05` or `3` in nano-USD, rounded half to even; null where it is no amount. */
export function nanoUsdOf(usd: string): bigint | null {
  const parts = /^(\d{1,12})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(usd);
  if (parts === null) return null;
  const [, whole = '', decimals = '', exponent = '0'] = parts;
  const digits = BigInt(whole + decimals);
  const shift = NANO_DECIMALS - decimals.length + Number(exponent);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : divideHalfEven(digits, 10n ** BigInt(-shift));
}
