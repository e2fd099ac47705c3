/**
 * An authenticated credential and its scopes. Both come from the credential's record, never from the request; so does
 * whatever else a key decides for its calls (`terms`).
 */

import { KEY_SCOPES, type KeyScope } from '@weighbridge/protocol';

export const SCOPES = KEY_SCOPES;
export type Scope = KeyScope;

export interface Caller {
  tenantId: string;
  /** null: the operator's own token or password. */
  keyId: string | null;
  scopes: ReadonlySet<Scope>;
  /** What its key decides for each of its calls; absent for the operator. */
  terms?: KeyTerms;
}

export interface KeyTerms {
  /** The only agent it may run, and to whom its calls are attributed; null: any. */
  agentId: string | null;
  forced: ForcedHeaders;
  /** Its calls may set no outbound headers of their own; what it forces is sent all the same. */
  noOutboundHeaders?: true;
  /** Milliseconds since the epoch; null: never. */
  expiresAt: number | null;
  /** Fires when the key is revoked or runs out: what lives longer than a request must end with it. */
  ended: AbortSignal;
}

/** Lower-cased names and their values, on every call of a key whatever the caller sends. */
export interface ForcedHeaders {
  /** Read by us: for whom, with which tags. */
  attribution: Readonly<Record<string, string>>;
  /** Sent to the provider. */
  outbound: Readonly<Record<string, string>>;
}

export const DEFAULT_TENANT = 'default';

/** The operator's own credential acts for every tenant; a key, whatever its scopes, for its own. */
export function isOperator({ keyId }: Caller): boolean {
  return keyId === null;
}
