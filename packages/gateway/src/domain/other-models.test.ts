/** What other models consumed of a dispatch, priced at their own rates: numbers reckoned by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage, type Usage } from '@weighbridge/protocol';
import {
  dispatchCost,
  dispatchPriceId,
  lineName,
  type OtherModel,
  othersThan,
  partLines,
  partsOf,
  pricesOfParts,
  unpricedOf,
} from './other-models.ts';
import { costNanoUsd, type PricePin, pin } from './price.ts';

// USD per 1M tokens: 2, 10, 0.2 and 5, 25.
const SONNET = pin('book', { input: 2_000_000n, output: 10_000_000n, cacheRead: 200_000n });
const OPUS = pin('book', { input: 5_000_000n, output: 25_000_000n });
const ALL = makeUsage({ input: 1760 + 823, cacheRead: 412, output: 531 + 1612 });
const ADVICE = makeUsage({ input: 823, output: 1612 });
const advisor = (price: PricePin | null, usage: Usage = ADVICE): OtherModel => ({ model: 'opus', usage, price });

test('each model’s tokens are priced at its own rates, and the lines make the cost', () => {
  const parts = partsOf(ALL, SONNET, [advisor(OPUS)]);
  const lines = parts.flatMap((part) =>
    partLines(part)!.map(({ bucket, units, amountPicoUsd }) => [lineName(part, bucket), units, amountPicoUsd]),
  );
  assert.deepEqual(lines, [
    ['input', 1760, 3_520_000_000n],
    ['output', 531, 5_310_000_000n],
    ['cacheRead', 412, 82_400_000n],
    ['opus input', 823, 4_115_000_000n],
    ['opus output', 1612, 40_300_000_000n],
  ]);
  // All of it at the first model's rates would be half of that: 26 678 400.
  assert.equal(dispatchCost(parts), 53_327_400n);
  assert.equal(costNanoUsd(ALL, SONNET.rates), 26_678_400n);
});

test('the lines of all models are summed before they are rounded', () => {
  const half = pin('config', { input: 500n });
  const two = makeUsage({ input: 2 });
  assert.equal(dispatchCost(partsOf(two, half, [advisor(half, makeUsage({ input: 1 }))])), 1n);
});

test('where a part has no price, or no rate for a unit in use, there is no cost', () => {
  const cost = (price: PricePin | null, other: OtherModel) => dispatchCost(partsOf(ALL, price, [other]));
  assert.equal(cost(SONNET, advisor(null)), null);
  assert.equal(cost(null, advisor(OPUS)), null);
  assert.equal(cost(SONNET, advisor(pin('book', { input: 1n }))), null);
  assert.deepEqual(unpricedOf(partsOf(ALL, SONNET, [advisor(null)])), ['opus input', 'opus output']);
  // More than there was: nothing here is made up for it.
  const more = advisor(OPUS, makeUsage({ input: 2584 }));
  assert.equal(cost(SONNET, more), null);
  assert.deepEqual(unpricedOf(partsOf(ALL, SONNET, [more])), ['input']);
});

test('the model that served is no other one, nor is one that consumed nothing', () => {
  const models = ['opus', 'sonnet', 'idle'].map((model) => ({
    model,
    usage: model === 'idle' ? makeUsage({}) : ADVICE,
  }));
  assert.deepEqual(
    othersThan('sonnet', models).map(({ model }) => model),
    ['opus'],
  );
});

test('the price of each part is asked for its own model, prompt and tier of service', () => {
  const asked = (serviceTier: string | null) => {
    const questions: unknown[] = [];
    const question = { model: 'sonnet', servedModel: 'sonnet-1', serviceTier, usage: ALL, startedAt: 7 };
    pricesOfParts(question, [{ model: 'opus', usage: ADVICE }], (part) => {
      const { input, total } = part.usage;
      questions.push([part.model, part.servedModel, part.serviceTier, input, total, part.startedAt]);
      return null;
    });
    return questions;
  };
  for (const [tier, others] of [
    [null, null],
    ['us-inference', 'us-inference'],
    ['batch', 'batch'],
    // Of one model, and nobody says whether of this one too: a tier that no book has.
    ['fast', 'not-told'],
    ['fast+us-inference', 'not-told'],
    ['priority', 'not-told'],
  ] as const) {
    assert.deepEqual(asked(tier), [
      ['sonnet', 'sonnet-1', tier, 1760, 1760 + 412 + 531, 7],
      ['opus', null, others, 823, 2435, 7],
    ]);
  }
});

test('equal prices of all parts have equal ids, however much each consumed', () => {
  const less = advisor(OPUS, makeUsage({ output: 1 }));
  assert.equal(dispatchPriceId(SONNET, []), SONNET.priceId);
  assert.match(dispatchPriceId(SONNET, [advisor(OPUS)]), /^book_[0-9a-f]{16}$/);
  assert.equal(dispatchPriceId(SONNET, [advisor(OPUS)]), dispatchPriceId(SONNET, [less]));
  const ids = [[], [advisor(OPUS)], [advisor(SONNET)], [advisor(null)]].map((others) =>
    dispatchPriceId(SONNET, others),
  );
  assert.equal(new Set(ids).size, ids.length);
});

test('a model whose name looks like others with their prices makes no id of theirs', () => {
  const id = (...others: [model: string, price: PricePin | null][]): string =>
    dispatchPriceId(
      SONNET,
      others.map(([model, price]) => ({ ...advisor(price), model })),
    );
  assert.notEqual(id([`a=${OPUS.priceId};b`, SONNET]), id(['a', OPUS], ['b', SONNET]));
});
