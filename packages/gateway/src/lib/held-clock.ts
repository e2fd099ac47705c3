/**
 * A wall clock held near another one, which many share: further ahead of it than allowed it is not believed, and the shared
 * one is shown instead. Between two looks at the shared clock the monotonic one counts on, so that a clock that is set
 * wrong is noticed at once. One that is behind is left alone: dates never go back anyway.
 */
import type { Clock } from './clock.ts';

export class HeldClock implements Clock {
  readonly #clock: Clock;
  readonly #aheadMaxMs: number;
  /** What the shared clock shows when the monotonic one shows 0; null until it was looked at. */
  #sharedAtZeroMs: number | null = null;

  constructor(clock: Clock, aheadMaxMs: number) {
    this.#clock = clock;
    this.#aheadMaxMs = aheadMaxMs;
  }

  now(): number {
    const own = this.#clock.now();
    if (this.#sharedAtZeroMs === null) return own;
    const shared = this.#sharedAtZeroMs + this.#clock.monotonic();
    return own - shared <= this.#aheadMaxMs ? own : Math.floor(shared);
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  /** Looks at the shared clock; gives how far ahead of it this machine's own is, and whether that is too far. */
  async look(shared: () => Promise<number>): Promise<{ aheadMs: number; isHeld: boolean }> {
    const askedAt = this.#clock.monotonic();
    const shown = await shared();
    const between = (askedAt + this.#clock.monotonic()) / 2;
    this.#sharedAtZeroMs = shown - between;
    const aheadMs = Math.round(this.#clock.now() - this.#sharedAtZeroMs - this.#clock.monotonic());
    return { aheadMs, isHeld: aheadMs > this.#aheadMaxMs };
  }
}
