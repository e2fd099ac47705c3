/** Advisors in an answer of `anthropic-messages`: told apart by model, and never billed as somebody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readerOf } from './readers.ts';

const advisor = (model: string | undefined, input_tokens: number) => ({
  type: 'advisor_message',
  model,
  input_tokens,
  output_tokens: 0,
});

function readOthers(...usages: object[]): { input: number | undefined; others: [string, number][] } {
  const reader = readerOf('anthropic-messages').streamReader();
  for (const usage of usages) {
    const event = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage };
    reader.frame(Buffer.from(`event: message_delta\ndata: ${JSON.stringify(event)}\n\n`));
  }
  const { usage, otherModels } = reader.reading();
  return { input: usage?.input, others: otherModels.map(({ model, usage: own }) => [model, own.input]) };
}

test('the turns of one model are one sum, and one without a model is nobody’s whose price is known', () => {
  const iterations = [advisor('a', 3), advisor('b', 5), advisor('a', 4), advisor(undefined, 2)];
  assert.deepEqual(readOthers({ input_tokens: 10, output_tokens: 1, iterations }), {
    input: 10 + 14,
    others: [
      ['a', 7],
      ['b', 5],
      ['unnamed', 2],
    ],
  });
});

test('however many models an answer names, few are kept, and no token is lost', () => {
  const iterations = Array.from({ length: 1000 }, (_, index) => advisor(`m${index}`, 1));
  const { input, others } = readOthers({ input_tokens: 10, output_tokens: 1, iterations });
  assert.equal(input, 1010);
  assert.deepEqual([others.length, others.at(-1)], [9, ['unnamed', 992]]);
});

test('a fallback’s bill replaces the advisors of the model that declined, too', () => {
  const declined = { input_tokens: 10, output_tokens: 1, iterations: [advisor('a', 3)] };
  const iterations = [{ type: 'fallback_message', model: 'b', input_tokens: 9, output_tokens: 2 }];
  const fallen = { input_tokens: 9, output_tokens: 2, iterations };
  assert.deepEqual(readOthers(declined, fallen), { input: 9, others: [] });
});
