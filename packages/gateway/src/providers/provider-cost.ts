/**
 * What an answer says that it cost, as money: from its usage (reported-cost.ts) or from LiteLLM's response header. It is
 * kept beside our own number and never replaces it. Pure; what is no amount of USD is nothing.
 */
import type { ProviderCost } from '../domain/entry.ts';
import { nanoUsdOf } from '../domain/price.ts';

const LITELLM_HEADER = 'x-litellm-response-cost';
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
