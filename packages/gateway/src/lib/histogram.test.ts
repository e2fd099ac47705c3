/** Semantics 11: percentiles are nearest-rank, exact to 1 ms below 10 s and to 1 % above, and merging loses nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addTo, encode, type Histogram, mergeInto, percentiles, Tally } from './histogram.ts';

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

test('a tally of encoded histograms, and that of the whole beside it, have the percentiles of their durations', () => {
  const ranks = [0.5, 0.95, 1];
  const ofAll = (values: readonly number[]) => {
    const histogram: Histogram = new Map();
    for (const value of values) addTo(histogram, value);
    return histogram;
  };
  fc.assert(
    fc.property(fc.array(fc.array(durations, { maxLength: 4 }), { minLength: 1, maxLength: 4 }), (groups) => {
      const whole = new Tally();
      const tally = new Tally(whole);
      for (const parts of groups) {
        tally.clear();
        for (const part of parts) tally.add(encode(ofAll(part)));
        assert.deepEqual(tally.percentiles(ranks), percentiles(ofAll(parts.flat()), ranks));
      }
      assert.deepEqual(whole.percentiles(ranks), percentiles(ofAll(groups.flat(2)), ranks));
    }),
  );
});

test('bytes that end within a number are an error, not a histogram', () => {
  const bytes = encode(
    new Map([
      [5, 1],
      [300, 200],
    ]),
  );
  for (const end of [1, 3, 4, 5]) assert.throws(() => new Tally().add(bytes.subarray(0, end)), /cut short/, `${end}`);
});
