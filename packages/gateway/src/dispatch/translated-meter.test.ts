/**
 * Answers of Anthropic and Gemini as chat completions: streamed and whole they say the same, wherever the stream is cut and
 * whatever a provider sends; the count is the one that the provider's own dialect gives.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLongTier } from '../../../../test/quotas.ts';
import { type Random, seeded } from '../../../../test/rig/random.ts';
import { withOneHostile } from '../providers/chat/hostile.fixture.ts';
import { addDetail } from '../providers/chat/reasoning-details.ts';
import { TRANSLATIONS } from '../providers/chat/translation.ts';
import { chatUsage } from '../providers/chat/usage.ts';
import { GOLDENS } from '../providers/golden/all.ts';
import type { Golden } from '../providers/golden/golden.ts';
import { readerOf } from '../providers/readers.ts';
import { BodyMeter } from './meter.ts';
import { TranslatedBodyMeter, TranslatedStreamMeter } from './translated-meter.ts';

const OURS = GOLDENS.filter(({ api }) => TRANSLATIONS[api] !== undefined);
const WANTED = { id: 'dsp_1', model: 'asked', createdAt: 7, usage: true };
const HOSTILE_GOLDENS = [
  'reasoning',
  'a call of the caller’s tool',
  'sound and pictures',
  'an error in place of an answer',
];
/** The streams that are cut at every one of their bytes: between them they have every kind of piece. The others at some. */
const CUT_EVERYWHERE = [...HOSTILE_GOLDENS, 'an error in the middle'];
const CUTS = 20;

type Fields = Record<string, unknown>;

interface Streamed {
  passed: Buffer;
  held: Buffer | null;
  meter: TranslatedStreamMeter;
}

function streamed(
  { api, stream }: Pick<Golden, 'api' | 'stream'>,
  cuts: readonly number[] = [],
  wanted = WANTED,
): Streamed {
  const passed: Buffer[] = [];
  const meter = new TranslatedStreamMeter({
    reader: readerOf(api).streamReader(),
    stream: TRANSLATIONS[api]!.stream(wanted),
    eventBytesMax: 1 << 20,
    forward: (bytes) => void passed.push(bytes),
  });
  const edges = [0, ...cuts, stream.length];
  for (const [index, edge] of edges.slice(1).entries()) meter.push(stream.subarray(edges[index], edge));
  meter.finish((bug) => assert.equal(bug, null));
  return { passed: Buffer.concat(passed), held: meter.takeHeld(), meter };
}

function whole({ api, body }: Golden): { text: Fields; meter: TranslatedBodyMeter } {
  const inner = new BodyMeter(readerOf(api), 1 << 20);
  const meter = new TranslatedBodyMeter(inner, TRANSLATIONS[api]!, WANTED, 200);
  meter.push(body!);
  meter.finish((bug) => assert.equal(bug, null));
  return { text: JSON.parse(meter.takeHeld()!.toString()) as Fields, meter };
}

function events(bytes: Buffer): Fields[] {
  return bytes
    .toString()
    .split('\n\n')
    .filter((event) => event !== '' && event !== 'data: [DONE]')
    .map((event) => JSON.parse(event.slice('data: '.length)) as Fields);
}

interface Call {
  index: number;
  id: string;
  function: { name: string; arguments: string };
  extra_content?: unknown;
}

/** What a client makes of a stream. */
function gathered(chunks: readonly Fields[]) {
  const all = { text: '', reasoning: '', details: [] as Fields[], images: [] as unknown[], calls: [] as Call[] };
  let finish: unknown[] = [];
  let usage: unknown;
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage;
    for (const { delta, finish_reason, native_finish_reason } of chunk.choices as (Fields & { delta: Fields })[]) {
      all.text += String(delta.content ?? '');
      all.reasoning += String(delta.reasoning_content ?? '');
      for (const detail of (delta.reasoning_details ?? []) as Fields[]) addDetail(all.details, detail);
      all.images.push(...((delta.images ?? []) as unknown[]));
      for (const call of (delta.tool_calls ?? []) as Call[]) {
        const known = all.calls[call.index];
        if (known === undefined) all.calls[call.index] = structuredClone(call);
        else known.function.arguments += call.function.arguments;
      }
      if (finish_reason !== null) finish = [finish_reason, native_finish_reason];
    }
  }
  const { id, model, created } = chunks[0]!;
  return { ...all, calls: all.calls.map(plain), finish, usage, id, model, created };
}

