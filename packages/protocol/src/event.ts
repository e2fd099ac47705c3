/**
 * Events: the numbered facts of the log, as every follower sees them (feed, webhook, hook, API).
 * The `data` of `model.usage` is also one element of `GET /api/v1/dispatches`.
 */
import type { Usage, UsageSource } from './usage.ts';

/** What is known of a dispatch's end, not what was hoped. */
export const OUTCOMES = ['completed', 'failed', 'aborted', 'uncertain'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Where an entry came from. */
export const ENTRY_SOURCES = [
  'gateway',
  'proxy',
  'openclaw-plugin',
  'openclaw-store',
  'litellm',
  'otlp',
  'api',
] as const;
export type EntrySource = (typeof ENTRY_SOURCES)[number];

/** Money: an integer of nano-USD as a decimal string, and the same in USD for people. */
export interface Cost {
  nanoUsd: string;
  usd: string;
  currency: 'USD';
  /** Where the price came from: `config`, `demo`, later a catalogue. */
  source: string;
  /** Hash of the rates that were applied. */
  priceId: string;
}

/** One dispatch as the world sees it. In flight: `outcome`, `settledAt` and all that follows from the end are null. */
export interface DispatchRecord {
  entryId: string;
  kind: 'usage' | 'correction';
  /** Of a correction only: the entry it amends, and why. Its usage and cost are signed differences. */
  corrects?: string;
  reason?: string;
  dispatchId: string;
  runId: string;
  /** 1 for the first dispatch of a run, then one more for each retry or fallback. */
  attempt: number;
  tenantId: string;
  keyId: string | null;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
  endUserId: string | null;
  endUserSource: 'header' | 'user' | 'key' | null;
  tags: string[];
  metadata: Record<string, unknown>;
  provider: string;
  model: string;
  requestedModel: string;
  api: string;
  serviceTier: string | null;
  outcome: Outcome | null;
  httpStatus: number | null;
  errorKind: string | null;
  stopReason: string | null;
  stream: boolean;
  usage: Usage | null;
  usageSource: UsageSource;
  cost: Cost | null;
  /** Milliseconds from the dispatch's start to its end; null in flight and after a crash. */
  latencyMs: number | null;
  /** Milliseconds from the dispatch's start to the first body byte; null when none came. */
  timeToFirstTokenMs: number | null;
  startedAt: string;
  endedAt: string | null;
  settledAt: string | null;
  source: EntrySource;
  providerRequestId: string | null;
  traceparent: string | null;
}

/** One numbered fact. `seq` rises in commit order; `id` never changes and is the key to dedupe by. */
export interface EventEnvelope<Type extends string = string, Data = unknown> {
  type: Type;
  id: string;
  seq: number;
  ledgerId: string;
  timestamp: string;
  data: Data;
}

export type ModelUsageEvent = EventEnvelope<'model.usage', DispatchRecord>;
