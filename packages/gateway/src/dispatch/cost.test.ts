/** The price of a dispatch with an advisor, from the config and the book that a gateway has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage, type Usage } from '@weighbridge/protocol';
import { dispatchCost, partsOf } from '../domain/other-models.ts';
import { pin } from '../domain/price.ts';
import type { Target } from '../domain/provider.ts';
import { Prices } from '../prices/prices.ts';
import { costFacts } from './cost.ts';
import { unread } from './meter.ts';

const prices = new Prices({ importedFile: null, report: assert.fail });
const startedAt = Date.parse('2026-11-20T12:00:00Z');
const SONNET = 'claude-sonnet-4-5';
const OPUS = 'claude-opus-4-8';

interface Answer {
  own: Partial<Usage>;
  advice: Partial<Usage>;
  advisor?: string;
  serviceTier?: string;
  servedModel?: string;
  /** USD per 1M input tokens, by model. */
  configured?: Record<string, bigint>;
}

function priced({ own, advice, advisor = OPUS, serviceTier, servedModel, configured = {} }: Answer) {
  const models = Object.entries(configured).map(([id, usd]) => {
    const price = pin('config', { input: usd * 1_000_000n, output: usd * 1_000_000n, 'tool.*': 0n });
    return { id, name: null, contextWindow: null, maxTokens: null, price, hasOwnCost: true };
  });
  const target = { provider: { models, vendor: 'anthropic' }, model: SONNET } as unknown as Target;
  const usage = makeUsage({
    input: (own.input ?? 0) + (advice.input ?? 0),
    output: (own.output ?? 0) + (advice.output ?? 0),
  });
  const reading = {
    ...unread(0),
    usage,
    serviceTier: serviceTier ?? null,
    servedModel: servedModel ?? SONNET,
    otherModels: [{ model: advisor, usage: makeUsage(advice) }],
  };
  const facts = costFacts(prices, target, { usage, reading, startedAt, headers: {} });
  return { ...facts, cost: dispatchCost(partsOf(usage, facts.price, facts.otherModels)) };
}

test('the book’s price of each model holds for its own tokens', () => {
  // 1000 x 3 + 100 x 15, and 2000 x 5 + 200 x 25 USD per 1M.
  const { cost } = priced({ own: { input: 1000, output: 100 }, advice: { input: 2000, output: 200 } });
  assert.equal(cost, 4_500_000n + 15_000_000n);
});

test('the larger price for large prompts hangs on each model’s own prompt', () => {
  const { cost, price } = priced({ own: { input: 150_000 }, advice: { input: 100_000 } });
  assert.equal(price?.basis?.promptAbove, null);
  assert.equal(cost, 450_000_000n + 500_000_000n);
  const large = priced({ own: { input: 200_001 }, advice: { input: 1 } });
  assert.equal(large.price?.basis?.promptAbove, 200_000);
  assert.equal(large.cost, 200_001n * 6000n + 5000n);
});

test('an advisor without a price in force leaves the whole dispatch without a cost', () => {
  const facts = priced({ own: { input: 1000 }, advice: { input: 1 }, advisor: 'claude-of-tomorrow' });
  assert.notEqual(facts.price, null);
  assert.deepEqual(facts.otherModels, [{ model: 'claude-of-tomorrow', usage: makeUsage({ input: 1 }), price: null }]);
  assert.equal(facts.cost, null);
  // Fast service is of the model that served; what it was for the advisor is not told.
  const fast = { own: { input: 1000 }, advice: { input: 1 }, serviceTier: 'fast', configured: { [SONNET]: 1n } };
  assert.equal(priced(fast).cost, null);
  assert.equal(priced({ ...fast, configured: { ...fast.configured, [OPUS]: 2n } }).cost, 1_000_000n + 2000n);
});

test('a cost in the config is the whole price of its own model, and of no other', () => {
  const tokens = { own: { input: 1000 }, advice: { input: 10 } };
  assert.equal(priced({ ...tokens, configured: { [SONNET]: 1n } }).cost, 1_000_000n + 50_000n);
  assert.equal(priced({ ...tokens, configured: { [SONNET]: 1n, [OPUS]: 2n } }).cost, 1_000_000n + 20_000n);
  assert.equal(priced({ ...tokens, configured: { [OPUS]: 2n } }).cost, 3_000_000n + 20_000n);
});

test('an advisor of the model that served is priced with it', () => {
  const same = priced({ own: { input: 150_000 }, advice: { input: 50_001 }, advisor: SONNET });
  assert.deepEqual(same.otherModels, []);
  assert.equal(same.cost, 200_001n * 6000n);
  // After a fallback the model that was asked for is another one.
  const fallen = priced({ own: { input: 1000 }, advice: { input: 10 }, advisor: SONNET, servedModel: OPUS });
  assert.equal(fallen.cost, 5_000_000n + 30_000n);
});