function plain({ id, function: { name, arguments: text }, extra_content }: Call) {
  return { id, name, input: JSON.parse(text) as unknown, extra: extra_content };
}

test('streamed and whole, an answer says the same: text, reasoning, calls, finish reason, usage', () => {
  let compared = 0;
  for (const golden of OURS) {
    if (golden.body === null || golden.expected.errorKind !== null) continue;
    // Its stream says more than its body.
    if (golden.name === 'a refusal') continue;
    compared++;
    const { passed, held } = streamed(golden);
    const stream = gathered(events(Buffer.concat([passed, held!])));
    const { text } = whole(golden);
    const [choice] = text.choices as (Fields & { message: Fields })[];
    const { message, finish_reason, native_finish_reason } = choice!;
    assert.deepEqual(
      [stream.text, stream.reasoning, stream.images],
      [message.content ?? '', message.reasoning_content ?? '', message.images ?? []],
      golden.name,
    );
    assert.deepEqual(stream.calls, ((message.tool_calls ?? []) as Call[]).map(plain), golden.name);
    assert.deepEqual(
      stream.details.map((detail) => detail.text),
      ((message.reasoning_details ?? []) as Fields[]).map((detail) => detail.text),
    );
    assert.deepEqual(stream.finish, [finish_reason, native_finish_reason], golden.name);
    assert.deepEqual([stream.id, stream.created], [text.id, text.created], golden.name);
    // Which model took over is known when the head has gone.
    if (golden.name !== 'a fallback to another model') assert.equal(stream.model, text.model, golden.name);
    assert.deepEqual(stream.usage, text.usage, golden.name);
    const { usage } = golden.expected;
    assert.deepEqual(text.usage, usage === null ? undefined : chatUsage(usage), golden.name);
  }
  assert.ok(compared > 25, `${compared} compared`);
});

test('each provider’s words are OpenAI’s: finish reasons, calls, what must come back with the next turn', () => {
  const said = (api: string, name: string) => {
    const golden = OURS.find((one) => one.api === api && one.name.includes(name))!;
    const { passed, held } = streamed(golden);
    return gathered(events(Buffer.concat([passed, held!])));
  };
  const finishes = (api: string, name: string) => said(api, name).finish;
  assert.deepEqual(finishes('anthropic-messages', 'a cache hit'), ['stop', 'end_turn']);
  assert.deepEqual(finishes('anthropic-messages', 'refus'), ['content_filter', 'refusal']);
  assert.deepEqual(finishes('anthropic-messages', 'cut at its limit'), ['length', 'max_tokens']);
  assert.deepEqual(finishes('google-generate', 'a refused prompt'), ['content_filter', 'PROHIBITED_CONTENT']);
  assert.deepEqual(finishes('google-generate', 'stopped for safety'), ['content_filter', 'SAFETY']);
  assert.deepEqual(finishes('google-generate', 'reasoning and no answer'), ['length', 'MAX_TOKENS']);
  const claude = said('anthropic-messages', 'a call of the caller’s tool');
  assert.deepEqual(claude.finish, ['tool_calls', 'tool_use']);
  assert.deepEqual(claude.calls, [
    { id: 'toolu_1', name: 'weigh', input: { scale: 'A "7"', kg: 12 }, extra: undefined },
  ]);
  const gemini = said('google-generate', 'a call of the caller’s tool');
  assert.deepEqual(gemini.finish, ['tool_calls', 'STOP']);
  assert.deepEqual(gemini.calls, [
    {
      id: 'call_goldenWeighbridge-responseId_0',
      name: 'weigh',
      input: { scale: 'A', kg: 12 },
      extra: { google: { thought_signature: 'RXhhbXBsZQ==' } },
    },
  ]);
  assert.deepEqual(said('anthropic-messages', 'reasoning').details, [
    {
      type: 'reasoning.text',
      index: 0,
      text: 'First, weigh it.',
      signature: 'RXhhbXBsZQ==',
      format: 'anthropic-claude-v1',
    },
  ]);
  assert.equal(said('google-generate', 'sound and pictures').images.length, 1);
});

