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
import type { Claim, ClaimInput, CursorInput, FollowerName } from './scripts.ts';

/** How long a holder that vanished keeps a follower from the others. */
const LEASE_MS = 10_000;
/** The holder on a database that has one process. */
const ALONE = 'alone';
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
export function runFollower(deps: FollowerDeps, options: FollowerOptions): Promise<void> {
  const { tenantId, name, types } = options;
  return holdFollower(deps, options, async ({ seq, fence, signal }) => {
    for await (const event of deps.log.follow({ afterSeq: seq, tenantId, types, signal })) {
      await options.receive(event);
      const move: CursorInput = { tenantId, name, fence, seq: event.seq, now: deps.clock.now() };
      if (!(await deps.store.write<boolean>('moveCursors', move))) return;
    }
  });
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
}

/** Works whenever the lease is ours, until the signal; for a follower that has a way of its own to receive. */
export async function holdFollower(
  deps: Pick<FollowerDeps, 'store' | 'holder'>,
  options: HoldOptions,
  work: (hold: Hold) => Promise<void>,
): Promise<void> {
  const { signal, leaseMs = LEASE_MS } = options;
  while (!signal.aborted) {
    try {
      const claim = await claimFollower(deps, options);
      if (claim) await workWhileHeld(deps, options, claim, work);
      else await pause(leaseMs / 3, signal);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await pause(AWAY_MS, signal);
    }
  }
}

function claimFollower(
  { store, holder }: Pick<FollowerDeps, 'store' | 'holder'>,
  options: HoldOptions,
): Promise<Claim> {
  const { tenantId, name, leaseMs = LEASE_MS } = options;
  // Where nobody else can be, whoever held it before is dead: its lease is not waited for.
  const by = store.exclusive ? ALONE : holder;
  return store.write<Claim>('claimFollowers', { tenantId, name, holder: by, leaseMs } satisfies ClaimInput);
}

/** Returns when the work does: the signal fired or the lease is lost. Gives the lease back in the first case. */
async function workWhileHeld(
  deps: Pick<FollowerDeps, 'store' | 'holder'>,
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
