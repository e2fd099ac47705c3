/** D12: what goes to the provider is the caller's bytes with our edits, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ObjectScan, scanObject } from '../lib/json-splice.ts';
import { openaiCompletions } from './openai-completions.ts';

function encode(text: string, plan: { model?: string; askUsage?: boolean; instructions?: string } = {}): string {
  const body = Buffer.from(text);
  const leading = plan.instructions === undefined ? null : openaiCompletions.leadingMessage(plan.instructions);
  const options = { model: plan.model ?? 'm', maxTokens: null, askUsage: plan.askUsage ?? false, leading };
  return openaiCompletions.encode(body, scanObject(body) as ObjectScan, options).toString();
}

test('only the model is replaced: unknown fields, order and number spellings survive', () => {
  const text =
    '{ "temperature":1.0, "seed" : 9007199254740993,\n"model" : "openclaw/main", "x_new":{"a":[1e2]}, "messages":[]}';
  assert.equal(encode(text, { model: 'gpt-5' }), text.replace('"openclaw/main"', '"gpt-5"'));
  assert.equal(encode('{"mod\\u0065l":"a","messages":[]}'), '{"mod\\u0065l":"m","messages":[]}');
});

test('a missing model is put in, also into an object with nothing else', () => {
  assert.deepEqual(JSON.parse(encode('{"messages":[]}')), { messages: [], model: 'm' });
  assert.equal(encode('{ }'), '{"model":"m" }');
});

test('usage is asked for whatever stream_options were before', () => {
  const cases: [string, object][] = [
    ['', { include_usage: true }],
    [',"stream_options":null', { include_usage: true }],
    [',"stream_options":{}', { include_usage: true }],
    [',"stream_options":{"include_usage":false}', { include_usage: true }],
    [
      ',"stream_options":{"include_usage":null,"include_obfuscation":false}',
      { include_usage: true, include_obfuscation: false },
    ],
    [',"stream_options":{ "include_obfuscation":false }', { include_usage: true, include_obfuscation: false }],
    [',"stream_options":{"include_usag\\u0065":false}', { include_usage: true }],
  ];
  for (const [options, expected] of cases) {
    const sent = JSON.parse(encode(`{"model":"x","stream":true${options}}`, { askUsage: true })) as Record<
      string,
      unknown
    >;
    assert.deepEqual(sent, { model: 'm', stream: true, stream_options: expected }, options);
    const without = encode(`{"stream":true${options}}`, { askUsage: true });
    assert.deepEqual(JSON.parse(without), { model: 'm', stream: true, stream_options: expected }, options);
  }
  assert.deepEqual(JSON.parse(encode('{"stream_options":7}', { askUsage: true })), { stream_options: 7, model: 'm' });
});

test('instructions go before the caller’s messages, which stay byte for byte', () => {
  assert.equal(
    encode('{"model":"x","messages":[ {"role":"user","content":"a\\u0062"} ]}', { instructions: 'Be "brief".\n' }),
    '{"model":"m","messages":[{"role":"system","content":"Be \\"brief\\".\\n"}, {"role":"user","content":"a\\u0062"} ]}',
  );
  assert.deepEqual(JSON.parse(encode('{"messages":[ ]}', { instructions: 'x' })), {
    model: 'm',
    messages: [{ role: 'system', content: 'x' }],
  });
});

/** V8 13.6 takes the key `"\""` for `"\\"` where it has met that one before, so neither stands in what is parsed here. */
const anyKey = fc.string().filter((key) => key !== '"' && key !== '\\');

test('for any body, the edits change their own members and no other', () => {
  fc.assert(
    fc.property(fc.dictionary(anyKey, fc.jsonValue()), fc.boolean(), fc.string(), (object, askUsage, model) => {
      const { model: _model, stream_options: _options, ...others } = object;
      const sent = JSON.parse(encode(JSON.stringify({ ...object, stream_options: {} }), { askUsage, model }));
      const { model: sentModel, stream_options: sentOptions, ...sentOthers } = sent;
      assert.deepEqual(sentOthers, JSON.parse(JSON.stringify(others)));
      assert.equal(sentModel, model);
      assert.deepEqual(sentOptions, askUsage ? { include_usage: true } : {});
    }),
  );
});

test('a refusal of the usage question is recognised by its status and its words', () => {
  const refuses = (status: number, text: string) => openaiCompletions.refusesUsageQuestion(status, Buffer.from(text));
  assert.ok(refuses(400, '{"error":{"message":"Unrecognized request argument supplied: stream_options"}}'));
  assert.ok(refuses(422, '{"detail":[{"loc":["body","stream_options","include_usage"]}]}'));
  assert.ok(!refuses(400, '{"error":{"message":"bad temperature"}}'));
  assert.ok(!refuses(500, 'stream_options'));
});
