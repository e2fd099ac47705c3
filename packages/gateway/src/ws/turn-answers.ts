/** How a turn ended, as `agent`, `agent.wait` and the events of a run say it. Counts are the ledger's. Pure. */
import type { TurnResult } from '../runs/turn.ts';
import type { SessionUsage } from '../sessions/session.ts';
import { costOf, promptTokens, wireStopReason } from './session-shapes.ts';
import { WireFailure } from './wire-errors.ts';

/** OpenClaw's word for an end that somebody asked for. */
export const ABORTED = 'rpc';

export function stopReasonOf({ outcome, stopReason }: TurnResult): string {
  return outcome === 'aborted' ? ABORTED : wireStopReason(stopReason ?? 'stop');
}

/** The last answer of `agent`. Throws where the run failed: the answer is then both a payload and an error. */
export function agentFinal(result: TurnResult): Record<string, unknown> {
  const { runId, outcome, text, usage } = result;
  if (outcome === 'failed') {
    const summary = result.error?.message ?? 'the run failed';
    const payload = { runId, status: 'error', summary };
    throw new WireFailure({ code: 'UNAVAILABLE', message: summary, details: detailsOf(result) }, payload);
  }
  const isAborted = outcome === 'aborted';
  return {
    runId,
    status: 'ok',
    summary: isAborted ? 'aborted' : 'completed',
    result: {
      payloads: text === '' ? [] : [{ text, mediaUrl: null }],
      meta: {
        durationMs: result.endedAt - (result.startedAt ?? result.endedAt),
        agentMeta: {
          sessionId: result.sessionId,
          ...(result.provider === null ? {} : { provider: result.provider, model: result.model }),
          ...(usage === null ? {} : usageFields(usage)),
          assistantTurns: text === '' ? 0 : 1,
          terminalReceipt: receiptOf(result),
        },
        aborted: isAborted,
        stopReason: stopReasonOf(result),
      },
    },
  };
}

export function waitAnswer(runId: string, result: TurnResult | null): Record<string, unknown> {
  if (result === null) return { runId, status: 'timeout' };
  const { outcome, endedAt, text, error } = result;
  if (outcome === 'aborted') return { runId, status: 'error', endedAt, error: 'aborted', stopReason: ABORTED };
  if (outcome === 'failed') return { runId, status: 'error', endedAt, error: error?.message ?? 'the run failed' };
  return {
    runId,
    status: 'ok',
    endedAt,
    stopReason: stopReasonOf(result),
    terminalReceipt: receiptOf(result),
    terminalReply: replyOf(text),
  };
}

export function replyOf(text: string): object {
  return text === '' ? { disposition: 'silent' } : { disposition: 'visible', text };
}

export function receiptOf({ runId, sessionId, provider, model, text }: TurnResult): object {
  return {
    runId,
    sessionId,
    turnId: runId,
    ...(provider === null ? {} : { effective: { provider, model, responseModel: model } }),
    successfulToolNames: [],
    rerouted: false,
    terminalDisposition: text === '' ? 'silent' : 'visible',
  };
}

/** With `total` and dollars, as OpenClaw's runs have them. */
export function runUsage(usage: SessionUsage): Record<string, unknown> {
  const cost = costOf(usage);
  return {
    input: usage.input,
    output: usage.output,
    cacheRead: usage.cacheRead,
    cacheWrite: usage.cacheWrite + usage.cacheWrite1h,
    ...(usage.reasoning === null ? {} : { reasoningTokens: usage.reasoning }),
    total: usage.total,
    ...(cost === null ? {} : { cost: { total: cost } }),
  };
}

function usageFields(usage: SessionUsage): object {
  const cost = costOf(usage);
  return {
    usage: runUsage(usage),
    // The last call's own count is known where there was one call.
    ...(usage.dispatches === 1 ? { lastCallUsage: runUsage(usage) } : {}),
    promptTokens: promptTokens(usage),
    ...(cost === null ? {} : { costUsd: cost }),
  };
}

export function detailsOf({ error, ledgerRunId, dispatchId }: TurnResult): Record<string, unknown> {
  return {
    code: error?.code ?? 'internal',
    ...(ledgerRunId === null ? {} : { ledgerRunId }),
    ...(dispatchId === null ? {} : { dispatchId }),
  };
}