test('cut at every byte, a stream becomes the same bytes, and has the same count', () => {
  for (const golden of OURS) {
    const { passed, held, meter } = streamed(golden);
    const reading = meter.reading();
    assert.deepEqual(reading.usage, golden.expected.usage, golden.name);
    const isEverywhere = isLongTier || CUT_EVERYWHERE.includes(golden.name);
    const cuts = isEverywhere ? golden.stream.keys() : randomCuts(golden.stream.length, CUTS);
    for (const cut of cuts) {
      const again = streamed(golden, [cut]);
      assert.ok(again.passed.equals(passed), `${golden.name} cut at ${cut}`);
      assert.deepEqual(again.held, held);
    }
    assert.deepEqual(streamed(golden, [...golden.stream.keys()]).meter.reading().usage, reading.usage);
  }
});

test('the end is one, and only a stream that ended as it should has it; usage is said where it was asked for', () => {
  for (const golden of OURS) {
    const { passed, held, meter } = streamed(golden);
    assert.ok(!passed.includes('[DONE]') || golden.stream.includes('[DONE]'));
    if (golden.expected.end === 'error') assert.equal(held, null, golden.name);
    else assert.ok(held!.toString().endsWith('data: [DONE]\n\n'), golden.name);
    assert.deepEqual([meter.takeHeld(), meter.lastWord()], [null, null]);
    const unasked = streamed(golden, [], { ...WANTED, usage: false });
    assert.ok(unasked.held === null || events(unasked.held).every((chunk) => !('usage' in chunk)), golden.name);
  }
});

test('an error in the middle is OpenAI’s error chunk, with the provider’s words', () => {
  for (const [api, code] of [
    ['anthropic-messages', 'overloaded_error'],
    ['google-generate', 'UNAVAILABLE'],
  ]) {
    const golden = OURS.find((one) => one.api === api && one.name === 'an error in the middle')!;
    const { error } = events(streamed(golden).passed).at(-1) as { error: Fields };
    assert.deepEqual([error.code, error.param, typeof error.message], [code, null, 'string']);
    assert.equal(streamed(golden).meter.reading().errorKind, 'provider_error');
  }
});

test('numbers of a call’s arguments stay as they are spelled', () => {
  const args = '{"id":9007199254740993,"kg":1.0,"e":1e2}';
  const message = `{"id":"m","content":[{"type":"tool_use","id":"t","name":"n","input":${args}}],"stop_reason":"tool_use"}`;
  const response = `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"n","args":${args}}}]},"finishReason":"STOP"}]}`;
  for (const [api, body] of [
    ['anthropic-messages', message],
    ['google-generate', response],
  ] as const) {
    const text = TRANSLATIONS[api]!.body(Buffer.from(body), null, WANTED)!.toString();
    assert.ok(text.includes(JSON.stringify(args)), text);
  }
});

test('a call without arguments has an empty object of them, streamed too', () => {
  const stream = [
    { type: 'message_start', message: { id: 'm' } },
    { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'n', input: {} } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_stop' },
  ].map((event) => `data: ${JSON.stringify(event)}\n\n`);
  const { passed, held } = streamed({ api: 'anthropic-messages', stream: Buffer.from(stream.join('')) });
  assert.deepEqual(gathered(events(Buffer.concat([passed, held!]))).calls[0]!.input, {});
});

