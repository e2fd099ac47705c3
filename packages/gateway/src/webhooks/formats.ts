/**
 * What is sent, in the words of whoever receives it: our event, OpenClaw's usage webhook, LiteLLM's log record (litellm.ts),
 * a CloudEvent. Pure. A batch is a list of the same. What was not reported is null or absent, never zero.
 */
import { type DispatchRecord, type EventEnvelope, promptTokens } from '@weighbridge/protocol';
import { DEFAULT_TENANT } from '../domain/caller.ts';
import type { WebhookEndpoint, WebhookFormat } from '../domain/webhook.ts';
import { loggingPayload } from './litellm.ts';

/** Of a test, too, whose event is in no log. */
export type SentEvent = EventEnvelope;

export interface Written {
  contentType: string;
  body: string;
}

export function write(events: readonly SentEvent[], { format, batch, token }: WebhookEndpoint): Written {
  const gatewayToken = token?.reveal() ?? null;
  const parts = events.map((event) => partOf(format, event, gatewayToken));
  const contentType = contentTypeOf(format, batch !== null);
  return { contentType, body: JSON.stringify(batch === null ? parts[0] : parts) };
}

function contentTypeOf(format: WebhookFormat, isBatch: boolean): string {
  if (format !== 'cloudevents') return 'application/json';
  return isBatch ? 'application/cloudevents-batch+json; charset=utf-8' : 'application/cloudevents+json; charset=utf-8';
}

function partOf(format: WebhookFormat, event: SentEvent, gatewayToken: string | null): unknown {
  switch (format) {
    case 'event':
      return event;
    case 'gateway-usage':
      return gatewayUsage(event, gatewayToken);
    case 'litellm':
      return loggingPayload(event.data as DispatchRecord);
    case 'cloudevents':
      return cloudEvent(event);
  }
}

/** `gatewayToken` is the endpoint's own token, never a credential of ours. */
function gatewayUsage(event: SentEvent, gatewayToken: string | null): object {
  const { model, agentId, sessionKey, usage, cost, latencyMs, endedAt } = event.data as DispatchRecord;
  return {
    type: event.type,
    ...(gatewayToken === null ? {} : { gatewayToken }),
    model,
    agentId,
    sessionKey,
    usage:
      usage === null
        ? null
        : { promptTokens: promptTokens(usage), completionTokens: usage.output, totalTokens: usage.total },
    ...(cost === null ? {} : { cost: Number(cost.usd) }),
    durationMs: latencyMs,
    timestamp: endedAt ?? event.timestamp,
  };
}

function cloudEvent({ type, id, seq, ledgerId, timestamp, data }: SentEvent): object {
  const { tenantId, endUserId } = (data ?? {}) as Partial<DispatchRecord>;
  // Where there is one tenant, whom it is about is its end user.
  const isNamed = tenantId !== undefined && tenantId !== DEFAULT_TENANT;
  return {
    specversion: '1.0',
    id,
    source: `/weighbridge/${ledgerId}`,
    type,
    subject: isNamed ? tenantId : (endUserId ?? tenantId ?? DEFAULT_TENANT),
    time: timestamp,
    datacontenttype: 'application/json',
    // The extension's own rule: compared as text, it rises.
    sequence: String(seq).padStart(16, '0'),
    data,
  };
}
