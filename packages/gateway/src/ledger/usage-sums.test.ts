/** The places of the sums are those of their columns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SUM_AT, SUM_COLUMNS } from './usage-sums.ts';

test('each sum is where it is said to be', () => {
  assert.deepEqual(
    SUM_COLUMNS.map((column) => SUM_AT[column]),
    SUM_COLUMNS.map((_, index) => index),
  );
});
