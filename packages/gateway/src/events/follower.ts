/**
 * A follower reads the log at its own pace under a name, and remembers how far it got. It moves its cursor only after
 * its receiver took the event: delivery is at least once, and an event's id tells a repeat. Of the gateways on one
 * database one runs it at a time, by a lease that it renews; another takes over when the lease runs out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventEnvelope } from '@weighbridge/protocol';
import type { Clock } from '../lib/clock.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import type { EventLog } from './log.ts';
import type { Claim, ClaimInput, CursorInput } from './scripts.ts';

/** How long a holder that vanished keeps a follower from the others. */
const LEASE_MS = 10_000;
/** Pause before another try while the database is away. */
const AWAY_MS = 250;

export interface FollowerDeps {
  log: EventLog;
  store: Store;
  clock: Clock;
  /** Who claims: this process. */
  holder: string;
}

export interface FollowerOptions {
  /** Unique inside the tenant; the cursor is kept under it. */
  name: string;
  tenantId: string;
  types: readonly string[] | null;
  /** Takes one event; when it rejects, following stops with that error and the cursor stays before the event. */
  receive: (event: EventEnvelope) => Promise<void>;
  signal: AbortSignal;
  leaseMs?: number;
}

/** Follows until the signal, from where the cursor stands, whenever the lease is ours. A database that is away is waited for. */
export async function runFollower(deps: FollowerDeps, options: FollowerOptions): Promise<void> {
  const { signal, leaseMs = LEASE_MS } = options;
  while (!signal.aborted) {
    try {
      const claim = await claimFollower(deps, options);
      if (claim) await followWhileHeld(deps, options, claim);
      else await pause(leaseMs / 3, signal);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await pause(AWAY_MS, signal);
    }
  }
}

function claimFollower({ store, holder }: FollowerDeps, options: FollowerOptions): Promise<Claim> {
  const { tenantId, name, leaseMs = LEASE_MS } = options;
  return store.write<Claim>('claimFollowers', { tenantId, name, holder, leaseMs } satisfies ClaimInput);
}

/** Returns when the signal fires or the lease is lost; gives the lease back in the first case. */
async function followWhileHeld(deps: FollowerDeps, options: FollowerOptions, claim: NonNullable<Claim>): Promise<void> {
  const { tenantId, name, types, leaseMs = LEASE_MS } = options;
  const { fence } = claim;
  const lost = new AbortController();
  const renewal = setInterval(() => {
    claimFollower(deps, options).then(
      (renewed) => renewed?.fence !== fence && lost.abort(),
      () => lost.abort(),
    );
  }, leaseMs / 3);
  const signal = AbortSignal.any([options.signal, lost.signal]);
  try {
    for await (const event of deps.log.follow({ afterSeq: claim.seq, tenantId, types, signal })) {
      await options.receive(event);
      const move: CursorInput = { tenantId, name, fence, seq: event.seq, now: deps.clock.now() };
      if (!(await deps.store.write<boolean>('moveCursors', move))) return;
    }
  } finally {
    clearInterval(renewal);
    if (!lost.signal.aborted) await deps.store.write('releaseFollowers', { tenantId, name, fence }).catch(() => {});
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // An abort ends the wait; the loop sees the signal itself.
  await sleep(ms, null, { signal }).catch(() => {});
}
