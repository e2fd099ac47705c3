/** D12 on the other doors: the provider's name of the model, an agent's instructions, and not another byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ObjectScan, scanObject } from '../lib/json-splice.ts';
import type { RequestMaker } from './dialect.ts';
import { COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES } from './other-requests.ts';

const INSTRUCTIONS = 'Be "brief".\n';

function encode(maker: RequestMaker, text: string, instructions: string | null = INSTRUCTIONS): string {
  const body = Buffer.from(text);
  const leading = instructions === null ? null : maker.leadingMessage(instructions);
  return maker
    .encode(body, scanObject(body) as ObjectScan, { model: 'm-1', maxTokens: null, askUsage: false, leading })
    .toString();
}

test('only the model is replaced: unknown fields, order and number spellings survive on every door', () => {
  const text = '{ "x":1.0, "seed" : 9007199254740993,\n"model" : "p/m-1", "x_new":{"a":[1e2]}, "input":"hi"}';
  for (const maker of [RESPONSES, MESSAGES, COUNT_TOKENS, EMBEDDINGS]) {
    assert.equal(encode(maker, text, null), text.replace('"p/m-1"', '"m-1"'));
  }
  assert.equal(encode(EMBEDDINGS, text), text.replace('"p/m-1"', '"m-1"'));
});

test('instructions go before the caller’s own, in the field that the dialect has for them', () => {
  const own = JSON.stringify(INSTRUCTIONS);
  const cases: readonly [RequestMaker, given: string, expected: string][] = [
    [RESPONSES, '"input":"a"', `"instructions":${own},"model":"m-1","input":"a"`],
    [RESPONSES, '"instructions":null,"input":"a"', `"model":"m-1","instructions":${own},"input":"a"`],
    [RESPONSES, '"instructions":""', `"model":"m-1","instructions":${own}`],
    [RESPONSES, '"instructions":"Say \\u0041."', `"model":"m-1","instructions":"Be \\"brief\\".\\n\\n\\nSay \\u0041."`],
    [RESPONSES, '"instructions":7', '"model":"m-1","instructions":7'],
    [MESSAGES, '"system":"Rhyme."', '"model":"m-1","system":"Be \\"brief\\".\\n\\n\\nRhyme."'],
    [MESSAGES, '"system":[]', `"model":"m-1","system":[{"type":"text","text":${own}}]`],
    [
      COUNT_TOKENS,
      '"system":[ {"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]',
      `"model":"m-1","system":[{"type":"text","text":${own}}, {"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]`,
    ],
    [MESSAGES, '"system":{}', '"model":"m-1","system":{}'],
  ];
  for (const [maker, given, expected] of cases) {
    const sent = encode(maker, `{${given}}`);
    assert.deepEqual(JSON.parse(sent), JSON.parse(`{${expected}}`), given);
  }
});

test('for any body and any instructions, what is sent is JSON whose other members are as they were', () => {
  const text = fc.string({ unit: 'binary-ascii', maxLength: 12 });
  const system = fc.option(fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text }), { maxLength: 2 })));
  fc.assert(
    fc.property(fc.dictionary(text, fc.jsonValue(), { maxKeys: 4 }), system, text, (others, given, instructions) => {
      const text = JSON.stringify({ ...others, system: given });
      const body = JSON.parse(text) as Record<string, unknown>;
      const sent = JSON.parse(encode(MESSAGES, text, instructions)) as Record<string, unknown>;
      const { model, system: led, ...rest } = sent;
      const { model: _model, system, ...kept } = { model: null, ...body } as Record<string, unknown>;
      assert.equal(model, 'm-1');
      assert.deepEqual(rest, kept);
      if (Array.isArray(system)) assert.deepEqual(led, [{ type: 'text', text: instructions }, ...system]);
      else assert.equal(led, system === null || system === '' ? instructions : `${instructions}\n\n${system}`);
    }),
  );
});
