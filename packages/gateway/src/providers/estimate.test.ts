/** Estimates of prompts and of text: every dialect has its weights, pictures are no text, nothing is too deep or too odd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { APIS } from '../domain/provider.ts';
import { TextTally } from '../lib/text-tally.ts';
import { estimatePrompt, tokensIn } from './estimate.ts';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const WORDS = 'Every lorry is weighed twice, and the difference is what the customer pays for. '.repeat(10);
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAA'.repeat(5000);

const PROMPTS = {
  'openai-completions': { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: WORDS }] }] },
  'openai-responses': { model: 'm', instructions: 'Be brief.', input: WORDS },
  'anthropic-messages': { model: 'm', system: 'Be brief.', messages: [{ role: 'user', content: WORDS }] },
  'google-generate': { contents: [{ role: 'user', parts: [{ text: WORDS }] }] },
} as const;

test('the same words are about as many tokens in every dialect’s own request', () => {
  for (const api of APIS) {
    const tokens = estimatePrompt(api, json(PROMPTS[api]));
    // 16 tokens to a sentence by any of the tokenizers, ten times, and some words around.
    assert.ok(tokens > 150 && tokens < 260, `${api}: ${tokens}`);
  }
});

test('a picture counts as a picture, not as text, wherever it stands', () => {
  const plain = estimatePrompt('anthropic-messages', json(PROMPTS['anthropic-messages']));
  const source = { type: 'base64', media_type: 'image/png', data: PICTURE };
  const withPicture = { ...PROMPTS['anthropic-messages'], x: [{ type: 'image', source }] };
  const tokens = estimatePrompt('anthropic-messages', json(withPicture)) - plain;
  assert.ok(tokens > 765 && tokens < 800, `${tokens}`);
  const url = { messages: [{ role: 'user', content: [{ image_url: { url: `data:image/png;base64,${PICTURE}` } }] }] };
  const ofUrl = estimatePrompt('openai-completions', json(url));
  assert.ok(ofUrl > 765 && ofUrl < 800, `${ofUrl}`);
});

test('a prompt whose tools are nested ten thousand levels deep is estimated, without a stack of that depth', () => {
  const tools = `${'{"properties":['.repeat(10_000)}${']}'.repeat(10_000)}`;
  assert.ok(estimatePrompt('openai-completions', Buffer.from(`{"messages":[],"tools":${tools}}`)) > 1000);
});

test('what is no JSON is estimated as far as it goes, never an exception', () => {
  fc.assert(
    fc.property(fc.constantFrom(...APIS), fc.uint8Array({ maxLength: 200 }), (api, bytes) => {
      const tokens = estimatePrompt(api, Buffer.from(bytes));
      assert.ok(Number.isSafeInteger(tokens) && tokens >= 0);
    }),
  );
  assert.equal(estimatePrompt('openai-completions', Buffer.from('')), 0);
});

test('any text at all is at least one token, and more text never fewer', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...APIS),
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.string(),
      (api, text, more) => {
        const tally = new TextTally();
        tally.addText(text);
        const tokens = tokensIn(tally, api);
        assert.ok(tokens >= 1);
        tally.addText(more);
        assert.ok(tokensIn(tally, api) >= tokens);
      },
    ),
  );
});
