/** Whole numbers that change their form where a number would be rounded: the same as bigints throughout. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plus, wholeOf } from './whole.ts';

const nearTheEdge = fc.bigInt({ min: -(2n ** 55n), max: 2n ** 55n });

test('sums and order are those of bigints, and each value has one form', () => {
  fc.assert(
    fc.property(nearTheEdge, nearTheEdge, (a, b) => {
      const [one, other] = [wholeOf(a.toString()), wholeOf(b.toString())];
      const sum = plus(one, other);
      assert.equal(String(sum), (a + b).toString());
      assert.equal(sum, wholeOf(a + b));
      assert.equal(one < other, a < b);
      assert.equal(plus(sum, wholeOf(-b)), one);
    }),
  );
});
