/**
 * Whether the machine keeps up: how late the event loop is, and how long the ledger's oldest write waits. A number of
 * runs cannot say that (a slow machine is full with ten, a fast one idles with a thousand), time can.
 *
 * What came while the loop was busy is all there at its next turn, and every call that gets in makes the turns longer that
 * it still needs to be answered. So a loop that is late takes in few calls at each turn and refuses the rest, at the cost of
 * reading its head: turns stay short, and short turns are what keeps the admitted fast and refusals quick. No rate has to be
 * guessed: there are as many turns as the machine can do. A burst is not overload: a thousand calls more than that get in
 * before anybody is refused, and as many again only when the loop has kept up for a while.
 */

export interface PressureLimits {
  /** Lateness of the loop, in the mean, from which on it takes in few calls at each turn, milliseconds; 0 is off. */
  eventLoopLagMaxMs: number;
  /** Wait of the ledger's oldest write at which calls are refused until it is half, milliseconds; 0 is off. */
  ledgerWaitMaxMs: number;
}

/** What waits for the ledger. */
export interface LedgerQueue {
  readonly oldestWaitMs: number;
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
/** Calls that a late loop takes in at one turn. Few, that turns be short; more than one, that a slow turn be worth it. */
const TURN_CALLS = 8;
/** Calls that get in all the same after a time without lateness, and how long it must have lasted for all of them. */
const BURST_CALLS = 1000;
const BURST_REGAINED_MS = 10_000;
/** Runs in flight up to which nobody is shed for a late loop: so few are not what makes it late, others on this machine are. */
const FEW_RUNS = 32;
/** Shedding ends when nothing was refused for this long. */
const CALM_MS = 1_000;

export class Pressure {
  readonly #limits: () => PressureLimits;
  readonly #onChange: (shedding: boolean, view: PressureView) => void;
  readonly #atTurnEnd: (then: () => void) => void;
  #lagMs = 0;
  #ledgerWaitMs = 0;
  #isLedgerSlow = false;
  #ledger: LedgerQueue = { oldestWaitMs: 0 };
  #isShedding = false;
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** Calls that came in at this turn of the loop. */
  #turnCalls = 0;
  #isInTurn = false;
  #burst = BURST_CALLS;
  #sampledAt: number | null = null;
  readonly #endTurn = (): void => {
    this.#isInTurn = false;
    this.#turnCalls = 0;
  };

  constructor({ limits, onChange = () => {}, atTurnEnd = setImmediate }: PressureOptions) {
    this.#limits = limits;
    this.#onChange = onChange;
    this.#atTurnEnd = atTurnEnd;
  }

  /** Whether one more call may come in beside those in flight. Times are milliseconds of a monotonic clock. */
  admit(now: number, inFlight: number): boolean {
    // Looked at again: the last sample may be older than the ledger's recovery.
    if (this.#isLedgerSlow && this.#isLedgerSlowNow()) return false;
    const lagMax = this.#limits().eventLoopLagMaxMs;
    if (lagMax === 0) return true;
    if (!this.#isInTurn) {
      this.#isInTurn = true;
      this.#atTurnEnd(this.#endTurn);
    }
    this.#turnCalls++;
    if (this.#turnCalls <= TURN_CALLS || inFlight < FEW_RUNS || !this.#isLate(lagMax)) return true;
    if (this.#burst >= 1) {
      this.#burst--;
      return true;
    }
    this.#refusedAt = now;
    if (!this.#isShedding) this.#change(() => (this.#isShedding = true));
    return false;
  }

  #isLate(lagMax: number): boolean {
    return this.#isShedding || this.#lagMs >= lagMax;
  }

  /** From the limit on, until it is half of that. */
  #isLedgerSlowNow(): boolean {
    const { ledgerWaitMaxMs: waitMax } = this.#limits();
    return waitMax > 0 && this.#ledger.oldestWaitMs >= (this.#isLedgerSlow ? waitMax / 2 : waitMax);
  }

  /** One measurement. */
  sample(now: number, lagMs: number, ledger: LedgerQueue): void {
    const lagMax = this.#limits().eventLoopLagMaxMs;
    this.#ledger = ledger;
    this.#ledgerWaitMs = ledger.oldestWaitMs;
    const sinceMs = this.#sampledAt === null ? 0 : now - this.#sampledAt;
    this.#sampledAt = now;
    this.#lagMs += SAMPLE_WEIGHT * (Math.min(lagMs, 2 * (lagMax || lagMs)) - this.#lagMs);
    this.#change(() => {
      this.#isLedgerSlow = this.#isLedgerSlowNow();
      if (now - this.#refusedAt >= CALM_MS || lagMax === 0) this.#isShedding = false;
    });
    if (!this.#isLate(lagMax))
      this.#burst = Math.min(BURST_CALLS, this.#burst + (BURST_CALLS * sinceMs) / BURST_REGAINED_MS);
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
