/** Which references name a target, and what the demo answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Provider } from '../domain/provider.ts';
import { Catalogue } from './catalogue.ts';
import { DEMO_TEXT, DemoTransport } from './demo.ts';
import { openaiCompletions } from './openai-completions.ts';
import type { UpstreamHandlers } from './transport.ts';

const provider = (id: string, kind: Provider['kind'], ...models: string[]): Provider => ({
  id,
  kind,
  api: 'openai-completions',
  baseUrl: 'http://127.0.0.1:1/v1',
  credential: null,
  headers: {},
  models: models.map((id) => ({
    id,
    name: null,
    contextWindow: null,
    maxTokens: null,
    price: null,
    hasOwnCost: false,
  })),
  isVendorOrigin: false,
  vendor: null,
  asksUsage: 'unknown',
  timeouts: { connectTimeoutMs: 0, firstByteTimeoutMs: 0, idleTimeoutMs: 0, totalTimeoutMs: 0 },
});
const providers = [provider('openrouter', 'http', 'meta/llama', 'b'), provider('demo', 'demo', 'scripted')];
const catalogue = new Catalogue(new Map(providers.map((each) => [each.id, each])));

test('a target is found by provider and model, slashes in the model included', () => {
  assert.equal(catalogue.find('openrouter/meta/llama')!.model, 'meta/llama');
  assert.equal(catalogue.find('openrouter/b')!.provider.id, 'openrouter');
  for (const ref of ['nope/b', 'openrouter', 'openrouter/', '/b', '', 'demo/other'])
    assert.equal(catalogue.find(ref), null, ref);
});

test('an unlisted model of a known provider is a target, and is not listed', () => {
  assert.deepEqual(catalogue.find('openrouter/new'), { provider: providers[0], model: 'new' });
  assert.deepEqual(
    catalogue.listed().map((target) => `${target.provider.id}/${target.model}`),
    ['openrouter/meta/llama', 'openrouter/b', 'demo/scripted'],
  );
});

interface Played {
  status: number;
  body: Buffer;
}

function play(body: object, pauseEach = false): Promise<Played> {
  const { promise, resolve } = Promise.withResolvers<Played>();
  const chunks: Buffer[] = [];
  let status = 0;
  const handlers: UpstreamHandlers = {
    sent: () => {},
    head: (given) => {
      status = given;
    },
    chunk: (bytes) => {
      chunks.push(bytes);
      if (!pauseEach) return;
      exchange.pause();
      setImmediate(() => exchange.resume());
    },
    end: () => resolve({ status, body: Buffer.concat(chunks) }),
    failed: (kind) => assert.fail(kind),
  };
  const request = {
    provider: providers[1]!,
    method: 'POST',
    path: '/chat/completions',
    headers: [],
    body: Buffer.from(JSON.stringify(body)),
  };
  const exchange = new DemoTransport(() => 1_700_000_000_000).send(request, handlers);
  return promise;
}

const messages = [{ role: 'user', content: 'Hello there' }];

test('the demo says first that it is one, reports its usage, and answers alike each time', async () => {
  const first = await play({ model: 'scripted', messages });
  assert.deepEqual(await play({ model: 'scripted', messages }), first);
  const answer = JSON.parse(first.body.toString());
  assert.equal(answer.choices[0].message.content, DEMO_TEXT);
  assert.match(DEMO_TEXT, /^This is a demo answer\b/);
  const { usage } = openaiCompletions.readBody(first.body);
  assert.ok(usage!.input > 0 && usage!.output > 50);
});

test('the demo streams the same text, ends with [DONE], and sends usage only when asked', async () => {
  for (const paused of [false, true]) {
    const asked = await play(
      { model: 'scripted', messages, stream: true, stream_options: { include_usage: true } },
      paused,
    );
    const events = asked.body
      .toString()
      .split('\n\n')
      .filter(Boolean)
      .map((event) => event.slice(6));
    assert.equal(events.at(-1), '[DONE]');
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), DEMO_TEXT);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
  }
  const unasked = await play({ model: 'scripted', messages, stream: true });
  assert.ok(!unasked.body.includes('_tokens'));
});

test('the demo refuses several choices in the shape of an OpenAI error', async () => {
  const { status, body } = await play({ model: 'scripted', messages, n: 2 });
  assert.equal(status, 400);
  assert.equal(JSON.parse(body.toString()).error.param, 'n');
});
