/** What the dialect reads of streams and bodies: every spelling of usage, every cut, every impossible number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage, type Usage } from '@weighbridge/protocol';
import fc from 'fast-check';
import { SseFramer } from '../lib/sse-frames.ts';
import type { FrameVerdict, Reading } from './dialect.ts';
import { openaiCompletions } from './openai-completions.ts';

const sse = (...events: unknown[]): Buffer =>
  Buffer.from(events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join(''));
const delta = (content: string, more: object = {}): object => ({
  id: 'c1',
  model: 'm-served',
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  ...more,
});
const stop = (more: object = {}): object => ({
  id: 'c1',
  choices: [{ index: 0, delta: {}, finish_reason: 'stop', ...more }],
});

function read(
  stream: Buffer,
  sizes: number[] = [stream.length],
): { verdicts: FrameVerdict[]; reading: Reading; isWhole: boolean } {
  const reader = openaiCompletions.streamReader();
  const verdicts: FrameVerdict[] = [];
  const framer = new SseFramer(1 << 20, (frame) => verdicts.push(reader.frame(frame)));
  let at = 0;
  for (const size of sizes) {
    framer.push(stream.subarray(at, at + size));
    at += size;
  }
  framer.push(stream.subarray(at));
  const rest = framer.end();
  if (rest !== null) verdicts.push(reader.frame(rest));
  return { verdicts, reading: reader.reading(), isWhole: reader.isWhole };
}

const usageOfBody = (usage: unknown): Reading =>
  openaiCompletions.readBody(
    Buffer.from(`{"choices":[],"usage":${typeof usage === 'string' ? usage : JSON.stringify(usage)}}`),
  );

const SPELLINGS: [string, object, Partial<Usage>][] = [
  [
    'OpenAI',
    {
      prompt_tokens: 103,
      completion_tokens: 20,
      total_tokens: 123,
      prompt_tokens_details: { cached_tokens: 40, audio_tokens: 3 },
      completion_tokens_details: {
        reasoning_tokens: 5,
        audio_tokens: 2,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    },
    { input: 63, output: 20, cacheRead: 40, reasoning: 5, audioInput: 3, audioOutput: 2 },
  ],
  [
    'cache writes',
    {
      prompt_tokens: 100,
      completion_tokens: 1,
      total_tokens: 101,
      prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20, image_tokens: 7 },
    },
    { input: 50, output: 1, cacheRead: 30, cacheWrite: 20, imageInput: 7 },
  ],
  [
    'DeepSeek',
    {
      prompt_tokens: 10,
      completion_tokens: 2,
      total_tokens: 12,
      prompt_cache_hit_tokens: 8,
      prompt_cache_miss_tokens: 2,
    },
    { input: 2, output: 2, cacheRead: 8 },
  ],
  [
    'Moonshot',
    { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, cached_tokens: 4 },
    { input: 6, output: 2, cacheRead: 4 },
  ],
  [
    'Anthropic behind a proxy',
    {
      prompt_tokens: 10,
      completion_tokens: 2,
      total_tokens: 12,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: 4,
      prompt_tokens_details: { cached_tokens: 4 },
    },
    { input: 3, output: 2, cacheRead: 4, cacheWrite: 3 },
  ],
  ['only a prompt and a total', { prompt_tokens: 10, total_tokens: 12 }, { input: 10, output: 2 }],
  ['zeros', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, { input: 0, output: 0 }],
  [
    'searches',
    { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, num_search_queries: 4 },
    { input: 1, output: 2, serverTools: { web_search: 4 } },
  ],
];

for (const [name, sent, expected] of SPELLINGS) {
  test(`usage as spelled by ${name} fills disjoint buckets, in a body and in a stream`, () => {
    const usage = makeUsage(expected);
    assert.deepEqual(usageOfBody(sent).usage, usage);
    assert.equal(usageOfBody(sent).anomaly, null);
    const stream = sse(delta('hi'), stop(), { id: 'c1', choices: [], usage: sent }, '[DONE]');
    const { reading, verdicts, isWhole } = read(stream);
    assert.deepEqual(reading.usage, usage);
    assert.deepEqual(verdicts, ['pass', 'pass', 'usage-only', 'terminal']);
    assert.deepEqual(
      [isWhole, reading.stopReason, reading.servedModel, reading.responseId],
      [true, 'stop', 'm-served', 'c1'],
    );
    assert.deepEqual(JSON.parse(reading.rawUsage!), sent);
  });
}

test('usage inside x_groq and inside a choice is read, and a chunk with choices is never strippable', () => {
  const usage = { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 };
  for (const last of [{ ...stop(), x_groq: { id: 'r', usage } }, stop({ usage })]) {
    const { reading, verdicts } = read(sse(delta('a'), last, '[DONE]'));
    assert.deepEqual(reading.usage, makeUsage({ input: 5, output: 6 }));
    assert.deepEqual(JSON.parse(reading.rawUsage!), usage);
    assert.deepEqual(verdicts, ['pass', 'pass', 'terminal']);
  }
});

test('semantics 10: reasoning that the total shows to stand outside is added to the output, once', () => {
  const details = { reasoning_tokens: 30 };
  const outside = usageOfBody({
    prompt_tokens: 10,
    completion_tokens: 20,
    total_tokens: 60,
    completion_tokens_details: details,
  });
  assert.deepEqual(outside.usage, makeUsage({ input: 10, output: 50, reasoning: 30 }));
  const inside = usageOfBody({
    prompt_tokens: 10,
    completion_tokens: 50,
    total_tokens: 60,
    completion_tokens_details: details,
  });
  assert.deepEqual(inside.usage, makeUsage({ input: 10, output: 50, reasoning: 30 }));
});

test('usage in every chunk merges by field-wise maximum, whatever the order, and absence erases nothing', () => {
  const partials = [1, 2, 3, 4].map((n) =>
    delta('x', { usage: { prompt_tokens: 7, completion_tokens: n, total_tokens: 7 + n } }),
  );
  const last = {
    choices: [],
    usage: { prompt_tokens: 7, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 2 }, total_tokens: 12 },
  };
  const events = [
    ...partials,
    stop(),
    last,
    { choices: [], usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 } },
  ];
  const expected = makeUsage({ input: 5, output: 5, cacheRead: 2 });
  assert.deepEqual(read(sse(...events)).reading.usage, expected);
  assert.equal(read(sse(...events)).reading.anomaly, null);
  fc.assert(
    fc.property(fc.shuffledSubarray(events, { minLength: events.length }), (shuffled) => {
      assert.deepEqual(read(sse(...shuffled)).reading.usage, expected);
    }),
  );
  assert.equal(read(sse(last, partials[0], stop())).reading.anomaly, 'usage_decreased');
});

test('an impossible number rejects the whole usage object, is flagged, and is kept as it was written', () => {
  const impossible = ['-1', '1.5', '1e400', '"12"', '9007199254740993', '9007199254740992', 'true', '[]', '{}', 'NaN'];
  for (const value of impossible) {
    const usage = `{"prompt_tokens":3,"completion_tokens":${value},"total_tokens":4}`;
    const body = usageOfBody(usage);
    assert.equal(body.usage, null, value);
    if (value === 'NaN') assert.equal(body.errorKind, 'invalid_answer');
    else assert.deepEqual([body.anomaly, body.rawUsage], ['usage_malformed', usage], value);
    const stream = read(sse(delta('abcd'), stop(), `{"choices":[],"usage":${usage}}`, '[DONE]')).reading;
    assert.equal(stream.usage, null, value);
    assert.equal(stream.outputBytes, 4);
  }
  const nested = usageOfBody({ prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: { cached_tokens: -2 } });
  assert.deepEqual([nested.usage, nested.anomaly], [null, 'usage_malformed']);
});

test('numbers that are legal but unusual are read: 1e2, 12.0, -0, a billion; what is more than that is impossible', () => {
  assert.equal(usageOfBody('{"prompt_tokens":1e2,"completion_tokens":12.0,"total_tokens":112}').usage!.total, 112);
  assert.deepEqual(usageOfBody('{"prompt_tokens":-0,"completion_tokens":0}').usage, makeUsage({}));
  assert.equal(usageOfBody('{"prompt_tokens":1e9,"completion_tokens":1000000000}').usage!.input, 1_000_000_000);
  const tooMuch = usageOfBody('{"prompt_tokens":1000000001,"completion_tokens":1}');
  assert.deepEqual([tooMuch.usage, tooMuch.anomaly], [null, 'usage_malformed']);
});

test('parts that contradict each other are flagged and never make a negative bucket', () => {
  const reading = usageOfBody({
    prompt_tokens: 10,
    completion_tokens: 2,
    total_tokens: 12,
    prompt_tokens_details: { cached_tokens: 11 },
  });
  assert.deepEqual([reading.usage!.input, reading.usage!.cacheRead, reading.anomaly], [10, 0, 'usage_inconsistent']);
  assert.equal(
    usageOfBody({ prompt_tokens: 10, completion_tokens: 2, total_tokens: 99 }).anomaly,
    'usage_inconsistent',
  );
});

test('the raw usage keeps number spellings and key order', () => {
  const raw = '{ "total_tokens":3.0, "prompt_tokens":1E0,"x":9007199254740993, "completion_tokens":2 }';
  assert.equal(usageOfBody(raw).rawUsage, raw);
  const stream = read(sse(delta('x'), `{"choices": [], "usage" : ${raw}}`)).reading;
  assert.equal(stream.rawUsage, raw);
});

test('no usage is null, never zero: absent, null, empty, in a body and in a stream', () => {
  for (const usage of ['null', '{}', '[]', '"x"']) assert.equal(usageOfBody(usage).usage, null);
  const { reading, verdicts } = read(sse(delta('a', { usage: null }), { choices: [], usage: null }, stop(), '[DONE]'));
  assert.deepEqual([reading.usage, reading.anomaly, reading.rawUsage], [null, null, null]);
  assert.ok(!verdicts.includes('usage-only'));
});

test('text that looks like usage, an error or an end inside content is only text', () => {
  const tricky = [
    '"usage":{"prompt_tokens":9}',
    '"error":{"message":"x"}',
    'data: [DONE]',
    '[DONE]',
    '"finish_reason":"stop"',
  ];
  const { reading, verdicts, isWhole } = read(sse(...tricky.map((text) => delta(text))));
  assert.deepEqual(
    verdicts,
    tricky.map(() => 'pass'),
  );
  assert.deepEqual([reading.usage, reading.errorKind, reading.stopReason, isWhole], [null, null, null, false]);
});

test('errors are seen: in a 200 body, as an event of a stream, beside an empty delta', () => {
  const error = { message: 'overloaded', code: 529 };
  assert.equal(openaiCompletions.readBody(Buffer.from(JSON.stringify({ error }))).errorKind, 'provider_error');
  assert.equal(openaiCompletions.readBody(Buffer.from('{"error":null,"choices":[]}')).errorKind, null);
  assert.equal(openaiCompletions.readBody(Buffer.from('<html>')).errorKind, 'invalid_answer');
  for (const event of [{ error }, { error: 'bad' }, { ...stop(), error }]) {
    const { verdicts, reading } = read(sse(delta('a'), event));
    assert.deepEqual([verdicts, reading.errorKind], [['pass', 'error'], 'provider_error']);
  }
  assert.deepEqual(read(Buffer.from('event: error\ndata: {"message":"x"}\n\n')).verdicts, ['error']);
});

test('generated bytes are counted wherever they stand, as UTF-8 whatever the escapes', () => {
  const texts = ['Hello', 'ä€😀', 'line\n"quoted"\\', ''];
  const expected = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  for (const key of ['content', 'reasoning_content', 'reasoning', 'refusal']) {
    const events = texts.map((text) => ({ choices: [{ delta: { content: null, [key]: text }, finish_reason: null }] }));
    assert.equal(read(sse(...events)).reading.outputBytes, expected, key);
    const spaced = events.map((event) => JSON.stringify(event).replaceAll('":', '": '));
    assert.equal(read(sse(...spaced)).reading.outputBytes, expected, `${key}, spaced`);
    const ascii = events.map((event) =>
      JSON.stringify(event).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
    );
    assert.equal(read(sse(...ascii)).reading.outputBytes, expected, `${key}, escaped`);
  }
  const call = {
    choices: [{ delta: { content: null, tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] } }],
  };
  assert.equal(read(sse(call)).reading.outputBytes, 7);
  const two = { choices: [{ delta: { content: 'ab' } }, { delta: { content: 'cde' } }] };
  assert.equal(read(sse(two)).reading.outputBytes, 5);
  const body = { choices: [{ message: { content: 'ä€😀', tool_calls: null } }] };
  assert.equal(openaiCompletions.readBody(Buffer.from(JSON.stringify(body))).outputBytes, 9);
});

test('split at every byte, and at random places, a stream gives the identical reading', () => {
  const usage = {
    prompt_tokens: 103,
    completion_tokens: 20,
    total_tokens: 123,
    prompt_tokens_details: { cached_tokens: 40 },
  };
  const stream = Buffer.concat([
    Buffer.from(': ping\r\n\r\n'),
    sse(delta('ä'), delta('€"\n'), delta('😀', { service_tier: 'flex' }), stop(), { choices: [], usage }, '[DONE]'),
  ]);
  const whole = read(stream);
  assert.deepEqual(whole.reading.usage, makeUsage({ input: 63, output: 20, cacheRead: 40 }));
  for (let cut = 0; cut <= stream.length; cut++) assert.deepEqual(read(stream, [cut]), whole, `cut at ${cut}`);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 50 }), (sizes) => {
      assert.deepEqual(read(stream, sizes), whole);
    }),
  );
});

test('whatever bytes a provider sends, the reader does not throw', () => {
  const json = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom({ usage: 1 }, { choices: 'x' }, { choices: [null, 1] }, { x_groq: [] }),
  );
  fc.assert(
    fc.property(fc.array(json), fc.uint8Array(), (events, noise) => {
      read(Buffer.concat([sse(...events.map((event) => JSON.stringify(event))), Buffer.from(noise)]));
      openaiCompletions.readBody(Buffer.from(noise));
      for (const event of events) openaiCompletions.readBody(Buffer.from(JSON.stringify(event)));
    }),
  );
});

test('the last piece of a stream without its blank line still counts', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
  const stream = Buffer.from(`data: ${JSON.stringify({ choices: [], usage })}`);
  assert.deepEqual(read(stream).reading.usage, makeUsage({ input: 1, output: 2 }));
  assert.deepEqual(read(Buffer.from('data: [DONE]')).verdicts, ['terminal']);
});

/** A value nested so deep that recursion over it would overflow the stack. */
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

