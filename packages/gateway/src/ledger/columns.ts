/**
 * The order in which scripts hand values to the ledger's statements. The statements are built from these lists and the
 * scripts fill them, so the two cannot drift apart. Loaded by the writer thread: nothing heavy may be imported here.
 */
import type { EntriesTable, FoldedRollupsTable, RollupsTable } from '../store/schema.ts';
import type { Value } from '../store/store.ts';

/** What an intent fills. */
export const INTENT_COLUMNS = [
  'tenantId',
  'entryId',
  'dispatchId',
  'runId',
  'kind',
  'attempt',
  'instanceId',
  'keyId',
  'agentId',
  'sessionKey',
  'sessionId',
  'endUserId',
  'endUserSource',
  'tags',
  'metadata',
  'provider',
  'model',
  'requestedModel',
  'api',
  'stream',
  'source',
  'traceparent',
  'startedAt',
] as const satisfies readonly (keyof EntriesTable)[];

/** What a settlement adds, after `seq` and `settledAt`, which the writer gives. */
export const SETTLEMENT_COLUMNS = [
  'outcome',
  'httpStatus',
  'errorKind',
  'stopReason',
  'serviceTier',
  'usageSource',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'serverTools',
  'rawUsage',
  'servedModel',
  'providerCostNanoUsd',
  'providerCostSource',
  'priceId',
  'priceSource',
  'priceRates',
  'costNanoUsd',
  'latencyMs',
  'timeToFirstTokenMs',
  'endedAt',
  'providerRequestId',
] as const satisfies readonly (keyof EntriesTable)[];

/** What recovery settles with: nothing is known of such a dispatch but that it was opened. */
export function uncertainValues(): Value[] {
  return settledWith({ outcome: 'uncertain', errorKind: 'gateway_died', usageSource: 'none' });
}

/** For an intent that the database may or may not have taken before it went away: no provider was called. */
export function neverSentValues(): Value[] {
  return settledWith({ outcome: 'failed', errorKind: 'ledger_unavailable', usageSource: 'none' });
}

function settledWith(known: Partial<Record<(typeof SETTLEMENT_COLUMNS)[number], Value>>): Value[] {
  return SETTLEMENT_COLUMNS.map((column) => known[column] ?? null);
}

/** What a correction adds to an intent's and a settlement's columns. */
export const CORRECTION_COLUMNS = ['corrects', 'reason'] as const satisfies readonly (keyof EntriesTable)[];

export const ROLLUP_KEY = [
  'tenantId',
  'bucketStart',
  'provider',
  'model',
  'agentId',
  'source',
  'outcome',
] as const satisfies readonly (keyof RollupsTable)[];

/** Columns that add up. */
export const ROLLUP_SUMS = [
  'requests',
  'reported',
  'partial',
  'estimated',
  'none',
  'unpriced',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'costNanoUsd',
  'latencySumMs',
] as const satisfies readonly (keyof RollupsTable)[];

/** Folded sums do not always lie apart by outcome; they count the two that answers tell. */
export const FOLDED_SUMS = [
  ...ROLLUP_SUMS,
  'completed',
  'uncertain',
] as const satisfies readonly (keyof FoldedRollupsTable)[];
