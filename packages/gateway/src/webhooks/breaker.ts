/**
 * Keeps an endpoint that is down from being asked for every event: after some failures in a row it opens, and one attempt
 * at a time finds out whether the receiver is back. What it holds back stays in the log, so nothing waits in memory.
 */

const FAILURES_MAX = 5;
/** The pause grows to this many times the endpoint's first delay: with 5 s, a receiver that is back is seen within 30 s. */
const PAUSE_FACTOR_MAX = 6;

export class Breaker {
  readonly #firstMs: number;
  #failures = 0;
  #pauses = 0;
  #until = 0;
  #isProbing = false;

  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  get isOpen(): boolean {
    return this.#failures >= FAILURES_MAX;
  }

  /** Milliseconds until an attempt may begin; infinite while one is finding out. `now` is monotonic. */
  waitMs(now: number): number {
    if (!this.isOpen) return 0;
    return this.#isProbing ? Number.POSITIVE_INFINITY : Math.max(0, this.#until - now);
  }

  began(): void {
    if (this.isOpen) this.#isProbing = true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#pauses = 0;
    this.#isProbing = false;
  }

  /** Attempts that were under way when it opened change nothing any more: only the one that finds out makes it wait longer. */
  failed(now: number): void {
    if (this.isOpen && !this.#isProbing) return;
    this.#isProbing = false;
    this.#failures += 1;
    if (!this.isOpen) return;
    this.#until = now + this.#firstMs * Math.min(2 ** this.#pauses, PAUSE_FACTOR_MAX);
    this.#pauses += 1;
  }
}
