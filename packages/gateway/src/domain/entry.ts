/**
 * The ledger's nouns: what is known when a dispatch begins (the intent) and what is known when it ends (the settlement).
 * Together they are one entry. Times are milliseconds since the epoch; money is bigint.
 */
import type { EntrySource, Outcome, Usage, UsageSource } from '@weighbridge/protocol';
import type { OtherModel } from './other-models.ts';
import type { PricePin } from './price.ts';

/** No request has so many tokens: such a number is a mistake, and would be an invoice. */
export const TOKENS_MAX = 1_000_000_000;

/** Who caused a dispatch and for whom: fixed at admission, the same on every dispatch of a run. */
export interface Attribution {
  tenantId: string;
  keyId: string | null;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
  endUserId: string | null;
  endUserSource: 'header' | 'user' | 'key' | null;
  tags: string[];
  metadata: Record<string, unknown>;
  traceparent: string | null;
}

/** A cost that came with the answer. */
export interface ProviderCost {
  nanoUsd: bigint;
  /** The field or the header that said so. */
  source: string;
}

/** Written before the first byte goes to the provider. */
export interface EntryIntent {
  dispatchId: string;
  runId: string;
  attempt: number;
  attribution: Attribution;
  provider: string;
  model: string;
  requestedModel: string;
  api: string;
  stream: boolean;
  source: EntrySource;
  startedAt: number;
}

/** Written once, before the answer's end goes to the caller. The cost follows from usage and price. */
export interface EntrySettlement {
  dispatchId: string;
  tenantId: string;
  outcome: Outcome;
  httpStatus: number | null;
  /** A word of a closed list (see dispatch), never a foreign text. */
  errorKind: string | null;
  stopReason: string | null;
  serviceTier: string | null;
  usage: Usage | null;
  usageSource: UsageSource;
  /** The provider's own usage object as JSON text, as sent; null when it sent none. */
  rawUsage: string | null;
  /** What held at `startedAt`; known only now, because it may depend on the usage and on who served it. */
  price: PricePin | null;
  /** What of the usage other models consumed, each at its own price; `price` is for the rest. */
  otherModels: readonly OtherModel[];
  /** As the provider named the model; null where that is the entry's own name, or nothing. */
  servedModel: string | null;
  /** What the provider says that it cost, to be held against our own number. */
  providerCost: ProviderCost | null;
  latencyMs: number | null;
  timeToFirstTokenMs: number | null;
  endedAt: number;
  providerRequestId: string | null;
}
