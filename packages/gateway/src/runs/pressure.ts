/**
 * Whether the machine keeps up: how late the event loop is, and how long the ledger's oldest write waits. A number of
 * runs cannot say that (a slow machine is full with ten, a fast one idles with a thousand), lateness can.
 *
 * When the loop is late on average, calls are admitted at a rate, a little below what was admitted until then; the rate
 * falls while the loop stays late and rises while it does not, and the shedding ends when nothing had to be refused for
 * a while. A single pause (a garbage collection, a stolen core) is not enough to begin. No timer is here: see `watch`.
 */

export interface PressureLimits {
  /** Mean lateness at which shedding begins, milliseconds; 0 is off. */
  eventLoopLagMaxMs: number;
  /** Wait of the ledger's oldest write at which calls are refused until it is half, milliseconds; 0 is off. */
  ledgerWaitMaxMs: number;
}

export interface PressureView {
  shedding: boolean;
  eventLoopLagMs: number;
  ledgerWaitMs: number;
}

/** How often lateness is measured: short against the limits, long enough to cost nothing. */
const SAMPLE_EVERY_MS = 20;
/** Weight of one sample in the mean. With samples cut at twice the limit, one alone cannot reach it. */
const SAMPLE_WEIGHT = 0.3;
/** How often the rate is corrected. */
const CORRECT_EVERY_MS = 100;
const FALL = 0.85;
const RISE = 1.05;
const RISE_PER_SECOND = 5;
/** Some calls always get through: who comes seldom is not what makes the loop late, and somebody must see that there is room again. */
const RATE_MIN = 10;
/** Calls of this much time may be admitted at once, but never fewer than these. */
const BURST_MS = 20;
const BURST_MIN = 10;
/** Shedding ends when nothing was refused for this long. */
const CALM_MS = 1_000;
/** Time over which the rate of admissions is measured while there is no shedding. */
const RATE_WINDOW_MS = 500;

export class Pressure {
  readonly #limits: () => PressureLimits;
  readonly #onChange: (shedding: boolean, view: PressureView) => void;
  #lagMs = 0;
  #ledgerWaitMs = 0;
  #isLedgerSlow = false;
  #isShedding = false;
  #ratePerSecond = 0;
  #allowance = 0;
  #refilledAt = 0;
  #refusedAt = 0;
  #correctedAt = 0;
  #admitted = 0;
  #windowAt = 0;
  #admittedPerSecond = 0;

  constructor(limits: () => PressureLimits, onChange: (shedding: boolean, view: PressureView) => void = () => {}) {
    this.#limits = limits;
    this.#onChange = onChange;
  }

  /** Takes a place for one call; false: it must be refused. Times are milliseconds of a monotonic clock. */
  admit(now: number): boolean {
    if (this.#isLedgerSlow) return false;
    if (this.#isShedding && !this.#take(now)) {
      this.#refusedAt = now;
      return false;
    }
    this.#admitted++;
    return true;
  }

  /** One measurement. */
  sample(now: number, lagMs: number, ledgerWaitMs: number): void {
    const { eventLoopLagMaxMs: lagMax, ledgerWaitMaxMs: waitMax } = this.#limits();
    const was = this.view.shedding;
    this.#ledgerWaitMs = ledgerWaitMs;
    this.#isLedgerSlow = waitMax > 0 && ledgerWaitMs >= (this.#isLedgerSlow ? waitMax / 2 : waitMax);
    this.#lagMs += SAMPLE_WEIGHT * (Math.min(lagMs, 2 * (lagMax || lagMs)) - this.#lagMs);
    this.#measureRate(now);
    if (lagMax === 0) this.#isShedding = false;
    else if (!this.#isShedding) this.#beginIfLate(now, lagMax);
    else this.#correct(now, lagMax);
    if (this.view.shedding !== was) this.#onChange(this.view.shedding, this.view);
  }

  get view(): PressureView {
    return {
      shedding: this.#isShedding || this.#isLedgerSlow,
      eventLoopLagMs: Math.round(this.#lagMs),
      ledgerWaitMs: Math.round(this.#ledgerWaitMs),
    };
  }

  /** Measures until the returned function is called. */
  watch(ledgerWaitMs: () => number): () => void {
    let due = performance.now() + SAMPLE_EVERY_MS;
    const timer = setInterval(() => {
      const now = performance.now();
      this.sample(now, Math.max(0, now - due), ledgerWaitMs());
      due = now + SAMPLE_EVERY_MS;
    }, SAMPLE_EVERY_MS).unref();
    return () => clearInterval(timer);
  }

  #beginIfLate(now: number, lagMax: number): void {
    if (this.#lagMs < lagMax || this.#comingPerSecond(now) < RATE_MIN) return;
    this.#isShedding = true;
    this.#ratePerSecond = Math.max(RATE_MIN, this.#comingPerSecond(now) * FALL);
    this.#allowance = BURST_MIN;
    this.#refilledAt = this.#correctedAt = this.#refusedAt = now;
  }

  #correct(now: number, lagMax: number): void {
    if (now - this.#refusedAt >= CALM_MS && this.#lagMs < lagMax / 2) {
      this.#isShedding = false;
      return;
    }
    if (now - this.#correctedAt < CORRECT_EVERY_MS) return;
    this.#correctedAt = now;
    // A rate that nobody uses up says nothing about how much would be too much.
    const isUsed = now - this.#refusedAt < CORRECT_EVERY_MS * 2;
    if (this.#lagMs > lagMax / 2) this.#ratePerSecond = Math.max(RATE_MIN, this.#ratePerSecond * FALL);
    else if (isUsed) this.#ratePerSecond = this.#ratePerSecond * RISE + RISE_PER_SECOND;
  }

  #take(now: number): boolean {
    const burst = Math.max(BURST_MIN, (this.#ratePerSecond * BURST_MS) / 1000);
    this.#allowance = Math.min(burst, this.#allowance + (this.#ratePerSecond * (now - this.#refilledAt)) / 1000);
    this.#refilledAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  /** Of the last window, or of the present one if that has seen more. */
  #comingPerSecond(now: number): number {
    return Math.max(this.#admittedPerSecond, (this.#admitted * 1000) / Math.max(RATE_WINDOW_MS, now - this.#windowAt));
  }

  #measureRate(now: number): void {
    const elapsedMs = now - this.#windowAt;
    if (elapsedMs < RATE_WINDOW_MS) return;
    this.#admittedPerSecond = (this.#admitted * 1000) / elapsedMs;
    this.#admitted = 0;
    this.#windowAt = now;
  }
}
