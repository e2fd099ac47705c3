/** Tables and the texts in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countText, dollarsText, millisecondsText, pastMs } from './format.ts';
import { costText, notesOf, promptTokensOf } from './sums.ts';
import { type Column, cellText, renderTable } from './table.ts';

const COLUMNS: Column[] = [
  { title: 'model', align: 'left' },
  { title: 'requests', align: 'right' },
];

const NOTHING = { reported: 0, partial: 0, estimated: 0, none: 0, unpriced: 0, uncertain: 0 };

test('numbers stand right-aligned under their title, names left, sums below a rule', () => {
  const text = renderTable(
    COLUMNS,
    [
      ['openai/gpt-5', '1,234,567'],
      ['a', '7'],
    ],
    ['all', '1,234,574'],
  );
  const lines = [
    'model          requests',
    '────────────  ─────────',
    'openai/gpt-5  1,234,567',
    'a                     7',
    '────────────  ─────────',
    'all           1,234,574',
    '',
  ];
  assert.equal(text, lines.join('\n'));
});

test('a table without rows is its head', () => {
  assert.equal(renderTable(COLUMNS, []), 'model  requests\n─────  ────────\n');
});

test('a name can neither steer the terminal nor break the line', () => {
  assert.equal(cellText('a\x1b[2Jb\n\u202Ec\x9b'), 'a\\u{1b}[2Jb\\u{a}\\u{202e}c\\u{9b}');
  assert.equal([...cellText('x'.repeat(500))].length, 60);
});

test('integers past 2^53 keep every digit', () => {
  assert.equal(countText('9007199254740993'), '9,007,199,254,740,993');
  assert.equal(countText(null), '–');
  assert.equal(
    promptTokensOf({ input: '9007199254740993', cacheRead: '1', cacheWrite: '1', cacheWrite1h: '1' }),
    '9007199254740996',
  );
});

test('money keeps every decimal, and its sign', () => {
  assert.equal(dollarsText('1234567.000306001'), '$1,234,567.000306001');
  assert.equal(dollarsText('-0.000306'), '-$0.000306');
  assert.equal(dollarsText(null), '–');
});

test('a sum without any price is unknown, one with a part unpriced says so', () => {
  assert.equal(costText({ costUsd: '0.000000', composition: { ...NOTHING, reported: 2, unpriced: 2 } }), '–');
  assert.equal(costText({ costUsd: '0.000306', composition: { ...NOTHING, reported: 2, unpriced: 1 } }), '$0.000306+');
  assert.equal(costText({ costUsd: '0.000000', composition: { ...NOTHING, none: 1 } }), '$0.000000');
});

test('what was not reported is said below the table, and nothing where all was', () => {
  assert.equal(notesOf({ ...NOTHING, reported: 9 }), '');
  const notes = notesOf({ reported: 1, partial: 2, estimated: 3, none: 4, unpriced: 5, uncertain: 6 });
  assert.deepEqual(notes.match(/^\d/gm), ['5', '3', '2', '4', '6']);
});

test('durations and moments are read and written as people do', () => {
  assert.equal(millisecondsText(289.4), '289 ms');
  assert.equal(millisecondsText(61_000), '61.0 s');
  assert.equal(pastMs('24h', 100_000_000), 13_600_000);
  assert.equal(pastMs('2026-11-20T12:00:00Z', 0), Date.UTC(2026, 10, 20, 12));
  for (const bad of ['soon', '', '7', '5y', '2026-99-99', '2026-02-31', '2026-11-20 noon'])
    assert.equal(pastMs(bad, 0), null, bad);
});
