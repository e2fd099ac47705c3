/** Money against an arbitrary-precision oracle: rational arithmetic that shares no code with the price path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import fc from 'fast-check';
import { costNanoUsd, divideHalfEven, priceLines, type Rates, usdText } from './price.ts';

const units = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const rate = fc.bigInt({ min: 0n, max: 10n ** 12n });

test('semantics 8: a total is the exact sum of its lines, rounded once, half to even', () => {
  fc.assert(
    fc.property(units, units, units, rate, rate, rate, (input, output, cacheRead, a, b, c) => {
      const usage = makeUsage({ input, output, cacheRead });
      const rates = { input: a, output: b, cacheRead: c, cacheWrite: 0n, cacheWrite1h: 0n };
      const pico = priceLines(usage, rates)!.reduce((sum, line) => sum + line.amountPicoUsd, 0n);
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

const TEXT_AND_AUDIO: Rates = { input: 10n, output: 100n, cacheRead: 1n, audioInput: 50n, 'tool.web_search': 7000n };

test('a part with a rate of its own is billed at it, and the rest of its bucket at the bucket’s', () => {
  const usage = makeUsage({ input: 30, output: 2, audioInput: 10, audioOutput: 1, serverTools: { web_search: 2 } });
  assert.deepEqual(
    priceLines(usage, TEXT_AND_AUDIO)?.map(({ bucket, units, amountPicoUsd }) => [bucket, units, amountPicoUsd]),
    [
      ['input', 20, 200n],
      ['audioInput', 10, 500n],
      ['output', 2, 200n],
      ['tool.web_search', 2, 14_000n],
    ],
  );
});

test('what is in use and has no rate leaves the whole dispatch unpriced, and what is not in use needs none', () => {
  assert.equal(costNanoUsd(makeUsage({ input: 1, cacheWrite1h: 1 }), TEXT_AND_AUDIO), null);
  assert.equal(costNanoUsd(makeUsage({ input: 1, serverTools: { code_execution: 1 } }), TEXT_AND_AUDIO), null);
  assert.equal(costNanoUsd(makeUsage({ input: 1000, serverTools: { code_execution: 0 } }), TEXT_AND_AUDIO), 10n);
  assert.equal(costNanoUsd(makeUsage({ output: 1 }), { input: 1n }), null);
});

test('parts that exceed their bucket, or reasoning billed apart and not told apart, leave it unpriced', () => {
  assert.equal(costNanoUsd(makeUsage({ input: 5, audioInput: 6 }), TEXT_AND_AUDIO), null);
  const apart: Rates = { input: 1n, output: 2n, reasoning: 3000n };
  assert.equal(costNanoUsd(makeUsage({ output: 2 }), apart), null);
  assert.equal(costNanoUsd(makeUsage({ output: 500, reasoning: 0 }), apart), 1n);
  assert.equal(costNanoUsd(makeUsage({ output: 502, reasoning: 2 }), apart), 7n);
});

test('a price that names every tool covers tools it has never heard of', () => {
  assert.equal(costNanoUsd(makeUsage({ input: 1000, serverTools: { anything: 3 } }), { input: 1n, 'tool.*': 0n }), 1n);
});
