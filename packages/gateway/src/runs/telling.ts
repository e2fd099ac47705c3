/** What is told of a run as a whole, where anybody follows runs: never waited for, and nothing of what was asked or answered. */
import { GatewayError } from '../domain/errors.ts';
import type { RunEnded, RunStarted, RunTelling } from '../domain/run-facts.ts';
import type { Clock } from '../lib/clock.ts';
import type { Plan, Run } from './run.ts';

export interface ToldRun {
  /** `error`: what kept it from its end. */
  ended(run: Run, error: unknown): void;
}

/** Null where nobody wants to know of its end. */
export function tellStart(telling: RunTelling, runId: string, plan: Plan, clock: Clock): ToldRun | null {
  const [wantsStart, wantsEnd] = [telling.wants('run.started'), telling.wants('run.ended')];
  if (!wantsStart && !wantsEnd) return null;
  const startedAtMs = clock.now();
  const begunAt = clock.monotonic();
  const started = startedOf(runId, plan, startedAtMs);
  if (wantsStart) telling.tell('run.started', started);
  if (!wantsEnd) return null;
  return {
    ended: (run, error) => {
      const durationMs = Math.round(clock.monotonic() - begunAt);
      const ended: RunEnded = {
        ...started,
        outcome: error === null ? (run.end?.outcome ?? 'aborted') : 'failed',
        errorKind: errorKindOf(run, error),
        dispatches: run.dispatches,
        endedAt: new Date(startedAtMs + durationMs).toISOString(),
        durationMs,
      };
      telling.tell('run.ended', ended);
    },
  };
}

function startedOf(runId: string, { attribution, source, requestedModel }: Plan, startedAtMs: number): RunStarted {
  const { tenantId, keyId, agentId, sessionKey, sessionId, endUserId, tags, metadata } = attribution;
  const ids = { runId, tenantId, keyId, agentId, sessionKey, sessionId, endUserId };
  return { ...ids, tags, metadata, source, requestedModel, startedAt: new Date(startedAtMs).toISOString() };
}

function errorKindOf({ end }: Run, error: unknown): string | null {
  if (error === null) return end?.errorKind ?? (end === null ? 'caller_gone' : null);
  return error instanceof GatewayError ? error.code : 'internal';
}
