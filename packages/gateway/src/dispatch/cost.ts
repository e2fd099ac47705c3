/** What a settlement says about money: the price that holds, who served the model, what the provider says that it cost. */
import type { Usage } from '@weighbridge/protocol';
import type { EntrySettlement } from '../domain/entry.ts';
import { othersThan, pricesOfParts } from '../domain/other-models.ts';
import type { Target } from '../domain/provider.ts';
import type { Pricing } from '../prices/prices.ts';
import type { Reading } from '../providers/dialect.ts';
import { providerCost } from '../providers/provider-cost.ts';
import type { UpstreamHeaders } from '../providers/transport.ts';
import { headerOf } from './headers.ts';

export interface Answered {
  usage: Usage | null;
  reading: Reading | null;
  /** Milliseconds since the epoch: the price of this moment holds. */
  startedAt: number;
  headers: UpstreamHeaders;
}

export function costFacts(
  prices: Pricing,
  { provider, model }: Target,
  { usage, reading, startedAt, headers }: Answered,
): Pick<EntrySettlement, 'price' | 'otherModels' | 'servedModel' | 'providerCost'> {
  const servedModel = reading?.servedModel ?? null;
  const serviceTier = reading?.serviceTier ?? null;
  const others = othersThan(servedModel ?? model, reading?.otherModels ?? []);
  const question = { provider, model, servedModel, startedAt, serviceTier };
  const priced =
    usage === null
      ? { price: null, otherModels: [] }
      : pricesOfParts({ ...question, usage }, others, (part) => prices.pin(part));
  return {
    ...priced,
    servedModel: servedModel === model ? null : servedModel,
    providerCost: providerCost(reading?.reportedCostUsd ?? null, (name) => headerOf(headers, name)),
  };
}
