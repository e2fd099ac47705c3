/**
 * One message of an endpoint: its id, its bytes, its headers. The id is the event's, or made from those of a batch, so that
 * whoever has seen it knows it again; signature and time are made anew for each attempt, with every secret then in force.
 */
import { createHash } from 'node:crypto';
import { type EventEnvelope, WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import { sign } from '@weighbridge/protocol/webhook';
import { WEBHOOK_FILTERS, type WebhookEndpoint } from '../domain/webhook.ts';
import { write } from './formats.ts';
import type { Outgoing } from './sender.ts';
import type { Span } from './window.ts';

export interface Message {
  id: string;
  events: readonly EventEnvelope[];
  /** Attempts so far. */
  attempts: number;
  /** Its place in the window; null: the cursor is past it. */
  span: Span | null;
}

export function messageId(events: readonly EventEnvelope[], isBatch: boolean): string {
  if (!isBatch) return events[0]!.id;
  const digest = createHash('sha256')
    .update(events.map(({ id }) => id).join(' '))
    .digest('base64url');
  return `whd_${digest.slice(0, 32)}`;
}

export function outgoing(
  { id, events }: Pick<Message, 'id' | 'events'>,
  endpoint: WebhookEndpoint,
  nowMs: number,
): Outgoing {
  const { contentType, body } = write(events, endpoint);
  const seconds = Math.floor(nowMs / 1000);
  const secrets = endpoint.secrets
    .filter(({ expiresAt }) => expiresAt === null || expiresAt > nowMs)
    .map(({ secret }) => secret.reveal());
  return {
    body,
    headers: {
      'content-type': contentType,
      'user-agent': `Weighbridge/${WEIGHBRIDGE_VERSION}`,
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      ...(secrets.length === 0 ? {} : { 'webhook-signature': sign(id, seconds, body, secrets) }),
      ...tokenHeader(endpoint),
    },
  };
}

/** The older webhook has its token in the body, and in a header only where one is named. */
function tokenHeader({ token, tokenHeader: name, format }: WebhookEndpoint): Record<string, string> {
  if (token === null || (name === null && format === 'gateway-usage')) return {};
  return name === null || name === 'authorization'
    ? { authorization: `Bearer ${token.reveal()}` }
    : { [name]: token.reveal() };
}

/** Whether an event passes an endpoint's filter: exact matches on its data; an event without that field does not. */
export function isWanted({ data }: EventEnvelope, { filter }: Pick<WebhookEndpoint, 'filter'>): boolean {
  const fields = (data ?? {}) as Record<string, unknown>;
  return Object.entries(filter).every(([name, value]) => fields[WEBHOOK_FILTERS[name]!] === value);
}
