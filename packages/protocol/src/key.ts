/** Keys on the wire. A key's text is in one answer only, that of its making. */

export const KEY_SCOPES = ['dispatch', 'read', 'metrics', 'admin'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

export interface KeyInfo {
  object: 'key';
  keyId: string;
  tenantId: string;
  name: string;
  /** What may be shown of it, so that people can tell their keys apart. */
  shown: string;
  state: 'active' | 'expired' | 'revoked';
  scopes: KeyScope[];
  /** The only agent it may use; null: any. */
  agentId: string | null;
  /** Names of the headers it forces; values are not told. */
  headers: string[];
  /** Its calls may set no outbound headers. */
  noOutboundHeaders: boolean;
  /** ISO 8601. */
  createdAt: string;
  /** The key that made it; null: the operator. */
  createdBy: string | null;
  expiresAt: string | null;
  revokedAt: string | null;
}

export interface CreatedKey extends KeyInfo {
  /** The key itself. Nobody can read it again. */
  key: string;
}

/** What is asked of a new key. */
export interface KeyRequest {
  /** Needed by the operator; a key's own otherwise. */
  tenantId?: string | undefined;
  scopes: readonly KeyScope[];
  name?: string | undefined;
  agentId?: string | undefined;
  /** ISO 8601 or milliseconds since the epoch. */
  expiresAt?: string | number | undefined;
  /** Forced on each of its calls. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** True: its calls may set no outbound headers. */
  noOutboundHeaders?: boolean | undefined;
}
