/**
 * Whether the machine keeps up: how late the event loop is, and how long the ledger's oldest write waits. A number of
 * runs cannot say that (a slow machine is full with ten, a fast one idles with a thousand), time can.
 *
 * What came while the loop was busy is all there at its next turn. So each turn takes in calls for a while, and what it
 * finds after that has waited too long already: it is refused, at the cost of reading its head. What a call costs later
 * makes the next turn longer, and so fewer get in: no rate has to be guessed. While there is shedding the while is short,
 * that those who are in be served soon; it is long otherwise, for a burst is not overload. The first of a turn always gets in.
 */

export interface PressureLimits {
  /** Lateness of the loop at which shedding begins, milliseconds; 0 is off. */
  eventLoopLagMaxMs: number;
  /** Wait of the ledger's oldest write at which calls are refused until it is half, milliseconds; 0 is off. */
  ledgerWaitMaxMs: number;
}

/** What waits for the ledger. */
export interface LedgerQueue {
  readonly oldestWaitMs: number;
  /** Writes that have no answer yet. */
  readonly unanswered: number;
}

export interface PressureView {
  shedding: boolean;
  eventLoopLagMs: number;
  ledgerWaitMs: number;
}

export interface PressureOptions {
  limits: () => PressureLimits;
  onChange?: (shedding: boolean, view: PressureView) => void;
  /** Calls back when the loop's present turn is over. */
  atTurnEnd?: (then: () => void) => void;
}

/** How often lateness is measured: short against the limits, long enough to cost nothing. */
const SAMPLE_EVERY_MS = 20;
/** Weight of one sample in the mean. With samples cut at twice the limit, one alone cannot reach it. */
const SAMPLE_WEIGHT = 0.3;
/**
 * So many writes that wait together for so many times the limit are calls that came faster than the ledger writes: some are
 * shed. Few that wait so long are a disk that pauses, and nobody is shed for that.
 */
const CROWD = 128;
const CROWD_WAIT_FACTOR = 2;
const CROWDED_SHARE = 0.2;
/** Runs in flight up to which nobody is shed for a late loop: so few are not what makes it late, others on this machine are. */
const FEW_RUNS = 32;
/** The part of the limit for which a turn takes calls in while there is shedding. */
const SHEDDING_SHARE = 0.5;
/** Shedding ends when nothing was refused for this long. */
const CALM_MS = 1_000;

export class Pressure {
  readonly #limits: () => PressureLimits;
  readonly #onChange: (shedding: boolean, view: PressureView) => void;
  readonly #atTurnEnd: (then: () => void) => void;
  #lagMs = 0;
  #ledgerWaitMs = 0;
  #isLedgerSlow = false;
  #isLedgerCrowded = false;
  #isShedding = false;
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** When the first call of this turn came; null: none yet. */
  #turnBegan: number | null = null;
  readonly #endTurn = (): void => {
    this.#turnBegan = null;
  };

  constructor({ limits, onChange = () => {}, atTurnEnd = setImmediate }: PressureOptions) {
    this.#limits = limits;
    this.#onChange = onChange;
    this.#atTurnEnd = atTurnEnd;
  }

  /** Whether one more call may come in beside those in flight. Times are milliseconds of a monotonic clock. */
  admit(now: number, inFlight: number): boolean {
    if (this.#isLedgerSlow) return false;
    if (inFlight < FEW_RUNS) return true;
    if (this.#turnBegan === null) {
      this.#turnBegan = now;
      this.#atTurnEnd(this.#endTurn);
      return true;
    }
    const lagMax = this.#limits().eventLoopLagMaxMs;
    const isLate = this.#isShedding || this.#lagMs >= lagMax;
    const share = this.#isLedgerCrowded ? CROWDED_SHARE : isLate ? SHEDDING_SHARE : 1;
    if (lagMax === 0 || now - this.#turnBegan < lagMax * share) return true;
    this.#refusedAt = now;
    if (!this.#isShedding) this.#change(() => (this.#isShedding = true));
    return false;
  }

  /** One measurement. */
  sample(now: number, lagMs: number, { oldestWaitMs, unanswered }: LedgerQueue): void {
    const { eventLoopLagMaxMs: lagMax, ledgerWaitMaxMs: waitMax } = this.#limits();
    this.#ledgerWaitMs = oldestWaitMs;
    this.#isLedgerCrowded = unanswered >= CROWD && oldestWaitMs >= CROWD_WAIT_FACTOR * lagMax;
    this.#lagMs += SAMPLE_WEIGHT * (Math.min(lagMs, 2 * (lagMax || lagMs)) - this.#lagMs);
    this.#change(() => {
      this.#isLedgerSlow = waitMax > 0 && oldestWaitMs >= (this.#isLedgerSlow ? waitMax / 2 : waitMax);
      if (now - this.#refusedAt >= CALM_MS || lagMax === 0) this.#isShedding = false;
    });
  }

  get view(): PressureView {
    return {
      shedding: this.#isShedding || this.#isLedgerSlow,
      eventLoopLagMs: Math.round(this.#lagMs),
      ledgerWaitMs: Math.round(this.#ledgerWaitMs),
    };
  }

  /** Measures until the returned function is called. */
  watch(ledger: LedgerQueue): () => void {
    let due = performance.now() + SAMPLE_EVERY_MS;
    const timer = setInterval(() => {
      const now = performance.now();
      this.sample(now, Math.max(0, now - due), ledger);
      due = now + SAMPLE_EVERY_MS;
    }, SAMPLE_EVERY_MS).unref();
    return () => clearInterval(timer);
  }

  #change(make: () => void): void {
    const was = this.view.shedding;
    make();
    if (this.view.shedding !== was) this.#onChange(this.view.shedding, this.view);
  }
}
