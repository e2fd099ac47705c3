/** The quick way to write a moment, held against the runtime's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isoText } from './iso-text.ts';

test('a moment is written as the runtime writes it, in every year it knows', () => {
  const moments = fc.oneof(
    fc.integer({ min: -8.64e15, max: 8.64e15 }),
    fc.integer({ min: 1.7e12, max: 1.9e12 }),
    fc.constantFrom(0, -1, 86_399_999, 86_400_000, 8.64e15, -8.64e15),
  );
  fc.assert(fc.property(moments, (ms) => assert.equal(isoText(ms), new Date(ms).toISOString())));
});

test('a moment beyond all years is refused', () => {
  assert.throws(() => isoText(8.64e15 + 86_400_000), RangeError);
  assert.throws(() => isoText(Number.NaN), RangeError);
});
