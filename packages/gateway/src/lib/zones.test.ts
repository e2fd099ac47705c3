/** Where hours, days and months begin around every change of a clock, against reading the clock each quarter of an hour. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isZone, nextStart, startOf, type ZoneUnit } from './zones.ts';

const QUARTER_MS = 15 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

function clockOf(zone: string, unit: ZoneUnit): (ms: number) => string {
  const fields = { year: 'numeric', month: '2-digit' } as const;
  const day = unit === 'month' ? {} : ({ day: '2-digit' } as const);
  const hour = unit === 'hour' ? ({ hour: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset' } as const) : {};
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, ...fields, ...day, ...hour });
  return (ms) => format.format(ms);
}

// Whole and half hours, changes at midnight, quarters, and no changes at all.
const CHANGES: readonly (readonly [zone: string, at: string])[] = [
  ['America/New_York', '2026-03-08'],
  ['America/New_York', '2026-11-01'],
  ['Australia/Lord_Howe', '2026-04-04'],
  ['Australia/Lord_Howe', '2026-10-03'],
  ['America/Havana', '2026-03-08'],
  ['America/Santiago', '2026-09-06'],
  ['America/Nuuk', '2026-10-25'],
  ['Africa/Cairo', '2026-04-24'],
  ['Pacific/Chatham', '2026-09-26'],
  ['Asia/Kathmandu', '2026-01-01'],
  ['+05:30', '2026-01-01'],
];

for (const [zone, at] of CHANGES) {
  test(`hours, days and months begin where the clock of ${zone} says, around ${at}`, () => {
    for (const [unit, units] of [
      ['hour', 96],
      ['day', 4],
      ['month', 2],
    ] as const) {
      const clock = clockOf(zone, unit);
      let start = startOf(unit, zone, Date.parse(at) - 2 * DAY_MS);
      for (let n = 0; n < units; n++) {
        const next = nextStart(unit, zone, start);
        const what = `${unit} from ${new Date(start).toISOString()}`;
        assert.notEqual(clock(start - QUARTER_MS), clock(start), what);
        assert.notEqual(clock(next), clock(start), what);
        for (let ms = start; ms < next; ms += QUARTER_MS) assert.equal(clock(ms), clock(start), what);
        assert.equal(startOf(unit, zone, next - 1), start, what);
        start = next;
      }
    }
  });
}

test('a zone whose hours begin inside a quarter of an hour is none, as is a name that nobody knows', () => {
  for (const zone of ['+05:37', '-00:01', 'Mars/Base', 'GMT+5', '']) assert.equal(isZone(zone), false, zone);
  for (const zone of ['UTC', 'utc', '+05:30', '-03:45', 'Asia/Kathmandu', 'Etc/GMT+12']) {
    assert.equal(isZone(zone), true, zone);
  }
});