test('an answer nested too deep is an unreadable one, as a body and in a stream, and costs no stack', () => {
  for (const levels of [600, 20_000, 400_000]) {
    const body = `{"choices":[{"message":{"content":"abcd","tool_calls":${nested(levels)}},"finish_reason":"stop"}]}`;
    const reading = openaiCompletions.readBody(Buffer.from(body));
    assert.deepEqual([reading.errorKind, reading.usage], ['invalid_answer', null], `${levels}`);
    const frame = `{"choices":[],"x":${nested(levels)},"usage":{"prompt_tokens":1,"completion_tokens":2}}`;
    assert.deepEqual(read(sse(delta('a'), frame)).verdicts, ['pass', 'pass'], `${levels}`);
  }
  const fine = `{"choices":[{"message":{"content":"abcd","tool_calls":${nested(400)}},"finish_reason":"stop"}]}`;
  assert.equal(openaiCompletions.readBody(Buffer.from(fine)).outputBytes, 4 + 800);
});

test('usage in many choices of one answer is read in one pass', () => {
  const choice = { delta: {}, finish_reason: 'stop', usage: { prompt_tokens: 1, completion_tokens: 2 } };
  const body = JSON.stringify({ choices: Array.from({ length: 100_000 }, () => choice) });
  const reading = openaiCompletions.readBody(Buffer.from(body));
  assert.deepEqual([reading.usage!.total, JSON.parse(reading.rawUsage!)], [3, choice.usage]);
});

