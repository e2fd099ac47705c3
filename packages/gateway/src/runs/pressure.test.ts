/** What begins shedding, what does not, how much still gets in, and when it ends: on a clock of the test's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pressure, type PressureLimits } from './pressure.ts';

const LIMITS: PressureLimits = { eventLoopLagMaxMs: 50, ledgerWaitMaxMs: 1000 };
const EVERY_MS = 20;

/** A loop that is `lagMs` late at every look, and callers that come `perSecond`. */
class Machine {
  now = 10_000;
  admitted = 0;
  refused = 0;
  readonly changes: boolean[] = [];
  readonly pressure: Pressure;

  constructor(limits: Partial<PressureLimits> = {}) {
    this.pressure = new Pressure(
      () => ({ ...LIMITS, ...limits }),
      (shedding) => this.changes.push(shedding),
    );
  }

  /** `lagMs` may follow what was admitted since the last look. */
  run(forMs: number, lagMs: number | ((admitted: number, elapsedMs: number) => number), perSecond: number): this {
    const end = this.now + forMs;
    let due = 0;
    let admittedBefore = this.admitted;
    let lag = 0;
    while (this.now < end) {
      const elapsed = EVERY_MS + lag;
      this.now += elapsed;
      due += (perSecond * elapsed) / 1000;
      for (; due >= 1; due--) {
        if (this.pressure.admit(this.now)) this.admitted++;
        else this.refused++;
      }
      const taken = this.admitted - admittedBefore;
      admittedBefore = this.admitted;
      lag = typeof lagMs === 'number' ? lagMs : lagMs(taken, elapsed);
      this.pressure.sample(this.now, lag, 0);
    }
    return this;
  }
}

test('a loop that keeps up refuses nobody', () => {
  const machine = new Machine().run(5000, 10, 3000);
  assert.equal(machine.refused, 0);
  assert.deepEqual(machine.changes, []);
});

test('one long pause is not overload', () => {
  const machine = new Machine().run(1000, 2, 500);
  machine.run(1, 900, 500);
  machine.run(2000, 2, 500);
  assert.equal(machine.refused, 0);
});

test('a machine with four times its load admits about what it can do, stays below the limit, and ends when the load does', () => {
  const canDo = 1000;
  // Each admitted call takes a thousandth of a second, each refused one a hundredth of that.
  const late = (admitted: number, elapsedMs: number): number =>
    Math.max(0, (admitted * 1000) / canDo + ((4 * canDo * elapsedMs) / 1000) * 0.01 - EVERY_MS);
  const machine = new Machine().run(2000, 0, canDo / 2);
  machine.run(3000, late, 4 * canDo);
  assert.deepEqual(machine.changes, [true]);
  const before = machine.admitted;
  const startedAt = machine.now;
  let worst = 0;
  for (let second = 0; second < 10; second++) {
    machine.run(1000, late, 4 * canDo);
    worst = Math.max(worst, machine.pressure.view.eventLoopLagMs);
  }
  const perSecond = ((machine.admitted - before) * 1000) / (machine.now - startedAt);
  assert.ok(perSecond > canDo * 0.6 && perSecond <= canDo * 1.05, `${perSecond} calls a second`);
  assert.ok(worst < LIMITS.eventLoopLagMaxMs, `${worst} ms late`);
  machine.run(3000, 0, canDo / 4);
  assert.deepEqual(machine.changes, [true, false]);
});

test('however late the loop, some calls get in', () => {
  const machine = new Machine().run(20_000, 500, 1000);
  const before = machine.admitted;
  machine.run(10_000, 500, 1000);
  assert.ok(machine.admitted > before);
});

test('a machine that others keep busy does not refuse who comes seldom', () => {
  const machine = new Machine().run(20_000, 300, 2);
  assert.deepEqual(machine.changes, []);
  assert.equal(machine.refused, 0);
});

test('a ledger that waits too long refuses everybody until it waits half as long', () => {
  const { pressure, changes } = new Machine();
  pressure.sample(1, 0, 999);
  assert.equal(pressure.admit(2), true);
  pressure.sample(3, 0, 1000);
  assert.equal(pressure.admit(4), false);
  pressure.sample(5, 0, 501);
  assert.equal(pressure.admit(6), false);
  pressure.sample(7, 0, 499);
  assert.equal(pressure.admit(8), true);
  assert.deepEqual(changes, [true, false]);
});

test('limits of 0 are off', () => {
  const machine = new Machine({ eventLoopLagMaxMs: 0, ledgerWaitMaxMs: 0 });
  machine.pressure.sample(machine.now, 0, 1e9);
  machine.run(5000, 400, 1000);
  assert.equal(machine.refused, 0);
});
