/**
 * A transcript as OpenClaw writes one: a line for the session, then a line for each message, each with the one before as its
 * parent. What an answer used comes from the ledger at that moment, never from the transcript. Pure.
 */
import type { RunUsage, Session, TranscriptMessage } from './session.ts';

/** Of OpenClaw's format. */
const VERSION = 4;

export function sessionLine({ sessionId, createdAt }: Session): string {
  return line({ type: 'session', version: VERSION, id: sessionId, timestamp: isoTime(createdAt), cwd: '' });
}

export function messageLine(message: TranscriptMessage, parentId: string | null, used: RunUsage | null): string {
  const { messageId, at, role } = message;
  const shape = role === 'assistant' ? answer(message, used) : role === 'system' ? mark(message) : question(message);
  const timed = { ...shape, timestamp: at, __openclaw: marks(message) };
  return line({ type: 'message', id: messageId, parentId, timestamp: isoTime(at), message: timed });
}

function question({ text, idempotencyKey }: TranscriptMessage): object {
  return { role: 'user', content: text, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
}

function mark({ text }: TranscriptMessage): object {
  return { role: 'system', content: [{ type: 'text', text }] };
}

function answer({ text, stopReason = null, outcome, kind }: TranscriptMessage, used: RunUsage | null): object {
  const who = used ?? { api: null, provider: 'weighbridge', model: kind === 'inject' ? 'gateway-injected' : null };
  return {
    role: 'assistant',
    content: [{ type: 'text', text }],
    ...{ api: who.api, provider: who.provider, model: who.model },
    ...(used === null ? {} : { usage: usageOf(used), responseId: used.providerRequestId }),
    stopReason: stopReasonOf(stopReason, outcome),
    ...(outcome === 'aborted' ? { openclawAbort: { aborted: true } } : {}),
  };
}

function usageOf(used: RunUsage): object {
  return {
    input: used.input,
    output: used.output,
    cacheRead: used.cacheRead,
    cacheWrite: used.cacheWrite + used.cacheWrite1h,
    ...(used.reasoning === null ? {} : { reasoningTokens: used.reasoning }),
    totalTokens: used.total,
    // A number there; the exact one is the ledger's.
    ...(used.costNanoUsd === null ? {} : { cost: { total: Number(used.costNanoUsd) / 1e9 } }),
  };
}

const STOP_REASONS: Readonly<Record<string, string>> = {
  tool_calls: 'toolUse',
  tool_use: 'toolUse',
  length: 'length',
  max_tokens: 'length',
};

function stopReasonOf(reason: string | null, outcome: TranscriptMessage['outcome']): string {
  if (outcome === 'aborted') return 'aborted';
  if (outcome === 'failed') return 'error';
  return STOP_REASONS[reason ?? ''] ?? 'stop';
}

function marks({ messageId, seq, runId, kind, truncated, omitted, late }: TranscriptMessage): object {
  const known = { runId: runId ?? undefined, kind, truncated, omitted, late };
  const kept = Object.entries(known).filter(([, value]) => value !== undefined);
  return { id: messageId, seq, ...Object.fromEntries(kept) };
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