test('what is no answer of the dialect is an invalid one, and an error answer of any kind an error', () => {
  for (const api of ['anthropic-messages', 'google-generate'] as const) {
    for (const body of ['<html>', '', '7', '"x"']) {
      const meter = new TranslatedBodyMeter(new BodyMeter(readerOf(api), 99), TRANSLATIONS[api]!, WANTED, 200);
      meter.push(Buffer.from(body));
      meter.finish(() => {});
      assert.deepEqual([meter.takeHeld(), meter.reading().errorKind], [null, 'invalid_answer'], body);
      const { error } = JSON.parse(TRANSLATIONS[api]!.error(503, Buffer.from(body)).toString()) as { error: Fields };
      assert.deepEqual([typeof error.message, error.type], ['string', 'api_error']);
    }
  }
  const google = '[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]';
  assert.deepEqual(JSON.parse(TRANSLATIONS['google-generate']!.error(429, Buffer.from(google)).toString()), {
    error: { message: 'Quota', type: 'rate_limit_error', code: 'RESOURCE_EXHAUSTED', param: null },
  });
});

test('whatever a provider sends, no translation throws, and what goes out is chunks', () => {
  const random = seeded(20_261_121);
  for (const golden of OURS) {
    for (let round = 0; round < 40; round++) {
      const stream = mangled(golden.stream, random);
      const { passed, held } = streamed({ api: golden.api, stream });
      events(Buffer.concat([passed, held ?? Buffer.alloc(0)]));
      TRANSLATIONS[golden.api]!.body(stream, null, WANTED);
      if (golden.body !== null) TRANSLATIONS[golden.api]!.body(mangled(golden.body, random), null, WANTED);
    }
  }
  const type = fc.constantFrom(
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'x',
  );
  const keys = [
    'message',
    'content',
    'content_block',
    'delta',
    'input',
    'candidates',
    'parts',
    'functionCall',
    'error',
    'text',
  ];
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('node'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 4 }),
    ),
  })).node;
  const event = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 5 });
  fc.assert(
    fc.property(fc.array(fc.tuple(type, event), { maxLength: 6 }), (list) => {
      const text = list.map(([name, fields]) => `event: ${name}\ndata: ${JSON.stringify(fields)}\n\n`).join('');
      for (const api of ['anthropic-messages', 'google-generate'] as const) {
        const { passed, held } = streamed({ api, stream: Buffer.from(text) });
        events(Buffer.concat([passed, held ?? Buffer.alloc(0)]));
        for (const [, fields] of list) TRANSLATIONS[api]!.body(Buffer.from(JSON.stringify(fields)), null, WANTED);
      }
    }),
    { numRuns: 400 },
  );
});

test('whatever stands in the place of a member, no translation throws', () => {
  for (const golden of OURS.filter(({ name }) => HOSTILE_GOLDENS.includes(name))) {
    const translation = TRANSLATIONS[golden.api]!;
    const data = golden.stream.toString().match(/(?<=^data: ).*(?=\r?$)/gm)!;
    const frames = data.map((text) => JSON.parse(text) as unknown);
    for (const [index, frame] of frames.entries()) {
      for (const hostile of withOneHostile(frame)) {
        const stream = Buffer.from(
          data
            .with(index, hostile)
            .map((text) => `data: ${text}\n\n`)
            .join(''),
        );
        const { passed, held } = streamed({ api: golden.api, stream });
        events(Buffer.concat([passed, held ?? Buffer.alloc(0)]));
        translation.error(500, Buffer.from(hostile));
      }
    }
    for (const hostile of withOneHostile(JSON.parse(golden.body!.toString()))) {
      translation.body(Buffer.from(hostile), null, WANTED);
    }
  }
});

function randomCuts(length: number, many: number): number[] {
  const random = seeded(7);
  return Array.from({ length: many }, () => Math.floor(random() * length));
}

function mangled(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let times = 0; times < 6; times++) changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256);
  return random() < 0.3 ? changed.subarray(Math.floor(random() * changed.length)) : changed;
}
