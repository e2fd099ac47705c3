/** A session and its messages in the words of the API. Header values and internal counters stay here. Pure. */
import type { SessionInfo, SessionUsageInfo, TranscriptEntry } from '@weighbridge/protocol';
import { usdText } from '../domain/price.ts';
import type { SessionUsage, SessionView, TranscriptMessage } from '../sessions/session.ts';

export function sessionInfo(view: SessionView): SessionInfo {
  return {
    object: 'session',
    tenantId: view.tenantId,
    sessionKey: view.sessionKey,
    sessionId: view.sessionId,
    agentId: view.agentId,
    label: view.label,
    overrides: { ...view.overrides },
    outboundHeaders: Object.keys(view.outboundHeaders).sort(),
    createdAt: isoTime(view.createdAt),
    updatedAt: isoTime(view.updatedAt),
    lastRunId: view.lastRunId,
    lastRunAt: view.lastRunAt === null ? null : isoTime(view.lastRunAt),
    lastOutcome: view.lastOutcome,
    messages: view.messages,
    usageLast: view.usageLast && usageInfo(view.usageLast),
    usageTotal: usageInfo(view.usageTotal),
  };
}

export function usageInfo(used: SessionUsage): SessionUsageInfo {
  const { input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning, total, dispatches, unpriced } = used;
  const nanoUsd = used.costNanoUsd;
  return {
    ...{ input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning, total, dispatches },
    cost: nanoUsd === null ? null : { nanoUsd, usd: usdText(BigInt(nanoUsd)) },
    unpriced,
    notReported: used.notReported,
  };
}

export function transcriptEntry(message: TranscriptMessage, used: SessionUsage | undefined): TranscriptEntry {
  const { messageId, seq, role, at, runId, text, ...rest } = message;
  const { kind, stopReason, outcome, truncated, omitted } = rest;
  return {
    ...{ messageId, seq, role, at: isoTime(at), runId, text },
    ...(kind === undefined ? {} : { kind }),
    ...(stopReason === undefined ? {} : { stopReason }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(truncated === undefined ? {} : { truncated }),
    ...(omitted === undefined ? {} : { omitted }),
    ...(used === undefined || role !== 'assistant' ? {} : { usage: usageInfo(used) }),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
