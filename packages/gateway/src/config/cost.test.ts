/** Prices of the config file, to the last pico-USD. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pin } from '../domain/price.ts';
import { picoUsdPerToken, priceOf } from './cost.ts';
import { noFindings } from './findings.ts';

test('a rate is exact from its decimal text', () => {
  assert.equal(picoUsdPerToken(0.15), 150_000n);
  assert.equal(picoUsdPerToken(0), 0n);
  assert.equal(picoUsdPerToken(75), 75_000_000n);
  assert.equal(picoUsdPerToken(0.000001), 1n);
  assert.equal(picoUsdPerToken(1.1), 1_100_000n);
  assert.equal(picoUsdPerToken(4.35), 4_350_000n);
  assert.equal(picoUsdPerToken(1_000_000), 1_000_000_000_000n);
});

test('every rate with six decimals survives the way through a number', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 1_000_000_000_000n), (pico) => {
      const text = `${pico / 1_000_000n}.${(pico % 1_000_000n).toString().padStart(6, '0')}`;
      assert.equal(picoUsdPerToken(Number(text)), pico);
    }),
  );
});

test('a seventh decimal, a negative, no number and a dollar a token and more are no rates', () => {
  for (const value of [0.1234567, 1e-7, -0.1, Number.NaN, Number.POSITIVE_INFINITY, 1_000_000.1, 1e300]) {
    assert.equal(picoUsdPerToken(value), null, String(value));
  }
});

test('a missing cache rate is the input rate, never 0', () => {
  const price = priceOf({ input: 2, output: 8 }, 'cost', noFindings());
  assert.deepEqual(price?.rates, {
    input: 2_000_000n,
    output: 8_000_000n,
    cacheRead: 2_000_000n,
    cacheWrite: 2_000_000n,
    cacheWrite1h: 2_000_000n,
    'tool.*': 0n,
  });
  const given = priceOf({ input: 2, output: 8, cacheRead: 0, cacheWrite: 2.5 }, 'cost', noFindings());
  assert.equal(given?.rates.cacheRead, 0n);
  assert.equal(given?.rates.cacheWrite1h, 2_500_000n);
});

test('half a price is a problem, not a guess', () => {
  const findings = noFindings();
  assert.equal(priceOf({ input: 2 }, 'cost', findings), null);
  assert.equal(findings.problems[0]?.path, 'cost.output');
});

test('a price with a part that is not understood leaves the model unpriced and says so', () => {
  const findings = { ...noFindings(), unusedKeys: ['cost.tieredPricing'] };
  assert.equal(priceOf({ input: 2, output: 8 }, 'cost', findings), null);
  assert.match(findings.warnings[0] ?? '', /tieredPricing.*unpriced/);
});

test('equal rates have equal ids, and any other rate another', () => {
  const rates = { input: 1n, output: 2n, cacheRead: 1n, cacheWrite: 1n, cacheWrite1h: 1n };
  assert.match(pin('config', rates).priceId, /^cfg_[0-9a-f]{16}$/);
  assert.equal(pin('config', rates).priceId, pin('config', { ...rates }).priceId);
  assert.notEqual(pin('config', rates).priceId, pin('config', { ...rates, cacheWrite1h: 2n }).priceId);
  // Digits must not run into one another: 1,12 is not 11,2.
  const shifted = pin('config', { ...rates, input: 1n, output: 12n });
  assert.notEqual(shifted.priceId, pin('config', { ...rates, input: 11n, output: 2n }).priceId);
});
