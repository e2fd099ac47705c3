/** What lies on a row and what is made of it again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { type PriceBasis, type PricePin, pin } from '../domain/price.ts';
import { pricingOf, pricingText } from './record.ts';

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

const textOf = (price: PricePin): string => pricingText(price, [])!;

test('a price is read back from its row as it was, with where each rate is from', () => {
  const price = pin('book', RATES, BASIS);
  assert.deepEqual(pricingOf(textOf(price)), { rates: RATES, basis: BASIS, otherModels: [] });
  const chosen = { ...BASIS, validFrom: '2026-08-17', promptAbove: 272_000, serviceTier: 'flex' };
  assert.deepEqual(pricingOf(textOf(pin('book', RATES, chosen))).basis, chosen);
  assert.deepEqual(pricingOf(textOf(pin('config', RATES))), { rates: RATES, basis: null, otherModels: [] });
});

test('what repeats lies on a row once', () => {
  assert.ok(textOf(pin('book', RATES, BASIS)).length < 250);
});

test('without other models the text is what it always was', () => {
  const text = '{"cacheRead":"1250000","input":"2500000"}';
  assert.equal(textOf(pin('config', { input: 2_500_000n, cacheRead: 1_250_000n })), text);
  assert.equal(pricingText(null, []), null);
});

test('what other models consumed is read back with its prices, also where the dispatch itself has none', () => {
  const others = [
    { model: 'a', usage: makeUsage({ input: 823, output: 1612 }), price: pin('book', RATES, BASIS) },
    { model: 'b', usage: makeUsage({ cacheWrite1h: 7 }), price: pin('config', RATES) },
    { model: 'c', usage: makeUsage({ output: 1 }), price: null },
  ];
  const price = pin('book', RATES, BASIS);
  assert.deepEqual(pricingOf(pricingText(price, others)!), { rates: RATES, basis: BASIS, otherModels: others });
  assert.deepEqual(pricingOf(pricingText(null, others)!), { rates: {}, basis: null, otherModels: others });
  assert.match(
    pricingText(null, others)!,
    /^\{"otherModels":\[\{"model":"a","usage":\{"input":823,"output":1612\},"price":/,
  );
});