test('the last word is known in whatever frame it comes: with an id, a comment, an event name, after a BOM', () => {
  const id = `id: ${'0123456789abcdef'.repeat(4)}`;
  for (const frame of [
    `${id}\ndata: [DONE]\n\n`,
    `data: [DONE]\n${id}\n\n`,
    `event: ${'x'.repeat(40)}\r\ndata:[DONE]\r\n\r\n`,
    `: a comment of some length, longer than the word\ndata: [DONE] \n\n`,
    `data:${' '.repeat(40)}[DONE]\n\n`,
    `dummy{: 1\ndata: [DONE]\n\n`,
    `\ufeff${id}\ndata: [DONE]\n\n`,
    `${id}\ndata: [DONE]`,
  ]) {
    assert.deepEqual(read(Buffer.from(frame)).verdicts, ['terminal'], JSON.stringify(frame));
  }
  for (const frame of [
    'data: [DONE]!\n\n',
    'data: {"content":"[DONE]"}\n\n',
    'data: [DO\ndata: NE]\n\n',
    ': [DONE]\n\n',
  ]) {
    assert.deepEqual(read(Buffer.from(frame)).verdicts, ['pass'], JSON.stringify(frame));
  }
});

/** Space that JSON allows between its words, and the line ends that an event's data may have there. */
const GAPS = ['', '', ' ', '\t', ' \t ', '\ndata:', '\r\ndata: ', '\rdata:', '\ndata:\t'];
const spaced = (value: object, gaps: readonly string[]): string => {
  let next = 0;
  const words = JSON.stringify(value).match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g)!;
  return `data: ${words.map((word) => word + gaps[next++ % gaps.length]!).join('')}\n\n`;
};

test('a chunk says the same however its JSON is spaced, over tabs and data lines', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2 };
  const chunks = [delta('a'), stop(), { choices: [], usage }, { choices: [], x_groq: { usage } }];
  const canonical = read(sse(...chunks));
  const gaps = fc.array(fc.constantFrom(...GAPS), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(gaps, (gaps) => {
      const { verdicts, reading, isWhole } = read(Buffer.from(chunks.map((chunk) => spaced(chunk, gaps)).join('')));
      assert.deepEqual(verdicts, canonical.verdicts);
      assert.deepEqual([reading.usage, reading.stopReason, isWhole], [canonical.reading.usage, 'stop', true]);
      assert.deepEqual(JSON.parse(reading.rawUsage!), usage);
    }),
    { numRuns: 500 },
  );
});
