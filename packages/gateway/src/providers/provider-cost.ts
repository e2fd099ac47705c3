/**
 * What an answer says that it cost: OpenRouter's and Perplexity's `usage.cost`, LiteLLM's response header. It is kept
 * beside our own number and never replaces it. Pure; what is no amount of USD is nothing.
 */
import type { ProviderCost } from '../domain/entry.ts';
import { divideHalfEven } from '../domain/price.ts';

const LITELLM_HEADER = 'x-litellm-response-cost';
const NANO_DECIMALS = 9;
/** The store reads it as a number. */
const NANO_USD_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export function providerCost(rawUsage: string | null, header: (name: string) => string | null): ProviderCost | null {
  return costIn(rawUsage) ?? costOf(header(LITELLM_HEADER), LITELLM_HEADER);
}

function costIn(rawUsage: string | null): ProviderCost | null {
  // Most usages have none and are not parsed again.
  if (rawUsage === null || !rawUsage.includes('"cost"')) return null;
  const cost = parsed(rawUsage)?.cost;
  if (typeof cost === 'number') return costOf(String(cost), 'usage.cost');
  if (typeof cost !== 'object' || cost === null) return null;
  const total = (cost as { total_cost?: unknown }).total_cost;
  return typeof total === 'number' ? costOf(String(total), 'usage.cost.total_cost') : null;
}

/** Whatever a provider sent must not keep its dispatch from being settled. */
function parsed(rawUsage: string): { cost?: unknown } | null {
  try {
    return JSON.parse(rawUsage) as { cost?: unknown } | null;
  } catch {
    return null;
  }
}

function costOf(usd: string | null, source: string): ProviderCost | null {
  const nanoUsd = usd === null ? null : nanoUsdOf(usd.trim());
  return nanoUsd === null || nanoUsd > NANO_USD_MAX ? null : { nanoUsd, source };
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
