/**
 * Nouns of webhooks: an endpoint as somebody ordered it, and where it may send to. The same whether it comes from the
 * operator's file or was made through the API; who may order what is decided in config/ and webhooks/.
 */
import type { AddressBlock } from '../lib/addresses.ts';
import type { Secret } from '../lib/secret.ts';

export const WEBHOOK_FORMATS = ['event', 'gateway-usage', 'litellm', 'cloudevents'] as const;
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

export const EVENT_TYPES = [
  'model.usage',
  'model.usage.corrected',
  'session.patched',
  'run.started',
  'run.ended',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
/** What the formats of other products have words for. */
export const USAGE_EVENTS: readonly string[] = ['model.usage', 'model.usage.corrected'];

/** What may be filtered by, as in the API, and the field of an event's data that it is held against. */
export const WEBHOOK_FILTERS: Readonly<Record<string, string>> = {
  tenant: 'tenantId',
  model: 'model',
  provider: 'provider',
  agent: 'agentId',
  session: 'sessionKey',
  endUser: 'endUserId',
  source: 'source',
  outcome: 'outcome',
};

/** Where an endpoint's connections may lead, beside public addresses by https. */
export type Egress =
  /** Made through the API: https, port 443, public addresses. */
  | { kind: 'strict' }
  /** Of the operator's file: any port, public addresses by https. */
  | { kind: 'public' }
  | { kind: 'private' }
  | { kind: 'loopback' }
  | { kind: 'blocks'; blocks: readonly { block: AddressBlock; port: number | null }[] };

export interface SigningSecret {
  secret: Secret;
  /** Milliseconds since the epoch; null: until it is replaced. */
  expiresAt: number | null;
}

export interface WebhookEndpoint {
  /** Names its cursor: what has the same id goes on where it stood. */
  id: string;
  origin: 'config' | 'stored';
  /** Whose events; null: every tenant's. */
  tenantId: string | null;
  url: string;
  events: readonly string[];
  filter: Readonly<Record<string, string>>;
  format: WebhookFormat;
  /** Each signs; none: messages are not signed. */
  secrets: readonly SigningSecret[];
  token: Secret | null;
  /** Lower-cased; null: `authorization`, as a bearer. */
  tokenHeader: string | null;
  timeoutMs: number;
  firstMs: number;
  concurrency: number;
  ordered: boolean;
  batch: { max: number; waitMs: number } | null;
  egress: Egress;
}

/** What may be shown of an address: its query may hold a credential. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null) return '(not a URL)';
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}
