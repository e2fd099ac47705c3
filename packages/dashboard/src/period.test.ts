/** Periods that are compared are as long as what has passed, by the clocks of the zone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PeriodBefore, periodBefore, periodOf, type Range } from './period.ts';

const at = (text: string): number => Date.parse(text);

function before(range: Range, now: string, zone = 'UTC'): [string, string, PeriodBefore['bucket']] {
  const period = periodOf(range, zone, at(now));
  const { fromMs, toMs, bucket } = periodBefore(range, period, zone, at(now));
  return [new Date(fromMs).toISOString().slice(0, 16), new Date(toMs).toISOString().slice(0, 16), bucket];
}

test('a quarter of an hour that began a minute ago is not held against a whole half hour', () => {
  // 12:00 to 12:16 is shown, so 16 minutes before it are what it is compared with.
  assert.deepEqual(before({ name: '15m' }, '2026-11-21T12:16:00Z'), ['2026-11-21T11:44', '2026-11-21T12:00', 'minute']);
  assert.deepEqual(before({ name: '1h' }, '2026-11-21T12:16:00Z'), ['2026-11-21T10:14', '2026-11-21T11:15', 'minute']);
});

test('longer stretches are held against the nearest quarter of an hour of what has passed', () => {
  assert.deepEqual(before({ name: '6h' }, '2026-11-21T12:01:00Z'), ['2026-11-21T00:00', '2026-11-21T06:00', null]);
  assert.deepEqual(before({ name: '24h' }, '2026-11-21T12:14:00Z'), ['2026-11-19T11:45', '2026-11-20T12:00', null]);
});

test('days are held against as many days before, up to the same time of day', () => {
  assert.deepEqual(before({ name: '7d' }, '2026-11-21T12:00:30Z'), ['2026-11-08T00:00', '2026-11-14T12:15', null]);
});

test('a month is held against the same days of the one before, by the clock on the wall', () => {
  assert.deepEqual(before({ name: 'this-month' }, '2026-11-21T12:00:00Z'), [
    '2026-10-01T00:00',
    '2026-10-21T12:00',
    null,
  ]);
  // In Berlin the clocks went back on 25 October: noon of the 21st was 10:00 in UTC then, and is 11:00 now.
  assert.deepEqual(before({ name: 'this-month' }, '2026-11-21T11:00:00Z', 'Europe/Berlin'), [
    '2026-09-30T22:00',
    '2026-10-21T10:00',
    null,
  ]);
  // February has no 30th.
  assert.deepEqual(before({ name: 'this-month' }, '2026-03-30T12:00:00Z')[1], '2026-03-01T00:00');
  assert.deepEqual(before({ name: 'last-month' }, '2026-11-21T12:00:00Z'), [
    '2026-09-01T00:00',
    '2026-10-01T00:00',
    null,
  ]);
});

test('a closed stretch is held against one as long before it', () => {
  const range = { name: 'custom' as const, fromMs: at('2026-11-01T10:15Z'), toMs: at('2026-11-01T11:00Z') };
  assert.deepEqual(before(range, '2026-11-21T12:00:00Z'), ['2026-11-01T09:30', '2026-11-01T10:15', null]);
});
