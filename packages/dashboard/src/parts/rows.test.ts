/** What a sum says of itself where not all of it is known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noSums, type Sums } from '../sums.ts';
import { costText } from './rows.ts';

const sums = (over: Partial<Sums>): Sums => ({ ...noSums(), ...over });

test('a cost with calls in it that have no price is told as the least it can be', () => {
  assert.equal(costText(sums({ costNanoUsd: 800_000_000n })), '$0.8000');
  assert.equal(costText(sums({ costNanoUsd: 800_000_000n, unpriced: 44 })), '≥ $0.8000');
  assert.equal(costText(sums({ unpriced: 1 })), 'unpriced');
  assert.equal(costText(sums({})), '$0');
});

test('what was given its price later takes nothing from what is known', () => {
  assert.equal(costText(sums({ costNanoUsd: 800_000_000n, unpriced: -11 })), '$0.8000');
  assert.equal(costText(sums({ costNanoUsd: -28_100_000_000n })), '-$28.10');
});
