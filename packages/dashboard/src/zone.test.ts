/** The page's clocks against the rules themselves, asked for each moment without anything kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS, momentOf, offsetOf, startOfDay, wallText } from './zone.ts';

const ZONES = [
  'UTC',
  'Africa/Casablanca',
  'America/Caracas',
  'America/New_York',
  'America/Santiago',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'Asia/Tehran',
  'Australia/Lord_Howe',
  'Europe/Berlin',
  'Pacific/Apia',
  'Pacific/Chatham',
];
const FROM = Date.parse('2005-01-01T00:00:00Z');
const TO = Date.parse('2031-01-01T00:00:00Z');

test('clocks change between minutes, never within one: so an offset may be kept for a minute', () => {
  let changes = 0;
  for (const zone of ZONES) {
    const asked = asking(zone);
    let before = asked(FROM);
    for (let ms = FROM; ms < TO; ms += 10 * DAY_MS) {
      const after = asked(ms);
      if (after === before) continue;
      changes += 1;
      const at = firstOf(ms - 10 * DAY_MS, ms, (moment) => asked(moment) === after);
      assert.equal(at % MINUTE_MS, 0, `${zone} ${new Date(at).toISOString()}`);
      for (const moment of [at - 1, at, at + MINUTE_MS - 1]) assert.equal(offsetOf(zone, moment), asked(moment), zone);
      before = after;
    }
  }
  assert.ok(changes > 300, `${changes} changes were looked at`);
});

test('a wall shows what the rules say, and a day begins once', () => {
  // Clocks in Santiago go from 23:59 to 01:00: that day has no midnight.
  assert.equal(
    new Date(startOfDay('America/Santiago', Date.parse('2026-09-06T12:00:00Z'))).toISOString(),
    '2026-09-06T04:00:00.000Z',
  );
  assert.equal(wallText('Asia/Kathmandu', Date.parse('2026-11-21T18:20:59.999Z')), '2026-11-22T00:05');
  assert.equal(wallText('Australia/Lord_Howe', Date.parse('2026-10-03T15:30:00Z')), '2026-10-04T02:30');
  const day = startOfDay('Europe/Berlin', Date.parse('2026-03-29T20:00:00Z'));
  assert.equal(startOfDay('Europe/Berlin', day, 1) - day, 23 * HOUR_MS);
});

test('the first years of the calendar are years like others, also the one before them', () => {
  for (const text of [
    '0000-06-01T12:00',
    '0002-11-20T12:00',
    '0020-11-20T12:00',
    '0099-12-31T23:00',
    '0202-01-01T00:00',
  ]) {
    assert.equal(momentOf('UTC', text), Date.parse(`${text}Z`), text);
    assert.equal(wallText('Asia/Tokyo', momentOf('Asia/Tokyo', text)!), text);
  }
  assert.equal(
    new Date(startOfDay('UTC', Date.parse('0044-03-15T12:00:00Z'))).toISOString(),
    '0044-03-15T00:00:00.000Z',
  );
});

function asking(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  return (ms) => {
    const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')!.value;
    const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?$/.exec(name) ?? assert.fail(name);
    return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * HOUR_MS + Number(minutes ?? 0) * MINUTE_MS);
  };
}

function firstOf(low: number, high: number, isThere: (ms: number) => boolean): number {
  let [no, yes] = [low, high];
  while (yes - no > 1) {
    const middle = Math.floor((no + yes) / 2);
    if (isThere(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}
