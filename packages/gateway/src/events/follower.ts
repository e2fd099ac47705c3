/**
 * A follower reads the log at its own pace under a name, and remembers how far it got. It moves its cursor only after
 * its receiver took the event: delivery is at least once, and an event's id tells a repeat. Of the gateways on one
 * database one runs it at a time, by a lease that it renews; another takes over when the lease runs out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Store, StoreUnavailable } from '../store/store.ts';
import type { Claim, ClaimInput, FollowerName } from './scripts.ts';

/** How long a holder that vanished keeps a follower from the others. */
const LEASE_MS = 10_000;
/** The holder on a database that has one process. */
const ALONE = 'alone';
/** Pause before another try while the database is away. */
const AWAY_MS = 250;
/** The same after a failure: a question that was answered with an error, or a bug of ours. */
const FAILED_MS = 1_000;

export interface FollowerDeps {
  store: Store;
  /** Who claims: this process. */
  holder: string;
}

/** The right to run a follower, as long as the signal has not fired. */
export interface Hold {
  /** Where its cursor stands. */
  seq: number;
  /** Proves the lease wherever the cursor moves. */
  fence: number;
  /** Fires when the lease is lost, and when following ends. */
  signal: AbortSignal;
}

export interface HoldOptions extends FollowerName {
  signal: AbortSignal;
  leaseMs?: number;
  /** Told what the work failed with, unless the database is only away. It is begun anew either way. */
  onFailure: (error: unknown) => void;
}

/** Works whenever the lease is ours, until the signal. Work that fails begins anew from the cursor: following never ends by itself. */
export async function holdFollower(
  deps: FollowerDeps,
  options: HoldOptions,
  work: (hold: Hold) => Promise<void>,
): Promise<void> {
  const { signal, leaseMs = LEASE_MS, onFailure } = options;
  while (!signal.aborted) {
    try {
      const claim = await claimFollower(deps, options);
      if (claim) await workWhileHeld(deps, options, claim, work);
      else await pause(leaseMs / 3, signal);
    } catch (error) {
      const isAway = error instanceof StoreUnavailable;
      if (!isAway) onFailure(error);
      await pause(isAway ? AWAY_MS : FAILED_MS, signal);
    }
  }
}

function claimFollower({ store, holder }: FollowerDeps, options: HoldOptions): Promise<Claim> {
  const { tenantId, name, leaseMs = LEASE_MS } = options;
  // Where nobody else can be, whoever held it before is dead: its lease is not waited for.
  const by = store.exclusive ? ALONE : holder;
  return store.write<Claim>('claimFollowers', { tenantId, name, holder: by, leaseMs } satisfies ClaimInput);
}

/** Returns when the work does: the signal fired or the lease is lost. Gives the lease back in the first case. */
async function workWhileHeld(
  deps: FollowerDeps,
  options: HoldOptions,
  claim: NonNullable<Claim>,
  work: (hold: Hold) => Promise<void>,
): Promise<void> {
  const { tenantId, name, leaseMs = LEASE_MS } = options;
  const { seq, fence } = claim;
  const lost = new AbortController();
  const renewal = setInterval(() => {
    claimFollower(deps, options).then(
      (renewed) => renewed?.fence !== fence && lost.abort(),
      () => lost.abort(),
    );
  }, leaseMs / 3);
  try {
    await work({ seq, fence, signal: AbortSignal.any([options.signal, lost.signal]) });
  } finally {
    clearInterval(renewal);
    if (!lost.signal.aborted) await deps.store.write('releaseFollowers', { tenantId, name, fence }).catch(() => {});
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // An abort ends the wait; the loop sees the signal itself.
  await sleep(ms, null, { signal }).catch(() => {});
}
