/** What is a moment, and what only looks like one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentMs } from './moment.ts';

test('ISO 8601 and milliseconds are moments', () => {
  const noon = Date.UTC(2026, 10, 20, 12);
  for (const [value, ms] of [
    ['2026-11', Date.UTC(2026, 10, 1)],
    ['2026-11-20', Date.UTC(2026, 10, 20)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    // No zone is UTC, whatever the server's is.
    ['2026-11-20T12:00', noon],
    ['2026-11-20T12:00:00.250Z', noon + 250],
    ['2026-11-20T17:45:00+05:45', noon],
    [String(noon), noon],
    [noon, noon],
    [0, 0],
    ['0', 0],
  ] as const) {
    assert.equal(momentMs(value), ms, String(value));
  }
});

test('what only looks like a moment is none', () => {
  const values = [
    'tomorrow 5',
    '2026-02-31',
    '2026-13-01',
    '2026-11-20T25:00Z',
    '20 Nov 2026',
    '',
    ' ',
    '1e3',
    '-5',
    '2026',
    '20261120',
  ];
  const others = [Number.NaN, Infinity, 1.5, 9e15, null, undefined, true, {}, [2026]];
  for (const value of [...values, ...others]) assert.equal(momentMs(value), null, String(value));
});
