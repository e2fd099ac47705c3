/**
 * The keys' own transactions. Each tells the other gateways on the database that something changed; what it was they
 * read themselves. Loaded by the store's writer thread.
 */
import { ask, type Steps, telling, together } from '../store/steps.ts';
import type { Row, Value } from '../store/store.ts';

/** What is told; a number would be an event's. */
export const KEYS_CHANGED = 'keys';

export interface Revocation {
  tenantId: string;
  keyId: string;
  revokedAt: number;
}

/** Inputs: rows of KEY_COLUMNS. */
export function* addKeys(inputs: readonly (readonly Value[])[]): Steps<null[]> {
  yield* together({ name: 'access.addKey', rows: inputs }, telling(KEYS_CHANGED));
  return inputs.map(() => null);
}

/** The first revocation of a key stands. */
export function* revokeKeys(inputs: readonly Revocation[]): Steps<null[]> {
  const rows = inputs.map(({ tenantId, keyId, revokedAt }) => [revokedAt, tenantId, keyId]);
  yield* together({ name: 'access.revokeKey', rows }, telling(KEYS_CHANGED));
  return inputs.map(() => null);
}

/** All keys, and what the state of the table was; no keys where that is the state that is known already. */
export interface KeysRead {
  state: string;
  rows: readonly Row[] | null;
}

/** Inputs: the state that is known. Asked beside the intents, because calls must not wait for readers of the ledger. */
export function* readKeys(inputs: readonly string[]): Steps<KeysRead[]> {
  const [counts] = yield* ask('access.keysState');
  const state = JSON.stringify([Number(counts!.keys), Number(counts!.revoked), counts!.newest]);
  const rows = inputs.every((known) => known === state) ? null : yield* ask('access.readKeys');
  return inputs.map((known) => ({ state, rows: known === state ? null : rows }));
}
