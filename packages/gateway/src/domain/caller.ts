/** An authenticated credential and its scopes. Scopes come from the credential's record, never from the request. */

export type Scope = 'dispatch' | 'read' | 'metrics' | 'admin';

export interface Caller {
  tenantId: string;
  /** null: the operator's own token or password. */
  keyId: string | null;
  scopes: ReadonlySet<Scope>;
}

export const DEFAULT_TENANT = 'default';
