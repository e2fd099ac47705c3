/**
 * How gateways that share a database know which of them live. Each renews a lease; whoever's lease has run out is dead,
 * and what it left open is settled as uncertain. Only who has renewed its own for a whole lease without a gap may judge:
 * when the server itself was away, nobody could renew, and everybody would look dead to whoever comes back first.
 */
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';

/** Beats in one lease: two may be lost before others take an instance for dead. */
const BEATS_PER_LEASE = 3;

export interface HeartbeatDeps {
  store: Pick<Store, 'write'>;
  clock: Pick<Clock, 'monotonic'>;
  instanceId: string;
  leaseMs: number;
  /** Settles what the dead left open; gives how many entries that were. */
  recoverDead: () => Promise<number>;
  /** Told of each beat that was written. */
  onBeat?: () => void;
  /** Told of each recovery that found something. */
  onRecovered: (entries: number) => void;
}

export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  #timer: NodeJS.Timeout | null = null;
  /** Since when every beat came in time; null while one is late. */
  #steadySinceMs: number | null = null;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #beating: Promise<void> = Promise.resolve();

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  /** Resolves when the first beat is written: from then on others know that this instance lives. */
  async start(): Promise<void> {
    await this.#write();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#beating;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat().finally(() => this.#schedule());
    }, this.#deps.leaseMs / BEATS_PER_LEASE);
  }

  async #beat(): Promise<void> {
    try {
      await this.#write();
      if (!this.#mayJudge()) return;
      const entries = await this.#deps.recoverDead();
      if (entries > 0) this.#deps.onRecovered(entries);
    } catch {
      // The database is away; the store says so. Judging starts anew when it is back.
      this.#steadySinceMs = null;
    }
  }

  async #write(): Promise<void> {
    const { store, clock, instanceId, leaseMs, onBeat = () => {} } = this.#deps;
    await store.write('beat', { instanceId, leaseMs });
    const now = clock.monotonic();
    if (now - this.#lastBeatMs > leaseMs || this.#steadySinceMs === null) this.#steadySinceMs = now;
    this.#lastBeatMs = now;
    onBeat();
  }

  #mayJudge(): boolean {
    return this.#steadySinceMs !== null && this.#lastBeatMs - this.#steadySinceMs >= this.#deps.leaseMs;
  }
}
