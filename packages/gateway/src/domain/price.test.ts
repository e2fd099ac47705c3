/** Money against an arbitrary-precision oracle: rational arithmetic that shares no code with the price path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import fc from 'fast-check';
import { costNanoUsd, divideHalfEven, priceLines, usdText } from './price.ts';

const units = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const rate = fc.bigInt({ min: 0n, max: 10n ** 12n });

test('semantics 8: a total is the exact sum of its lines, rounded once, half to even', () => {
  fc.assert(
    fc.property(units, units, units, rate, rate, rate, (input, output, cacheRead, a, b, c) => {
      const usage = makeUsage({ input, output, cacheRead });
      const rates = { input: a, output: b, cacheRead: c, cacheWrite: 0n, cacheWrite1h: 0n };
      const pico = priceLines(usage, rates).reduce((sum, line) => sum + line.amountPicoUsd, 0n);
      assert.equal(pico, BigInt(input) * a + BigInt(output) * b + BigInt(cacheRead) * c);
      assert.equal(costNanoUsd(usage, rates), oracleHalfEven(pico));
    }),
  );
});

/** Rounds by decimal text: another way to the same truth. */
function oracleHalfEven(pico: bigint): bigint {
  const text = pico.toString().padStart(4, '0');
  const whole = BigInt(text.slice(0, -3));
  const rest = text.slice(-3);
  if (rest > '500') return whole + 1n;
  if (rest < '500') return whole;
  return '02468'.includes(whole.toString().at(-1)!) ? whole : whole + 1n;
}

test('ties go to the even nano-USD, in both directions and below zero', () => {
  assert.deepEqual(
    [500n, 1500n, 2500n, -500n, -1500n, -2500n, 501n, -501n].map((value) => divideHalfEven(value, 1000n)),
    [0n, 2n, 2n, 0n, -2n, -2n, 1n, -1n],
  );
});

test('an amount for people keeps every nano-USD and at least six decimals', () => {
  assert.equal(usdText(306000n), '0.000306');
  assert.equal(usdText(1n), '0.000000001');
  assert.equal(usdText(-1_500_000_000n), '-1.500000');
  assert.equal(usdText(123_456_789_012_345_678n), '123456789.012345678');
});
