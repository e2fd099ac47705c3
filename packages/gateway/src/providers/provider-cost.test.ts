/** What providers say that a dispatch cost, as money. Which spellings are read is reported-cost's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nanoUsdOf } from '../domain/price.ts';
import { providerCost } from './provider-cost.ts';

const none = () => null;
const header = (value: string) => (name: string) => (name === 'x-litellm-response-cost' ? value : null);

test('a cost in the usage counts to the nano-USD, and before the header', () => {
  assert.deepEqual(providerCost('0.00014', none), { nanoUsd: 140_000n, source: 'usage' });
  assert.deepEqual(providerCost('0', header('1')), { nanoUsd: 0n, source: 'usage' });
});

test('LiteLLM says it in a header; what is no amount is nothing, not 0', () => {
  assert.deepEqual(providerCost(null, header('2.5e-05')), { nanoUsd: 25_000n, source: 'x-litellm-response-cost' });
  assert.equal(providerCost(null, header('0.0')), null, 'before a stream is over it does not know, and writes 0');
  for (const value of ['None', '', '-1', '1e99', '1,5', 'NaN']) assert.equal(providerCost(null, header(value)), null);
  assert.equal(providerCost(null, none), null);
});

test('amounts finer than a nano-USD are rounded half to even', () => {
  assert.deepEqual(['0.0000000005', '0.0000000015', '1.5e-9', '0.00000000251', '3', '1e3'].map(nanoUsdOf), [
    0n,
    2n,
    2n,
    3n,
    3_000_000_000n,
    1_000_000_000_000n,
  ]);
});
