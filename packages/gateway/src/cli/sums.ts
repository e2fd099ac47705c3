/** Sums as people read them, the same on every verb: what a sum is made of is said beside it, never left out. Pure. */
import type { Composition, UsageSums } from '@weighbridge/protocol';
import { countText, dollarsText, UNKNOWN } from './format.ts';

/** All prompt tokens, cached or not: what a vendor calls prompt tokens. */
export function promptTokensOf(sums: Pick<UsageSums, 'input' | 'cacheRead' | 'cacheWrite' | 'cacheWrite1h'>): string {
  return (BigInt(sums.input) + BigInt(sums.cacheRead) + BigInt(sums.cacheWrite) + BigInt(sums.cacheWrite1h)).toString();
}

/** The cost; unknown when nothing in the sum has a price, marked `+` when a part of it has none. */
export function costText({ costUsd, composition }: { costUsd: string; composition: Composition }): string {
  const withUsage = composition.reported + composition.partial + composition.estimated;
  if (withUsage > 0 && composition.unpriced >= withUsage) return UNKNOWN;
  return composition.unpriced > 0 ? `${dollarsText(costUsd)}+` : dollarsText(costUsd);
}

/** One line for each part of the sums that is not what the providers reported and priced. */
export function notesOf({ partial, estimated, none, unpriced, uncertain }: Composition): string {
  const notes: [number, string][] = [
    [unpriced, 'without a price: not in the cost (`prices check` names their models)'],
    [estimated, 'estimated: the caller left before the provider’s count'],
    [partial, 'partial: the provider’s last count before its answer broke off'],
    [none, 'without any usage: the provider reported none'],
    [uncertain, 'uncertain: the gateway died before their end'],
  ];
  return notes
    .filter(([count]) => count > 0)
    .map(([count, text]) => `${countText(count)} ${text}\n`)
    .join('');
}
