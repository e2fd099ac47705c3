/** What lies on a row and what is made of it again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PriceBasis, pin } from '../domain/price.ts';
import { pricingOf, ratesText } from './record.ts';

const BASIS: PriceBasis = {
  book: '2026-11-10.be4f7e84e60e',
  provider: 'openai',
  model: 'gpt-5.4',
  validFrom: null,
  promptAbove: null,
  serviceTier: null,
  published: { input: 'pi-ai 1.5.2', output: 'pi-ai 1.5.2', 'tool.web_search': 'genai-prices 0.1.8' },
};
const RATES = { input: 2_500_000n, output: 15_000_000n, 'tool.web_search': 10_000_000_000n };

test('a price is read back from its row as it was, with where each rate is from', () => {
  const price = pin('book', RATES, BASIS);
  assert.deepEqual(pricingOf(ratesText(price)), { rates: RATES, basis: BASIS });
  const chosen = { ...BASIS, validFrom: '2026-08-17', promptAbove: 272_000, serviceTier: 'flex' };
  assert.deepEqual(pricingOf(ratesText(pin('book', RATES, chosen))).basis, chosen);
  assert.deepEqual(pricingOf(ratesText(pin('config', RATES))), { rates: RATES, basis: null });
});

test('what repeats lies on a row once', () => {
  assert.ok(ratesText(pin('book', RATES, BASIS)).length < 250);
});
