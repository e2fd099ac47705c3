/**
 * Prices from the config file: USD per 1M tokens, as people and OpenClaw write them, to integer pico-USD per token.
 * One USD per 1M tokens is 10^6 pico-USD per token, so six decimals are exact and a seventh is an error. A price that is
 * not given is never 0: a cache's missing rate is the input rate, as docs/config.md says, so no token is recorded as free.
 */
import type { UsageBucket } from '@weighbridge/protocol';
import { type PricePin, pin } from '../domain/price.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import type { CostTree } from './tree.ts';

const DECIMALS = 6;
/** A dollar for one token. Beyond it the unit was mistaken. */
const USD_PER_MILLION_MAX = 1_000_000;

/** The price of a `cost` object; null (unpriced) when there is none, or when it cannot be understood. */
export function priceOf(cost: CostTree | undefined, path: string, findings: Findings): PricePin | null {
  if (cost === undefined) return null;
  const strange = findings.unusedKeys.filter((key) => key.startsWith(`${path}.`));
  const problemsBefore = findings.problems.length;
  const input = rateAt(cost, 'input', path, findings, strange);
  const output = rateAt(cost, 'output', path, findings, strange);
  const cacheRead = optionalRate(cost, 'cacheRead', path, findings);
  const cacheWrite = optionalRate(cost, 'cacheWrite', path, findings);
  const cacheWrite1h = optionalRate(cost, 'cacheWrite1h', path, findings);
  if (input === null || output === null || findings.problems.length > problemsBefore) return null;
  if (strange.length > 0) {
    findings.warnings.push(`${path}: ${strange.join(', ')} not understood, so this model stays unpriced`);
    return null;
  }
  return pin('config', {
    input,
    output,
    cacheRead: cacheRead ?? input,
    cacheWrite: cacheWrite ?? input,
    cacheWrite1h: cacheWrite1h ?? cacheWrite ?? input,
    // What the operator asks for is the whole price: a provider's own tools are in it.
    'tool.*': 0n,
  });
}

/** Exact, from the number's decimal text: `0.15` is 150000n. Null when it has more than six decimals or is no price. */
export function picoUsdPerToken(usdPerMillion: number): bigint | null {
  if (!(usdPerMillion >= 0 && usdPerMillion <= USD_PER_MILLION_MAX)) return null;
  const text = String(usdPerMillion);
  // In this range an exponent only appears below 1e-6.
  if (text.includes('e')) return null;
  const [whole, decimals = ''] = text.split('.');
  if (decimals.length > DECIMALS) return null;
  return BigInt(whole + decimals.padEnd(DECIMALS, '0'));
}

function rateAt(
  cost: CostTree,
  bucket: UsageBucket,
  path: string,
  findings: Findings,
  strange: string[],
): bigint | null {
  if (cost[bucket] !== undefined) return optionalRate(cost, bucket, path, findings);
  const meant = strange.find((key) => key.includes(`did you mean \`${bucket}\``));
  const hint =
    meant === undefined ? 'Give input and output, or leave `cost` out: the model is then unpriced.' : `${meant}.`;
  report(findings, `${path}.${bucket}`, 'is missing.', hint);
  return null;
}

function optionalRate(cost: CostTree, bucket: UsageBucket, path: string, findings: Findings): bigint | null {
  const value = cost[bucket];
  if (value === undefined) return null;
  const rate = picoUsdPerToken(value);
  if (rate === null) {
    const wanted = `must be USD per 1M tokens, from 0 to ${USD_PER_MILLION_MAX} with at most ${DECIMALS} decimals`;
    report(findings, `${path}.${bucket}`, `${wanted}, not ${value}.`);
  }
  return rate;
}
