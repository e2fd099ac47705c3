/**
 * The sessions' nouns: what is remembered under a key, what of it may be changed, and what a transcript is made of.
 * Types and the pure step from one state to the next; loaded by the store's writer thread too, so nothing heavy here.
 * A session holds no count: what its runs used is asked of the ledger, so that the two cannot disagree.
 */
import type { Usage, UsageBucket } from '@weighbridge/protocol';
import { applyPatch, type HeaderPatch, NO_OUTBOUND, type OutboundHeaders } from '../domain/outbound-headers.ts';

/** What people set on a session for its later runs; names are OpenClaw's. `model` is `provider/model`. */
export type SessionOverrides = Readonly<Record<string, string | number | boolean>>;

export interface Session {
  tenantId: string;
  sessionKey: string;
  sessionId: string;
  /** Null: of direct calls. */
  agentId: string | null;
  label: string | null;
  overrides: SessionOverrides;
  outboundHeaders: OutboundHeaders;
  createdAt: number;
  updatedAt: number;
  lastRunId: string | null;
  lastRunAt: number | null;
  lastOutcome: RunOutcome | null;
  /** Transcript messages that were ever appended: the last one's number. */
  messages: number;
  /** The number of the last reset's mark; a turn sends what comes after it. */
  resetSeq: number;
  /** Dispatches that began before are not in its usage (a reset); 0: all are. */
  usageFrom: number;
  /** Rises with each change. */
  revision: number;
}

export type RunOutcome = 'completed' | 'failed' | 'aborted';

/** What the ledger has of one run, or of all runs of a session since its last reset. */
export interface SessionUsage extends Pick<Usage, UsageBucket | 'reasoning' | 'total'> {
  dispatches: number;
  /** Null: nothing of it has a cost. */
  costNanoUsd: string | null;
  /** Dispatches with usage and without a cost. */
  unpriced: number;
  /** Dispatches whose count is not the provider's last word, or missing. */
  notReported: number;
}

/** The same of one run, and who answered it at last. */
export interface RunUsage extends SessionUsage {
  provider: string;
  model: string;
  api: string;
  providerRequestId: string | null;
}

export interface SessionView extends Session {
  usageLast: RunUsage | null;
  usageTotal: SessionUsage;
}

/** Absent: as it is. Null clears. */
export interface SessionPatch {
  label?: string | null;
  overrides?: Readonly<Record<string, string | number | boolean | null>>;
  outboundHeaders?: HeaderPatch;
}

export type TranscriptRole = 'user' | 'assistant' | 'system';

/** One message as it is kept: text only, whatever else it came with is counted. */
export interface TranscriptMessage {
  messageId: string;
  seq: number;
  role: TranscriptRole;
  at: number;
  runId: string | null;
  text: string;
  /** `reset`: the mark of one; `inject`: put in by somebody, not by a run. */
  kind?: 'reset' | 'inject';
  stopReason?: string | null;
  outcome?: RunOutcome;
  idempotencyKey?: string;
  label?: string;
  /** The text is longer than what is kept. */
  truncated?: true;
  /** Parts that are no text (images, tool calls). */
  omitted?: number;
  /** Said by a run that had begun before the last reset: it stands behind its mark, and no turn sends it. */
  late?: true;
}

export type NewMessage = Omit<TranscriptMessage, 'seq' | 'messageId' | 'at' | 'runId'>;

/** The session with the patch laid on it, and the names of what then is another. Throws what `applyPatch` throws. */
export function patched(session: Session, patch: SessionPatch): { session: Session; changed: string[] } {
  const next: Session = { ...session };
  if (patch.label !== undefined) next.label = patch.label;
  if (patch.overrides !== undefined) next.overrides = overridden(session.overrides, patch.overrides);
  if (patch.outboundHeaders !== undefined) {
    next.outboundHeaders = applyPatch(session.outboundHeaders, patch.outboundHeaders);
  }
  const fields = ['label', 'overrides', 'outboundHeaders'] as const;
  return { session: next, changed: fields.filter((field) => !isSame(session[field], next[field])) };
}

/** One that is there is never changed by being created again. */
export function existsAlready(sessionKey: string): string {
  return `the session ${sessionKey.slice(0, 200)} exists already; use sessions.patch to change it`;
}

export function newSession(
  named: Pick<Session, 'tenantId' | 'sessionKey' | 'sessionId' | 'agentId'>,
  now: number,
): Session {
  return {
    ...named,
    label: null,
    overrides: {},
    outboundHeaders: NO_OUTBOUND,
    createdAt: now,
    updatedAt: now,
    lastRunId: null,
    lastRunAt: null,
    lastOutcome: null,
    messages: 0,
    resetSeq: 0,
    usageFrom: 0,
    revision: 0,
  };
}

function overridden(
  current: SessionOverrides,
  patch: Readonly<Record<string, string | number | boolean | null>>,
): SessionOverrides {
  const merged = Object.entries({ ...current, ...patch });
  return Object.fromEntries(merged.filter((entry): entry is [string, string | number | boolean] => entry[1] !== null));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** One text for one session of one tenant. */
export function nameOf({ tenantId, sessionKey }: Pick<Session, 'tenantId' | 'sessionKey'>): string {
  return JSON.stringify([tenantId, sessionKey]);
}
