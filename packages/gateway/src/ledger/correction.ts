/**
 * Corrections: entries that amend a settled one, because a settled one never changes. Here the values of one are put
 * together; pure. The sum of an entry and its corrections is what is known of the dispatch now.
 */
import type { EntryIntent } from '../domain/entry.ts';
import { dispatchPriceId, type OtherModel } from '../domain/other-models.ts';
import type { PricePin } from '../domain/price.ts';
import { nthId, siblingId } from '../lib/ids.ts';
import type { Value } from '../store/store.ts';
import { INTENT_COLUMNS, SETTLEMENT_COLUMNS } from './columns.ts';
import { type EntryRow, intentValues, pricingText } from './record.ts';
import { PRICED_LATER } from './rollup.ts';
import type { CorrectInput, SettleInput } from './scripts.ts';

/** The reason of a correction that brings the usage of a dispatch which others had recorded as uncertain. */
export const SETTLED_LATE = 'settled_late';

/** The reason of a correction that changes a cost that was known. */
export const REPRICED = 'repriced';

/** What the settlement adds to an entry that holds nothing yet; null when it knows no usage either. */
export function lateCorrection(intent: EntryIntent, late: SettleInput, instanceId: string): CorrectInput | null {
  const settlement = new Map(SETTLEMENT_COLUMNS.map((column, i) => [column, late.values[i]!] as const));
  if (settlement.get('input') === null) return null;
  // It is summed where the entry is: its outcome stays what was known when it was settled.
  settlement.set('outcome', 'uncertain');
  const own: Partial<Record<(typeof INTENT_COLUMNS)[number], Value>> = {
    // One such correction for one entry: the same id finds itself when it is written again.
    entryId: siblingId(intent.dispatchId, 'cor'),
    kind: 'correction',
  };
  const values = intentValues(intent, instanceId);
  return {
    eventId: siblingId(intent.dispatchId, 'evc'),
    now: late.now,
    intent: INTENT_COLUMNS.map((column, i) => own[column] ?? values[i]!),
    correction: [late.entryId, SETTLED_LATE],
    settlement: SETTLEMENT_COLUMNS.map((column) => settlement.get(column)!),
  };
}

/** A price for an entry that was settled: what its cost is now, and what of it was known before. */
export interface Repricing {
  entry: EntryRow;
  /** How many corrections it has: of two that reckon from the same ones only the first is written. */
  corrections: number;
  price: PricePin;
  otherModels: readonly OtherModel[];
  differenceNanoUsd: bigint;
  /** It stands in the count of the unpriced, and leaves it. */
  wasUnpriced: boolean;
  now: number;
}

/** A new cost under the entry's own attribution; usage and outcome stay as they were recorded. */
export function costCorrection({
  entry,
  corrections,
  price,
  otherModels,
  differenceNanoUsd,
  wasUnpriced,
  now,
}: Repricing): CorrectInput {
  const own: Partial<Record<keyof EntryRow, Value>> = {
    entryId: nthId(entry.entryId, 'cor', corrections + 1),
    kind: 'correction',
  };
  const cost: Partial<Record<keyof EntryRow, Value>> = {
    outcome: entry.outcome,
    usageSource: entry.usageSource,
    priceId: dispatchPriceId(price, otherModels),
    priceSource: price.source,
    priceRates: pricingText(price, otherModels),
    costNanoUsd: differenceNanoUsd,
  };
  return {
    eventId: nthId(entry.entryId, 'evc', corrections + 1),
    now,
    intent: INTENT_COLUMNS.map((column) => own[column] ?? (entry[column] as Value)),
    correction: [entry.entryId, wasUnpriced ? PRICED_LATER : REPRICED],
    settlement: SETTLEMENT_COLUMNS.map((column) => cost[column] ?? null),
  };
}
