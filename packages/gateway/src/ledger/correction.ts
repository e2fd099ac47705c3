/**
 * Corrections: entries that amend a settled one, because a settled one never changes. Here the values of one are put
 * together; pure. The sum of an entry and its corrections is what is known of the dispatch now.
 */
import type { EntryIntent } from '../domain/entry.ts';
import { siblingId } from '../lib/ids.ts';
import type { Value } from '../store/store.ts';
import { INTENT_COLUMNS, SETTLEMENT_COLUMNS } from './columns.ts';
import { intentValues } from './record.ts';
import type { CorrectInput, SettleInput } from './scripts.ts';

/** The reason of a correction that brings the usage of a dispatch which others had recorded as uncertain. */
export const SETTLED_LATE = 'settled_late';

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
