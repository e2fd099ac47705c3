/** One dispatch as text, where more than one model has a price in it, or its usage came late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatchDetail, PriceDetail, PriceLine } from '@weighbridge/protocol';
import { dispatchText } from './dispatch-text.ts';

const basis = (model: string): PriceDetail['basis'] => ({
  book: '2026-11-01.0123456789ab',
  provider: 'anthropic',
  model,
  validFrom: null,
  promptAbove: null,
  serviceTier: null,
});
const line = (bucket: string, units: number, ratePicoUsd: bigint): PriceLine => {
  const amountPicoUsd = String(BigInt(units) * ratePicoUsd);
  return { bucket, units, ratePicoUsd: String(ratePicoUsd), amountPicoUsd, source: 'pi-ai 1.5.2' };
};
const DETAIL = {
  price: {
    priceId: 'book_1',
    source: 'book',
    basis: basis('sonnet'),
    otherModels: [{ model: 'op\u001bus', priceId: 'book_2', source: 'book', basis: basis('opus') }],
  },
  priceLines: [line('input', 1760, 2_000_000n), line('op\u001bus input', 823, 5_000_000n)],
  cost: { nanoUsd: '7635000', usd: '0.007635', currency: 'USD', source: 'book', priceId: 'book_1' },
  unpriced: null,
  corrections: [],
  costNow: null,
  providerCost: null,
  rawUsage: null,
} as unknown as DispatchDetail;

test('another model’s lines stand under its name, and its price under that of the one that served', () => {
  const text = dispatchText(DETAIL);
  assert.match(text, /\nprice book_1, from book 2026-11-01\.0123456789ab: anthropic\/sonnet\n/);
  assert.match(text, /\nop\\u\{1b\}us has its own: book_2, from book 2026-11-01\.0123456789ab: anthropic\/opus\n/);
  assert.match(text, /\ninput +1,760 +2,000,000 +3,520,000,000 +pi-ai/);
  assert.match(text, /\nop\\u\{1b\}us input +823 +5,000,000 +4,115,000,000 +pi-ai/);
  assert.match(text, /\ntotal +7,635,000,000 += 7,635,000 nano-USD, \$0\.007635/);
  const named = { ...DETAIL, cost: null, priceLines: null, unpriced: 'its price has no rate for op\u001bus input' };
  assert.match(dispatchText(named), /\nunpriced: its price has no rate for op\\u\{1b\}us input\n/);
});

test('usage that came late, by a correction, is shown with its lines', () => {
  const { cost } = DETAIL;
  const late = { entryId: 'cor_1', reason: 'settled_late', settledAt: null, usage: { input: 1760 }, cost };
  const text = dispatchText({ ...DETAIL, usage: null, cost: null, corrections: [late] } as unknown as DispatchDetail);
  assert.match(text, /^usage\.input +1760$/m);
  assert.match(text, /\ntotal +7,635,000,000 += 7,635,000 nano-USD, \$0\.007635/);
});
