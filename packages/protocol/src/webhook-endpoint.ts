/** Webhook endpoints and their deliveries on the wire. A signing secret is in one answer only; a token in none. */

export interface WebhookInfo {
  object: 'webhook';
  id: string;
  /** Of the operator's file, or made through the API. */
  origin: 'config' | 'stored';
  /** Whose events; null: every tenant's. */
  tenantId: string | null;
  /** Without its query, which may hold a credential. */
  url: string;
  events: string[];
  filter: Record<string, string>;
  format: string;
  /** How many secrets sign now. */
  secrets: number;
  hasToken: boolean;
  timeoutMs: number;
  retry: { firstMs: number };
  concurrency: number;
  ordered: boolean;
  batch: { max: number; waitMs: number } | null;
  /** `paused`: it failed often in a row, and one attempt at a time finds out whether it is back. */
  state: 'active' | 'paused' | 'disabled';
  disabledAt: string | null;
  disabledReason: string | null;
  /** Every event up to this number was delivered or has a delivery of its own. */
  cursor: number;
  /** Numbers of the log that it has not come to yet. */
  behind: number;
  /** Messages delivered, attempts that failed, messages that died, so far. */
  delivered: number;
  failed: number;
  died: number;
  /** Messages that wait to be tried again, and dead ones, now. */
  pending: number;
  dead: number;
  lastDeliveredAt: string | null;
  lastFailedAt: string | null;
  lastFailure: string | null;
  createdAt: string;
  /** The key that made it; null: the operator, or the file. */
  createdBy: string | null;
}

export interface CreatedWebhook extends WebhookInfo {
  /** Nobody can read it again. */
  secret: string;
}

/** What is asked of a new endpoint. */
export interface WebhookRequest {
  url: string;
  /** The operator may name one; without it, every tenant's events. A key's own otherwise. */
  tenantId?: string | undefined;
  events?: readonly string[] | undefined;
  filter?: Readonly<Record<string, string>> | undefined;
  format?: string | undefined;
  token?: string | undefined;
  tokenHeader?: string | undefined;
  timeoutMs?: number | undefined;
  retry?: { firstMs?: number } | undefined;
  concurrency?: number | undefined;
  ordered?: boolean | undefined;
  batch?: { max?: number; waitMs?: number } | undefined;
}

/** A message that failed so far. One that never failed is nowhere, and a delivered one is gone. */
export interface DeliveryInfo {
  object: 'delivery';
  /** The `webhook-id` that the receiver sees. */
  id: string;
  state: 'pending' | 'dead';
  /** Numbers of its events. */
  seqs: number[];
  attempts: number;
  nextAttemptAt: string | null;
  lastAttemptAt: string;
  /** Null: there was no answer. */
  lastStatus: number | null;
  lastFailure: string;
}

/** What came of one message that was sent to try an endpoint; its event is in no log. */
export interface WebhookTest {
  object: 'webhook_test';
  delivered: boolean;
  status: number | null;
  failure: string | null;
  latencyMs: number;
}

/** One of three: from a number, from a time, or what is dead. */
export interface ReplayRequest {
  fromSeq?: number | undefined;
  /** ISO 8601 or milliseconds since the epoch. */
  since?: string | number | undefined;
  dead?: boolean | undefined;
}
