/** The event room's own transactions: who runs a follower, and how far it got. Loaded by the store's writer thread. */
import { ask, each, type Steps } from '../store/steps.ts';

/** For whoever has nothing else to write. */
export { appendFacts as appendEvents } from './append.ts';

export interface FollowerName {
  tenantId: string;
  name: string;
}

export interface ClaimInput extends FollowerName {
  /** Who wants to run it. */
  holder: string;
  leaseMs: number;
}

/** What a holder needs: where the follower stands, and the number that proves the lease when its cursor moves. */
export type Claim = { seq: number; fence: number } | null;

export interface CursorInput extends FollowerName {
  fence: number;
  seq: number;
  now: number;
}

export function* claimFollowers(inputs: readonly ClaimInput[]): Steps<Claim[]> {
  yield* each(
    'events.addFollower',
    inputs.map(({ tenantId, name }) => [tenantId, name, 0, 0, 0]),
  );
  const claims: Claim[] = [];
  for (const { tenantId, name, holder, leaseMs } of inputs) {
    const [row] = yield* ask('events.claimFollower', [holder, 1, holder, leaseMs, tenantId, name, holder]);
    claims.push(row ? { seq: Number(row.seq), fence: Number(row.fence) } : null);
  }
  return claims;
}

/** A follower that nobody has made yet begins at `seq`; one that is there stays where it is. */
export function* addFollowers(inputs: readonly (FollowerName & { seq: number; now: number })[]): Steps<null[]> {
  yield* each(
    'events.addFollower',
    inputs.map(({ tenantId, name, seq, now }) => [tenantId, name, seq, now, 0]),
  );
  return inputs.map(() => null);
}

/**
 * Puts a cursor back, or (`seq` null) only takes it from its holder, who claims it again and begins anew. False: there
 * is no such follower.
 */
export function* rewindFollowers(inputs: readonly (FollowerName & { seq: number | null })[]): Steps<boolean[]> {
  const found: boolean[] = [];
  for (const { tenantId, name, seq } of inputs) {
    const rows = yield* ask('events.rewindFollower', [seq, seq, 1, null, null, tenantId, name]);
    found.push(rows.length > 0);
  }
  return found;
}

/** False: the lease went to another, and the cursor stays where that one puts it. */
export function* moveCursors(inputs: readonly CursorInput[]): Steps<boolean[]> {
  // Of several moves of one cursor in a batch only the furthest counts: one statement must not change a row twice.
  const furthest = new Map<string, CursorInput>();
  for (const input of inputs) {
    const key = nameOf(input);
    if (input.seq > (furthest.get(key)?.seq ?? -1)) furthest.set(key, input);
  }
  const moves = [...furthest.values()];
  const moved = yield* each(
    'events.moveCursor',
    moves.map(({ tenantId, name, fence, seq, now }) => [seq, now, tenantId, name, fence]),
  );
  const holds = new Map(moves.map((input, i) => [nameOf(input), moved[i] !== null]));
  return inputs.map((input) => holds.get(nameOf(input))!);
}

export function* releaseFollowers(inputs: readonly (FollowerName & { fence: number })[]): Steps<null[]> {
  yield* each(
    'events.releaseFollower',
    inputs.map(({ tenantId, name, fence }) => [0, tenantId, name, fence]),
  );
  return inputs.map(() => null);
}

function nameOf({ tenantId, name, fence }: FollowerName & { fence: number }): string {
  return JSON.stringify([tenantId, name, fence]);
}
