/**
 * Whose turn of a session it is, where gateways share a database: a lease by the database's clock, renewed while it is
 * held. Whoever lost one may go on for a moment; what it appends is refused, because each holder has a name of its own.
 * Where nobody else writes the database there is nothing to hold.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IdSource } from '../lib/ids.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { LANE_FREE, type LaneClaim, type SessionName } from './scripts.ts';

/** How long a gateway that vanished keeps a session from the others. */
const LEASE_MS = 10_000;
/** Another look at a lane whose end nobody told. */
const LOOK_MS = 250;

export interface Lease {
  /** Null: nobody else could have it. */
  holder: string | null;
  /** Fires when another may have it. */
  lost: AbortSignal;
  release(): Promise<void>;
}

const NEVER = new AbortController().signal;
const UNSHARED: Lease = { holder: null, lost: NEVER, release: () => Promise.resolve() };

export interface LeasesDeps {
  store: Store;
  ids: Pick<IdSource, 'next'>;
  leaseMs?: number;
}

export class SessionLeases {
  readonly #store: Store;
  readonly #ids: LeasesDeps['ids'];
  readonly #leaseMs: number;
  readonly #wakes = new Set<() => void>();

  constructor({ store, ids, leaseMs = LEASE_MS }: LeasesDeps) {
    this.#store = store;
    this.#ids = ids;
    this.#leaseMs = leaseMs;
    store.onTold((payload) => {
      if (payload === null || payload === LANE_FREE) for (const wake of this.#wakes) wake();
    });
  }

  /** Waits until the lane is ours. Rejects when the signal fires, or with the database's refusal. */
  async hold(name: SessionName, signal: AbortSignal): Promise<Lease> {
    if (this.#store.exclusive) return UNSHARED;
    const claim: LaneClaim = { ...name, holder: this.#ids.next('lan'), leaseMs: this.#leaseMs };
    while (!(await this.#claim(claim))) await this.#freed(signal);
    const lost = new AbortController();
    let renewed: Promise<void> = Promise.resolve();
    const renewal = setInterval(() => {
      renewed = this.#renew(claim, lost);
    }, this.#leaseMs / 3);
    return {
      holder: claim.holder,
      lost: lost.signal,
      release: async () => {
        clearInterval(renewal);
        // One that is on its way would take the lane once more, and nobody would give it back.
        await renewed;
        const { leaseMs: _, ...held } = claim;
        // What is not released runs out.
        await this.#store.write('releaseLanes', held).catch(() => {});
      },
    };
  }

  #claim(claim: LaneClaim): Promise<boolean> {
    return this.#store.write<boolean>('claimLanes', claim);
  }

  async #renew(claim: LaneClaim, lost: AbortController): Promise<void> {
    try {
      if (!(await this.#claim(claim))) lost.abort();
    } catch (error) {
      // A database that is away renews nobody's; the next claim tells.
      if (!(error instanceof StoreUnavailable)) lost.abort();
    }
  }

  async #freed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakes.add(resolve);
    try {
      await Promise.race([promise, sleep(LOOK_MS, null, { signal })]);
    } finally {
      this.#wakes.delete(resolve);
    }
  }
}
