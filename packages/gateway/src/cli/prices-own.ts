/** The prices that the local configuration gives, for the verbs that ask no gateway. */
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import { usdPerMillion } from '../prices/catalogues/merge.ts';
import { IMPORTED_PRICES, Prices } from '../prices/prices.ts';
import { UNKNOWN } from './format.ts';
import type { Surroundings } from './surroundings.ts';

export interface OwnPrices {
  config: GatewayConfig;
  prices: Prices;
  providers: readonly Provider[];
  /** Where an imported book lies, or would. */
  importedFile: string;
  now: number;
}

export async function ownPrices(
  flags: { config?: string; stateDir?: string },
  { variables, stderr }: Surroundings,
): Promise<OwnPrices> {
  const { config } = await loadConfig({ flags, variables });
  const importedFile = join(config.stateDir, IMPORTED_PRICES);
  const prices = new Prices({ importedFile, report: (message) => stderr(`weighbridge: ${message}\n`) });
  return { config, prices, providers: [...config.providers.values()], importedFile, now: Date.now() };
}

/** USD per 1M tokens; a tool's rate is USD for one call. */
export function rateText(picoUsd: bigint | undefined, name = ''): string {
  if (picoUsd === undefined) return UNKNOWN;
  return usdPerMillion(name.startsWith('tool.') ? picoUsd / 1_000_000n : picoUsd) ?? UNKNOWN;
}
