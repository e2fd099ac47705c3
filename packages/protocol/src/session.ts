/** Sessions as the HTTP API shows them. Counts are the ledger's; of outbound headers there are names and never values. */
import type { Amount } from './query.ts';

/** What settled dispatches used, added up; `cost` null: none of it has one. */
export interface SessionUsageInfo {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h: number;
  reasoning: number | null;
  total: number;
  dispatches: number;
  cost: Amount | null;
  /** Dispatches with usage and without a cost. */
  unpriced: number;
  /** Dispatches whose count is not the provider's last word, or missing. */
  notReported: number;
}

export interface SessionInfo {
  object: 'session';
  tenantId: string;
  sessionKey: string;
  sessionId: string;
  /** Null: direct calls of models. */
  agentId: string | null;
  label: string | null;
  overrides: Record<string, string | number | boolean>;
  /** Names. */
  outboundHeaders: string[];
  createdAt: string;
  updatedAt: string;
  lastRunId: string | null;
  lastRunAt: string | null;
  lastOutcome: 'completed' | 'failed' | 'aborted' | null;
  /** Messages that were ever in its transcript. */
  messages: number;
  /** Of the last run. */
  usageLast: SessionUsageInfo | null;
  /** Of all runs since it was made, or reset. */
  usageTotal: SessionUsageInfo;
}

/** Absent: as it is. Null clears. */
export interface SessionChanges {
  label?: string | null;
  overrides?: Record<string, string | number | boolean | null>;
  outboundHeaders?: Record<string, string | null> | null;
}

export interface TranscriptEntry {
  messageId: string;
  seq: number;
  role: 'user' | 'assistant' | 'system';
  at: string;
  runId: string | null;
  text: string;
  kind?: 'reset' | 'inject';
  stopReason?: string | null;
  outcome?: 'completed' | 'failed' | 'aborted';
  truncated?: true;
  /** Parts that are no text. */
  omitted?: number;
  /** Of an answer: what its run used, as the ledger has it. */
  usage?: SessionUsageInfo;
}
