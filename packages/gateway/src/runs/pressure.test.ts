/** What begins shedding, what does not, how much still gets in, and when it ends: on a machine of numbers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pressure, type PressureLimits } from './pressure.ts';

const LIMITS: PressureLimits = { eventLoopLagMaxMs: 30, ledgerWaitMaxMs: 1000 };
/** What calls cost: while they come in, after that, and when they are refused. Alone the machine does 1000 a second. */
const ENTER_MS = 0.3;
const LATER_MS = 0.7;
const REFUSE_MS = 0.08;
const CAN_DO = 1000 / (ENTER_MS + LATER_MS);

/** Runs in flight, of which a few would never be shed. */
const MANY = 100;
const NOTHING_WAITS = { oldestWaitMs: 0 };

/** An event loop whose turns take as long as the work in them. */
class Machine {
  now = 10_000;
  admitted = 0;
  refused = 0;
  longestTurnMs = 0;
  readonly changes: boolean[] = [];
  readonly pressure: Pressure;
  #later = 0;
  #sampledAt = 10_000;
  #endTurn: () => void = () => {};

  constructor(limits: Partial<PressureLimits> = {}) {
    this.pressure = new Pressure({
      limits: () => ({ ...LIMITS, ...limits }),
      onChange: (shedding) => this.changes.push(shedding),
      atTurnEnd: (then) => {
        this.#endTurn = then;
      },
    });
  }

  /** Callers come `perSecond`; `pauseMs` of each turn are taken by something else. */
  run(forMs: number, perSecond: number, pauseMs = 0): this {
    const end = this.now + forMs;
    let due = 0;
    let before = this.now;
    while (this.now < end) {
      const began = this.now;
      due += (perSecond * (began - before)) / 1000;
      before = began;
      this.now += 1 + pauseMs + this.#later * LATER_MS;
      this.#later = 0;
      for (; due >= 1; due--) this.#arrive();
      this.#endTurn();
      this.longestTurnMs = Math.max(this.longestTurnMs, this.now - began);
      if (this.now - this.#sampledAt >= 20) this.#sample();
    }
    return this;
  }

  /** Others took the machine for a while. */
  makeLate(): void {
    for (let sample = 0; sample < 10; sample++) this.pressure.sample(this.now, 100, NOTHING_WAITS);
  }

  #arrive(): void {
    if (this.pressure.admit(this.now, MANY)) {
      this.admitted++;
      this.#later++;
      this.now += ENTER_MS;
    } else {
      this.refused++;
      this.now += REFUSE_MS;
    }
  }

  #sample(): void {
    this.pressure.sample(this.now, this.now - this.#sampledAt - 20, NOTHING_WAITS);
    this.#sampledAt = this.now;
  }
}

test('a machine that keeps up refuses nobody', () => {
  const machine = new Machine().run(5000, CAN_DO * 0.8);
  assert.equal(machine.refused, 0);
  assert.deepEqual(machine.changes, []);
});

test('a burst, or one long pause, is not overload', () => {
  const machine = new Machine().run(1000, CAN_DO / 4);
  machine.run(2, 500_000);
  machine.run(1000, CAN_DO / 4);
  machine.run(1, CAN_DO / 4, 300);
  machine.run(2000, CAN_DO / 4);
  assert.equal(machine.refused, 0);
});

test('with four times its load a machine does nearly what it can, in short turns, and shedding ends when the load does', () => {
  const machine = new Machine().run(2000, CAN_DO / 2);
  machine.run(4000, 4 * CAN_DO);
  assert.deepEqual(machine.changes, [true]);
  const before = machine.admitted;
  const startedAt = machine.now;
  machine.longestTurnMs = 0;
  machine.run(10_000, 4 * CAN_DO);
  const perSecond = ((machine.admitted - before) * 1000) / (machine.now - startedAt);
  const left = 1 - 3 * CAN_DO * (REFUSE_MS / 1000);
  assert.ok(perSecond > CAN_DO * left * 0.8, `${perSecond} calls a second`);
  assert.ok(machine.longestTurnMs < 30, `a turn took ${machine.longestTurnMs} ms`);
  machine.run(3000, CAN_DO / 4);
  assert.deepEqual(machine.changes, [true, false]);
});

test('a thousand calls at once get in, also where the loop is late; not a second thousand before it has kept up for a while', () => {
  const machine = new Machine();
  machine.makeLate();
  machine.run(2, 1_000_000);
  assert.equal(machine.refused, 0);
  machine.run(100, CAN_DO / 4);
  machine.makeLate();
  machine.run(2, 1_000_000);
  assert.ok(machine.refused > 900, `${machine.refused} were refused`);
  const before = machine.refused;
  machine.run(15_000, CAN_DO / 4);
  machine.makeLate();
  machine.run(2, 1_000_000);
  assert.equal(machine.refused, before);
});

test('a machine that others keep busy does not refuse who comes seldom', () => {
  const machine = new Machine().run(20_000, 2, 300);
  assert.equal(machine.refused, 0);
});

test('a ledger that waits too long refuses everybody until it waits half as long', () => {
  const { pressure, changes } = new Machine();
  pressure.sample(1, 0, { oldestWaitMs: 999 });
  assert.equal(pressure.admit(2, MANY), true);
  pressure.sample(3, 0, { oldestWaitMs: 1000 });
  assert.equal(pressure.admit(4, MANY), false);
  pressure.sample(5, 0, { oldestWaitMs: 501 });
  assert.equal(pressure.admit(6, MANY), false);
  pressure.sample(7, 0, { oldestWaitMs: 499 });
  assert.equal(pressure.admit(8, MANY), true);
  assert.deepEqual(changes, [true, false]);
});

test('a call that comes right after the ledger recovered is not refused for what was measured before', () => {
  const { pressure } = new Machine();
  const ledger = { oldestWaitMs: 1000 };
  pressure.sample(1, 0, ledger);
  assert.equal(pressure.admit(2, MANY), false);
  ledger.oldestWaitMs = 0;
  assert.equal(pressure.admit(3, MANY), true);
});

test('a late loop takes in a few calls at each turn, and more only while hardly any are in flight', () => {
  const machine = new Machine();
  machine.makeLate();
  machine.run(2, 1_100_000);
  const admitted = (inFlight: number) =>
    Array.from({ length: 40 }, () => machine.pressure.admit(machine.now, inFlight));
  assert.equal(admitted(MANY).filter(Boolean).length, 8);
  assert.equal(admitted(10).filter(Boolean).length, 40);
});

test('limits of 0 are off', () => {
  const machine = new Machine({ eventLoopLagMaxMs: 0, ledgerWaitMaxMs: 0 });
  machine.pressure.sample(machine.now, 0, { oldestWaitMs: 1e9 });
  machine.run(3000, 2 * CAN_DO);
  assert.equal(machine.refused, 0);
});
