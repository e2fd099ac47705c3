/**
 * Endpoints as the table has them: rows to endpoints and back. Secrets and tokens stand beside the definition, in a column of
 * their own, and come out as secrets.
 */
import type { SigningSecret, WebhookEndpoint } from '../domain/webhook.ts';
import { Secret } from '../lib/secret.ts';
import type { WebhooksTable } from '../store/schema.ts';

/** Stands for every tenant in a key. */
export const EVERY_TENANT = '*';

export type EndpointRow = WebhooksTable;

export function tenantKey(tenantId: string | null): string {
  return tenantId ?? EVERY_TENANT;
}

type Kept = Omit<WebhookEndpoint, 'secrets' | 'token' | 'origin' | 'id' | 'tenantId'>;

export function definitionText(endpoint: WebhookEndpoint): string {
  const { secrets: _1, token: _2, origin: _3, id: _4, tenantId: _5, ...kept } = endpoint;
  return JSON.stringify(kept satisfies Kept);
}

export function secretsText({ secrets, token }: Pick<WebhookEndpoint, 'secrets' | 'token'>): string {
  return JSON.stringify({
    secrets: secrets.map(({ secret, expiresAt }) => ({ secret: secret.reveal(), expiresAt })),
    token: token?.reveal() ?? null,
  });
}

/** Null: the row is of an endpoint of the operator's file. */
export function endpointOf(row: EndpointRow): WebhookEndpoint | null {
  if (row.definition === null) return null;
  const { secrets, token } = JSON.parse(row.secrets ?? '{"secrets":[],"token":null}') as {
    secrets: { secret: string; expiresAt: number | null }[];
    token: string | null;
  };
  return {
    ...(JSON.parse(row.definition) as Kept),
    id: row.endpointId,
    origin: 'stored',
    tenantId: row.tenantId === EVERY_TENANT ? null : row.tenantId,
    secrets: secrets.map(({ secret, expiresAt }): SigningSecret => ({ secret: new Secret(secret), expiresAt })),
    token: token === null ? null : new Secret(token),
  };
}

/** Two endpoints with the same are the same; for comparison only, because it holds their secrets. */
export function fingerprint(endpoint: WebhookEndpoint): string {
  return `${endpoint.origin} ${definitionText(endpoint)} ${secretsText(endpoint)}`;
}
