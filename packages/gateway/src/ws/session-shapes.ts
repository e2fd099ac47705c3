/**
 * Sessions, messages and usage in OpenClaw's shapes. OpenClaw's row has the last run's counts under plain names; those of
 * the whole session stand beside them under a name that says so (`usageTotal`). Costs are dollars; what has none has no
 * such field. Pure.
 */
import { usdText } from '../domain/price.ts';
import type { Session, SessionUsage, SessionView, TranscriptMessage } from '../sessions/session.ts';
import { THINKING } from './thinking.ts';

export interface WireUsage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  totalTokens: number;
  cost?: { total: number };
}

/** OpenClaw's counts leave out what was read from a cache, as ours do. */
export function wireUsage(usage: SessionUsage): WireUsage {
  const { input, output, cacheRead, cacheWrite, cacheWrite1h, total } = usage;
  const cost = costOf(usage);
  return {
    input,
    output,
    cacheRead,
    cacheWrite: cacheWrite + cacheWrite1h,
    totalTokens: total,
    ...(cost === null ? {} : { cost: { total: cost } }),
  };
}

export function costOf({ costNanoUsd }: SessionUsage): number | null {
  return costNanoUsd === null ? null : Number(usdText(BigInt(costNanoUsd)));
}

export function promptTokens({ input, cacheRead, cacheWrite, cacheWrite1h }: SessionUsage): number {
  return input + cacheRead + cacheWrite + cacheWrite1h;
}

export interface RowContext {
  /** Runs of the session that are on their way. */
  running: readonly { runId: string; startedAt: number | null }[];
  /** The agent's model, or the session's own. */
  model: { provider: string; model: string; contextTokens: number | null } | null;
  now: number;
}

export function sessionRow(session: SessionView, { running, model, now }: RowContext): Record<string, unknown> {
  const { sessionKey, sessionId, agentId, label, overrides, usageLast, usageTotal, lastOutcome } = session;
  const isRunning = running.length > 0;
  const cost = usageLast === null ? null : costOf(usageLast);
  return {
    key: sessionKey,
    sessionId,
    agentId: agentId ?? 'main',
    kind: 'direct',
    classification: sessionKey.endsWith(':main') ? 'main' : 'direct',
    chatType: 'direct',
    isMain: sessionKey === `agent:${agentId}:main`,
    ...(label === null ? {} : { label }),
    displayName: label ?? sessionKey.split(':').slice(2).join(':'),
    createdAt: session.createdAt,
    updatedAt: session.updatedAt,
    ...(session.lastRunAt === null ? {} : { lastInteractionAt: session.lastRunAt, lastActivityAt: session.lastRunAt }),
    archived: false,
    pinned: false,
    unread: false,
    ...overrides,
    abortedLastRun: lastOutcome === 'aborted',
    ...THINKING,
    ...(usageLast === null
      ? {}
      : {
          inputTokens: usageLast.input,
          outputTokens: usageLast.output,
          totalTokens: promptTokens(usageLast),
          totalTokensFresh: true,
        }),
    ...(cost === null ? {} : { estimatedCostUsd: cost }),
    usageLast: usageLast === null ? null : wireUsage(usageLast),
    usageTotal: wireUsage(usageTotal),
    outboundHeaderNames: Object.keys(session.outboundHeaders),
    ...(isRunning ? { status: 'running' } : statusOf(session)),
    ...(session.lastRunId === null ? {} : { lastRunId: session.lastRunId }),
    hasActiveRun: isRunning,
    activeRunIds: running.map(({ runId }) => runId),
    ...modelFields(model),
    snapshotAt: now,
  };
}

function statusOf({ lastOutcome }: Session): object {
  if (lastOutcome === null) return {};
  return { status: lastOutcome === 'completed' ? 'done' : lastOutcome === 'aborted' ? 'killed' : 'failed' };
}

export function modelFields(model: RowContext['model']): object {
  if (model === null) return {};
  const { provider, model: name, contextTokens } = model;
  return { modelProvider: provider, model: name, ...(contextTokens === null ? {} : { contextTokens }) };
}

/** What `sessions.patch` and its kin give back of the session. */
export function sessionEntry(session: Session): Record<string, unknown> {
  const { sessionId, label, overrides, outboundHeaders, createdAt, updatedAt } = session;
  return {
    sessionId,
    createdAt,
    updatedAt,
    ...(label === null ? {} : { label }),
    ...overrides,
    ...(Object.keys(outboundHeaders).length > 0 ? { outboundHeaderNames: Object.keys(outboundHeaders) } : {}),
  };
}

/** `usage`: what the message's run used. */
export function wireMessage(message: TranscriptMessage, usage: SessionUsage | null): Record<string, unknown> {
  const { messageId, seq, role, at, runId, text, kind, stopReason, idempotencyKey, truncated, omitted } = message;
  const own = {
    id: messageId,
    seq,
    recordTimestampMs: at,
    ...(runId === null ? {} : { runId }),
    ...(kind === undefined ? {} : { kind }),
    ...(truncated ? { truncated } : {}),
    ...(omitted ? { omitted } : {}),
  };
  if (role === 'user') {
    return {
      role,
      content: text,
      timestamp: at,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey: `${idempotencyKey}:user` }),
      __openclaw: own,
    };
  }
  const content = [{ type: 'text', text: kind === 'reset' && text === '' ? 'Reset' : text }];
  if (role === 'system') return { role, content, timestamp: at, __openclaw: own };
  return {
    role,
    content,
    timestamp: at,
    stopReason: wireStopReason(stopReason ?? 'stop'),
    usage: usage === null ? NO_USAGE : wireUsage(usage),
    ...(kind === 'inject' ? { provider: 'openclaw', model: 'gateway-injected' } : {}),
    __openclaw: own,
  };
}

const NO_USAGE: WireUsage = Object.freeze({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0 });

export function wireStopReason(reason: string): string {
  return reason === 'tool_calls' ? 'toolUse' : reason;
}

/** As an assistant's message stands in `chat` events: what was said, and no more. */
export function spokenMessage(text: string, at: number): Record<string, unknown> {
  return { role: 'assistant', content: [{ type: 'text', text }], timestamp: at };
}
