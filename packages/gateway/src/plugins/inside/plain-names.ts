/** The data of `model.usage` with the plain names that an author expects beside it. Pure. */
import { type DispatchRecord, promptTokens } from '@weighbridge/protocol';
import type { DispatchCompleteEvent } from '../definition.ts';

export function withPlainNames(record: DispatchRecord): DispatchCompleteEvent {
  const { usage } = record;
  return {
    ...record,
    usage:
      usage === null
        ? null
        : {
            ...usage,
            prompt_tokens: promptTokens(usage),
            completion_tokens: usage.output,
            total_tokens: usage.total,
          },
    agent_id: record.agentId,
    session_id: record.sessionId,
    latency_ms: record.latencyMs,
    status: record.outcome,
  };
}

/** A copy that nobody can change, all the way down. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) frozen(child);
  return Object.freeze(value);
}
