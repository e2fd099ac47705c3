/** What providers say that a dispatch cost, in their several spellings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nanoUsdOf, providerCost } from './provider-cost.ts';

const none = () => null;

test('a cost in the usage is read as it was written, to the nano-USD', () => {
  const raw = '{"prompt_tokens":10,"cost":0.00014,"cost_details":{"upstream_inference_cost":null}}';
  assert.deepEqual(providerCost(raw, none), { nanoUsd: 140_000n, source: 'usage.cost' });
  const perplexity = '{"prompt_tokens":1,"cost":{"request_cost":0.005,"total_cost":0.0051}}';
  assert.deepEqual(providerCost(perplexity, none), { nanoUsd: 5_100_000n, source: 'usage.cost.total_cost' });
  assert.deepEqual(providerCost('{"cost":0}', none), { nanoUsd: 0n, source: 'usage.cost' });
});

test('LiteLLM says it in a header; what is no amount is nothing, not 0', () => {
  const header = (value: string) => (name: string) => (name === 'x-litellm-response-cost' ? value : null);
  assert.deepEqual(providerCost(null, header('2.5e-05')), { nanoUsd: 25_000n, source: 'x-litellm-response-cost' });
  for (const value of ['None', '', '-1', '1e99', '1,5', 'NaN']) assert.equal(providerCost(null, header(value)), null);
  for (const raw of [
    '{"cost":null}',
    '{"cost":"free"}',
    '{"cost":{}}',
    '{"cost":-1}',
    '{"cost":1e300}',
    '["cost"]',
    '{"cost":',
    null,
  ]) {
    assert.equal(providerCost(raw, none), null, String(raw));
  }
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
