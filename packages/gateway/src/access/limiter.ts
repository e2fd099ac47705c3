/**
 * Counts failed sign-ins by source and locks a source out for a while after too many. It is asked only after a credential
 * was found wrong, never before: a correct one is not locked out by whoever else fails at the same address.
 * Bounded: of too many sources the one that failed longest ago is forgotten.
 */
import type { GatewayConfig } from '../domain/config.ts';
import type { Clock } from '../lib/clock.ts';

interface Failures {
  count: number;
  windowEndsAt: number;
  /** 0: not locked. */
  lockedUntil: number;
}

export class FailureLimiter {
  readonly #limits: GatewayConfig['auth']['rateLimit'];
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #bySource = new Map<string, Failures>();

  constructor(limits: GatewayConfig['auth']['rateLimit'], clock: Pick<Clock, 'monotonic'>) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get sources(): number {
    return this.#bySource.size;
  }

  /** Counts wrong guesses. 0: still allowed to try; otherwise the milliseconds until it is again. */
  fail(source: string, guesses: number): number {
    const now = this.#clock.monotonic();
    const known = this.#bySource.get(source);
    const failures = known !== undefined && !isOver(known, now) ? known : this.#fresh(now);
    // Put anew, so that the map's order is by the last failure.
    this.#bySource.delete(source);
    this.#bySource.set(source, failures);
    this.#forgetOldest();
    if (failures.lockedUntil > now) return failures.lockedUntil - now;
    failures.count += guesses;
    if (failures.count >= this.#limits.maxAttempts) failures.lockedUntil = now + this.#limits.lockoutMs;
    return 0;
  }

  #fresh(now: number): Failures {
    return { count: 0, windowEndsAt: now + this.#limits.windowMs, lockedUntil: 0 };
  }

  #forgetOldest(): void {
    if (this.#bySource.size <= this.#limits.sourcesMax) return;
    for (const source of this.#bySource.keys()) {
      this.#bySource.delete(source);
      return;
    }
  }
}

function isOver(failures: Failures, now: number): boolean {
  return failures.lockedUntil > 0 ? failures.lockedUntil <= now : failures.windowEndsAt <= now;
}
