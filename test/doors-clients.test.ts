/**
 * The official clients of OpenAI and Anthropic, unchanged, at the doors of their own dialects: answers, streams as the client
 * itself puts them together, errors as it raises them. (The pass-through has sdk-clients.test.ts.)
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { WeighbridgeClient } from '@weighbridge/client';
import OpenAI from 'openai';
import { GOLDENS } from '../packages/gateway/src/providers/golden/all.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { ReplayingUpstream } from './rig/replaying-upstream.ts';

let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let openai: OpenAI;
let anthropic: Anthropic;
let client: WeighbridgeClient;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream-key' });
  const on = { enabled: true };
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: { auth: { mode: 'token' }, http: { endpoints: { responses: on, chatCompletions: on } } },
      models: {
        providers: {
          responses: provider('openai-responses', '/v1'),
          chat: provider('openai-completions', '/v1'),
          claude: provider('anthropic-messages', ''),
        },
      },
    },
  });
  await gateway.start();
  openai = new OpenAI({ apiKey: gateway.token, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  anthropic = new Anthropic({ apiKey: gateway.token, baseURL: gateway.url, maxRetries: 0 });
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

function lay(api: string, name: string, isStreamed: boolean) {
  const { stream, body, expected } = GOLDENS.find((one) => one.api === api && one.name === name)!;
  const bytes = isStreamed ? stream : body!;
  const type = isStreamed ? 'text/event-stream' : 'application/json';
  upstream.lay({ headers: { 'content-type': type }, chunks: [bytes.subarray(0, 77), bytes.subarray(77)] });
  return expected;
}

const entryOf = (response: Response) => client.dispatch(response.headers.get('x-weighbridge-dispatch-id')!);
const message = { model: 'claude/m', max_tokens: 9, messages: [{ role: 'user' as const, content: 'hi' }] };

test('Anthropic’s client: a message, its stream, a tool call and a count of tokens', async () => {
  const expected = lay('anthropic-messages', 'a cache hit', false);
  const { data: whole, response } = await anthropic.messages.create(message).withResponse();
  lay('anthropic-messages', 'a cache hit', true);
  const streamed = await anthropic.messages.stream(message).finalMessage();
  assert.deepEqual(streamed.content, whole.content);
  assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
  const entry = await entryOf(response);
  assert.deepEqual([entry.usage, entry.provider, entry.source], [expected.usage, 'claude', 'gateway']);
  lay('anthropic-messages', 'a call of the caller’s tool', true);
  const called = await anthropic.messages.stream(message).finalMessage();
  assert.equal(called.stop_reason, 'tool_use');
  upstream.lay({ headers: { 'content-type': 'application/json' }, chunks: [Buffer.from('{"input_tokens":14}')] });
  const { model, messages } = message;
  const counted = await anthropic.messages.countTokens({ model, messages }).withResponse();
  assert.equal(counted.data.input_tokens, 14);
  assert.equal((await entryOf(counted.response)).usageSource, 'none');
});

test('Anthropic’s client raises our refusals, and a provider’s errors, as its own', async () => {
  const wrong = { ...message, model: 'chat/m' };
  await assert.rejects(anthropic.messages.create(wrong), (raised: unknown) => {
    assert.ok(raised instanceof Anthropic.BadRequestError);
    assert.equal((raised.error as { error: { type: string } }).error.type, 'invalid_request_error');
    assert.match(raised.message, /speaks openai-completions/);
    return true;
  });
  const stranger = new Anthropic({ apiKey: 'no', baseURL: gateway.url, maxRetries: 0 });
  await assert.rejects(stranger.messages.create(message), Anthropic.AuthenticationError);
  lay('anthropic-messages', 'an error in the middle', true);
  await assert.rejects(anthropic.messages.stream(message).finalMessage(), Anthropic.APIError);
  // The upstream goes in the middle: the error event is ours.
  const { stream } = GOLDENS.find(({ api }) => api === 'anthropic-messages')!;
  upstream.lay({ headers: { 'content-type': 'text/event-stream' }, chunks: [stream.subarray(0, 600)], isCut: true });
  await assert.rejects(anthropic.messages.stream(message).finalMessage(), /could not be reached or broke off/);
});

test('OpenAI’s client: a response, its stream, embeddings, and errors as its own', async () => {
  const request = { model: 'responses/m', input: 'hi' };
  const expected = lay('openai-responses', 'a cache hit', false);
  const { data: whole, response } = await openai.responses.create(request).withResponse();
  assert.deepEqual((await entryOf(response)).usage, expected.usage);
  lay('openai-responses', 'a cache hit', true);
  const stream = await openai.responses.create({ ...request, stream: true });
  let text = '';
  let last = '';
  for await (const event of stream) {
    last = event.type;
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed') assert.deepEqual(event.response.usage, whole.usage);
  }
  assert.deepEqual([last, text], ['response.completed', whole.output_text]);
  const embedding = { object: 'embedding', index: 0, embedding: [0.5, -1] };
  const usage = { prompt_tokens: 8, total_tokens: 8 };
  const list = { object: 'list', model: 'e', data: [embedding], usage };
  upstream.lay({ headers: { 'content-type': 'application/json' }, chunks: [Buffer.from(JSON.stringify(list))] });
  const embedded = await openai.embeddings
    .create({ model: 'chat/e', input: 'hi', encoding_format: 'float' })
    .withResponse();
  assert.deepEqual(embedded.data.data[0]!.embedding, [0.5, -1]);
  assert.equal((await entryOf(embedded.response)).usage?.input, 8);
  await assert.rejects(openai.responses.create({ ...request, model: 'claude/m' }), {
    status: 400,
    code: 'unsupported_dialect',
    param: 'model',
  });
  const { stream: bytes } = GOLDENS.find(({ api }) => api === 'openai-responses')!;
  upstream.lay({ headers: { 'content-type': 'text/event-stream' }, chunks: [bytes.subarray(0, 600)], isCut: true });
  const broken = await openai.responses.create({ ...request, stream: true });
  await assert.rejects(async () => {
    for await (const _event of broken);
  }, /could not be reached or broke off/);
});
