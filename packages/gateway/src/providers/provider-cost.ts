/**
 * What an answer says that it cost, as money: from its usage (reported-cost.ts) or from LiteLLM's response header. It is
 * kept beside our own number and never replaces it. Pure; what is no amount of USD is nothing.
 */
import type { ProviderCost } from '../domain/entry.ts';
import { divideHalfEven } from '../domain/price.ts';

const LITELLM_HEADER = 'x-litellm-response-cost';
const NANO_DECIMALS = 9;
/** The store reads it as a number. */
const NANO_USD_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** `reportedUsd`: what the usage says, as decimal text. */
export function providerCost(reportedUsd: string | null, header: (name: string) => string | null): ProviderCost | null {
  const said = costOf(reportedUsd, 'usage') ?? costOf(header(LITELLM_HEADER), LITELLM_HEADER);
  // It writes its header before a stream is over, and then 0 means that it does not know.
  return said?.source === LITELLM_HEADER && said.nanoUsd === 0n ? null : said;
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
