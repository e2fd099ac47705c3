/** A clock that goes wrong beside one that is shared. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldClock } from './held-clock.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const DAY_MS = 86_400_000;

test('a clock far ahead of the shared one is not believed, from the moment it is set wrong until it is right again', async () => {
  const own = { wall: NOON, passed: 5_000 };
  const clock = new HeldClock({ now: () => own.wall, monotonic: () => own.passed }, 60_000);
  assert.equal(clock.now(), NOON, 'nothing is known of the other yet');
  assert.deepEqual(await clock.look(async () => NOON - 59_000), { aheadMs: 59_000, isHeld: false });
  assert.equal(clock.now(), NOON, 'a little ahead is its own business');
  own.wall += DAY_MS;
  own.passed += 1_000;
  assert.equal(clock.now(), NOON - 58_000, 'the shared clock, counted on by a second');
  assert.deepEqual(await clock.look(async () => NOON), { aheadMs: DAY_MS, isHeld: true });
  own.wall = NOON + 10_000;
  own.passed += 10_000;
  assert.equal(clock.now(), NOON + 10_000);
});

test('a clock that is behind the shared one is left alone', async () => {
  const clock = new HeldClock({ now: () => NOON, monotonic: () => 0 }, 60_000);
  assert.deepEqual(await clock.look(async () => NOON + DAY_MS), { aheadMs: -DAY_MS, isHeld: false });
  assert.equal(clock.now(), NOON);
});
