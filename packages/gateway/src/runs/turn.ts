/**
 * A turn's nouns: what is asked of a session, what becomes of it, and what is told on the way. The words of the wire
 * (`agent`, `chat`) are the WebSocket door's. `runId` is the one that callers know, their idempotency key; the run in the
 * ledger has an id of its own (`ledgerRunId`), because callers' ids repeat.
 */
import type { Caller } from '../domain/caller.ts';
import type { GatewayError } from '../domain/errors.ts';
import type { HeaderPatch } from '../domain/outbound-headers.ts';
import type { RunUsage } from '../sessions/session.ts';

export interface TurnRequest {
  caller: Caller;
  door: 'agent' | 'chat' | 'sessions.send';
  /** As the caller gave it, whole or bare. Null: the agent's main session, or one of its own where no agent is named. */
  sessionKey: string | null;
  agentId: string | null;
  message: string;
  /** Parts of chat completions (`image_url`…), for this turn only: the transcript keeps text. */
  attachments?: readonly object[];
  /** `provider/model`, for this turn only. */
  model?: string | null;
  /** Already read; becomes the session's. */
  outboundHeaders?: HeaderPatch;
  /** Null: there is none, and the run gets an id. */
  idempotencyKey: string | null;
  /** With the wait for the lane. Null: the configured; 0: none. */
  timeoutMs?: number | null;
  extraSystemPrompt?: string | null;
  traceparent?: string | null;
  /** The messenger behind it, as OpenClaw's clients name it. */
  channel?: string | null;
}

export interface TurnTicket {
  runId: string;
  sessionKey: string;
  sessionId: string;
  agentId: string;
  acceptedAt: number;
  /** `in_flight`: it runs already under this key; `replayed`: it has ended. */
  status: 'accepted' | 'in_flight' | 'replayed';
  done: Promise<TurnResult>;
}

export interface TurnResult {
  runId: string;
  sessionKey: string;
  sessionId: string;
  agentId: string;
  outcome: 'completed' | 'failed' | 'aborted';
  /** All of the answer, or what came of it. */
  text: string;
  /** What the ledger has of the run; null: nothing. */
  usage: RunUsage | null;
  stopReason: string | null;
  /** Null unless `failed`. */
  error: TurnError | null;
  provider: string | null;
  model: string | null;
  /** Null: it ended before it was admitted. */
  ledgerRunId: string | null;
  dispatchId: string | null;
  /** When it had its lane; null: it never had. */
  startedAt: number | null;
  endedAt: number;
  /** Of the two messages in the transcript; null where there is none. */
  messageId: string | null;
  replyId: string | null;
}

export interface TurnError {
  code: GatewayError['code'] | 'provider_error';
  message: string;
  status: number;
}

interface TurnEventBase {
  runId: string;
  sessionKey: string;
  sessionId: string;
  agentId: string;
  tenantId: string;
  door: TurnRequest['door'];
  /** From 1, for each run. */
  seq: number;
  ts: number;
}

/** `delta.text` is all of it so far. `usage` comes with what the ledger has, just before the end. */
export type TurnFact =
  | { type: 'started'; startedAt: number }
  | { type: 'model'; provider: string; model: string }
  | { type: 'delta'; delta: string; text: string }
  | { type: 'usage'; usage: RunUsage }
  | { type: 'ended'; result: TurnResult };

export type TurnEvent = TurnEventBase & TurnFact;

/** Those of a session, or one of them. */
export interface TurnsAsked {
  tenantId: string;
  sessionKey: string;
  runId?: string;
}
