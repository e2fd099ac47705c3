/**
 * What happens to a dispatch whose caller has gone (design, semantics 6): it is read on, within bounds, because a
 * provider that keeps producing keeps charging and only its end brings the true count; or it is aborted at once.
 * Explicit stops never come here.
 */

export interface DrainPolicy {
  onCallerGone: 'drain' | 'abort';
  drain: { timeoutMs: number; tokensMax: number; concurrentMax: number };
}

/** The places for drains, shared by all dispatches. */
export class Drains {
  readonly #policy: DrainPolicy;
  #active = 0;

  constructor(policy: DrainPolicy) {
    this.#policy = policy;
  }

  get active(): number {
    return this.#active;
  }

  /** A drain that begins now, or null where the policy or the number of others forbids it. */
  begin(tokensSoFar: number, onLimit: () => void): Drain | null {
    const { onCallerGone, drain } = this.#policy;
    if (onCallerGone === 'abort' || drain.timeoutMs === 0 || this.#active >= drain.concurrentMax) return null;
    this.#active++;
    return new Drain(tokensSoFar + drain.tokensMax, drain.timeoutMs, onLimit, () => this.#active--);
  }
}

export class Drain {
  readonly #tokensLimit: number;
  readonly #timer: NodeJS.Timeout;
  readonly #leave: () => void;
  #isOver = false;

  constructor(tokensLimit: number, timeoutMs: number, onLimit: () => void, leave: () => void) {
    this.#tokensLimit = tokensLimit;
    this.#leave = leave;
    this.#timer = setTimeout(onLimit, timeoutMs);
  }

  /** Whether the drain has read as many tokens as it may. */
  isSpent(tokens: number): boolean {
    return tokens > this.#tokensLimit;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#leave();
  }
}
