/** What holds for the reader of every dialect: nothing a provider sends makes it throw, invent, overflow or forget. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { APIS } from '../domain/provider.ts';
import { SseFramer } from '../lib/sse-frames.ts';
import { GOLDENS } from './golden/all.ts';
import { readerOf } from './readers.ts';
import type { Reading } from './reading.ts';

function read(api: (typeof APIS)[number], stream: Buffer): Reading {
  const reader = readerOf(api).streamReader();
  const framer = new SseFramer(1 << 20, (frame) => reader.frame(frame));
  framer.push(stream);
  const rest = framer.end();
  if (rest !== null) reader.frame(rest);
  return reader.reading();
}

function isSound({ usage, outputBytes, outputTokens, uncountedTokens }: Reading): void {
  assert.ok(Number.isSafeInteger(outputBytes) && outputBytes >= 0, `${outputBytes} bytes`);
  assert.ok(Number.isSafeInteger(outputTokens) && outputTokens <= 2 * outputBytes, `${outputTokens} tokens`);
  assert.ok(uncountedTokens >= 0 && uncountedTokens <= outputTokens, `${uncountedTokens} of ${outputTokens} tokens`);
  if (usage === null) return;
  const { reasoning, serverTools, ...counts } = usage;
  for (const [name, count] of Object.entries({ ...counts, ...serverTools, reasoning: reasoning ?? 0 })) {
    assert.ok(Number.isSafeInteger(count) && count >= 0, `${name} is ${count}`);
  }
  assert.equal(
    usage.total,
    usage.input + usage.output + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h,
    'the total is the sum of the disjoint buckets',
  );
}

const STREAMS = GOLDENS.filter(({ stream }) => stream.length < 8 * 1024);

test('golden answers with bytes changed, lost and doubled are read without a throw, into sound counts', () => {
  const change = fc.record({
    at: fc.nat(8191),
    length: fc.nat(40),
    by: fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom('null', '-1', '1e999', '[]', '{}', '"', '99999999999', '\n\n', '__proto__').map(Buffer.from),
    ),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...STREAMS),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      ({ api, stream, body }, changes) => {
        const mutate = (bytes: Buffer): Buffer =>
          changes.reduce<Buffer>((now, { at, length, by }) => {
            const from = at % (now.length + 1);
            return Buffer.concat([now.subarray(0, from), by, now.subarray(from + length)]);
          }, bytes);
        isSound(read(api, mutate(stream)));
        if (body !== null) isSound(readerOf(api).readBody(mutate(body)));
      },
    ),
    { numRuns: 3000 },
  );
});

test('any JSON in any member a reader looks at is read without a throw', () => {
  const members = [
    ...[
      'type',
      'usage',
      'usageMetadata',
      'message',
      'response',
      'delta',
      'content_block',
      'content',
      'candidates',
      'item',
    ],
    ...['output', 'iterations', 'error', 'choices', 'x_groq', 'status', 'tool_usage', 'input_tokens', 'output_tokens'],
    ...['totalTokenCount', 'groundingMetadata', 'parts', 'cache_creation', 'server_tool_use', 'webSearchQueries'],
  ];
  const types = [
    'message_start',
    'message_delta',
    'content_block_start',
    'content_block_delta',
    'message_stop',
    'error',
  ];
  const event = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom(...types, 'response.completed', 'response.output_item.done', 'x.delta'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...members), tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.constantFrom(...APIS), fc.array(event, { maxLength: 4 }), (api, events) => {
      isSound(read(api, Buffer.from(events.map((each) => `data: ${JSON.stringify(each)}\n\n`).join(''))));
      for (const each of events) isSound(readerOf(api).readBody(Buffer.from(JSON.stringify(each))));
    }),
    { numRuns: 3000 },
  );
});

test('a value nested a hundred thousand levels deep is unreadable, not a fall', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  for (const api of APIS) {
    for (const key of ['usage', 'content', 'candidates', 'output', 'choices']) {
      const text = `{"type":"message_start","${key}":${deep}}`;
      isSound(read(api, Buffer.from(`data: ${text}\n\n`)));
      assert.equal(readerOf(api).readBody(Buffer.from(text)).errorKind, 'invalid_answer');
    }
  }
});

test('no text that is recorded is longer than 256 characters, and a raw usage than 64 KiB is not kept', () => {
  const long = 'x'.repeat(10_000);
  const bodies = {
    'openai-completions': { id: long, model: long, service_tier: long, choices: [{ finish_reason: long }] },
    'openai-responses': {
      id: long,
      model: long,
      service_tier: long,
      status: 'incomplete',
      incomplete_details: { reason: long },
    },
    'anthropic-messages': { id: long, model: long, stop_reason: long },
    'google-generate': { responseId: long, modelVersion: long, candidates: [{ finishReason: long }] },
  };
  for (const api of APIS) {
    const padded = {
      pad: 'y'.repeat(70_000),
      prompt_tokens: 1,
      input_tokens: 1,
      promptTokenCount: 1,
      output_tokens: 2,
    };
    const body = { ...bodies[api], usage: padded, usageMetadata: padded };
    const reading = readerOf(api).readBody(Buffer.from(JSON.stringify(body)));
    for (const text of [reading.stopReason, reading.servedModel, reading.responseId])
      assert.equal(text?.length, 256, api);
    assert.ok(reading.usage !== null && reading.rawUsage === null, api);
  }
});

test('a bucket beyond a billion rejects the usage it stands in and keeps it as it was written', () => {
  const sent = {
    'openai-completions': ['usage', '{"prompt_tokens":1,"completion_tokens":1000000001}'],
    'openai-responses': ['usage', '{"input_tokens":1,"output_tokens":1000000001}'],
    'anthropic-messages': ['usage', '{"input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":1000000001}}'],
    'google-generate': ['usageMetadata', '{"promptTokenCount":1,"thoughtsTokenCount":1000000001}'],
  } as const;
  for (const api of APIS) {
    const [key, usage] = sent[api];
    const reading = readerOf(api).readBody(Buffer.from(`{"${key}": ${usage}}`));
    assert.deepEqual([reading.usage, reading.anomaly, reading.rawUsage], [null, 'usage_malformed', usage], api);
    const fine = readerOf(api).readBody(Buffer.from(`{"${key}": ${usage.replace('1000000001', '1000000000')}}`));
    assert.equal(fine.usage?.total, 1_000_000_001, api);
  }
});

test('what a broken stream leaves uncounted is the text since the provider last counted its output', () => {
  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  const text = (piece: string): string =>
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } });
  const start = event({ type: 'message_start', message: { usage: { input_tokens: 25, output_tokens: 1 } } });
  const reading = read('anthropic-messages', Buffer.from(start + text('Hello ') + text('world')));
  assert.deepEqual([reading.usage!.output, reading.outputBytes, reading.uncountedTokens], [1, 11, 3]);
  const chunk = (piece: string, candidatesTokenCount: number): string =>
    event({
      candidates: [{ content: { parts: [{ text: piece }] } }],
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount },
    });
  const counted = read('google-generate', Buffer.from(chunk('Hello ', 1) + chunk('world', 2)));
  assert.deepEqual([counted.usage!.output, counted.outputBytes, counted.uncountedTokens], [2, 11, 0]);
});

test('several usages that complete each other are kept raw as a list, one that says all alone', () => {
  const raws = (name: string): unknown[] => {
    const golden = GOLDENS.find((each) => each.api === 'anthropic-messages' && each.name === name)!;
    const raw: unknown = JSON.parse(read(golden.api, golden.stream).rawUsage!);
    return Array.isArray(raw) ? raw : [raw];
  };
  assert.equal(raws('cache writes for five minutes and for an hour').length, 2);
  assert.equal(raws('a compaction on the server').length, 1);
  assert.equal(raws('a beginning that is repeated').length, 2);
});

test('text is tallied once wherever a chat’s vendor puts it: beside the delta, in parts, in two places', () => {
  const bytes = (choice: object): number =>
    read('openai-completions', Buffer.from(`data: ${JSON.stringify({ choices: [choice] })}\n\n`)).outputBytes;
  assert.equal(bytes({ text: 'Hello', finish_reason: null }), 5);
  assert.equal(bytes({ delta: { content: [{ type: 'text', text: 'Hello' }] } }), 5);
  assert.equal(bytes({ delta: { content: '', reasoning: 'Hm', reasoning_details: [{ type: 't', text: 'Hm' }] } }), 2);
  const body = { choices: [{ text: 'Hello', finish_reason: 'stop' }] };
  assert.equal(readerOf('openai-completions').readBody(Buffer.from(JSON.stringify(body))).outputBytes, 5);
});
