/** Semantics 11: percentiles are nearest-rank, exact to 1 ms below 10 s and to 1 % above, and merging loses nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addTo, encode, type Histogram, mergeInto, percentiles } from './histogram.ts';

const durations = fc.array(fc.integer({ min: 0, max: 4_000_000 }), { minLength: 1, maxLength: 300 });

test('a percentile equals the nearest rank of the sorted durations, within 1 % above 10 s', () => {
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99, 1), (values, rank) => {
      const histogram: Histogram = new Map();
      for (const value of values) addTo(histogram, value);
      const exact = values.toSorted((a, b) => a - b)[Math.ceil(rank * values.length) - 1]!;
      const [found] = percentiles(histogram, [rank])!;
      if (exact < 10_000) assert.equal(found, exact);
      else assert.ok(Math.abs(found! - exact) <= exact * 0.01, `${found} for ${exact}`);
    }),
  );
});

test('histograms stored and merged equal the histogram of all durations', () => {
  fc.assert(
    fc.property(durations, durations, (first, second) => {
      const merged: Histogram = new Map();
      for (const part of [first, second]) {
        const histogram: Histogram = new Map();
        for (const value of part) addTo(histogram, value);
        mergeInto(merged, encode(histogram));
      }
      const whole: Histogram = new Map();
      for (const value of [...first, ...second]) addTo(whole, value);
      assert.deepEqual([...merged].sort(), [...whole].sort());
    }),
  );
});

test('an empty histogram has no percentiles', () => {
  assert.equal(percentiles(new Map(), [0.5]), null);
});
