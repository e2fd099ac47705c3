/** Providers that fail, in every way there is a word for, and what the caller and the ledger see of it. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { makeUsage } from '@weighbridge/protocol';
import {
  type Answering,
  EVENT_STREAM,
  json,
  ScriptedUpstream,
  stream,
} from '../../../../test/rig/scripted-upstream.ts';
import type { Pricing } from '../prices/prices.ts';
import {
  ASKING,
  bytesOf,
  CallerView,
  COMPLETION,
  MESSAGES,
  REPORTED,
  Rig,
  type RigOptions,
  SSE,
  STREAMED,
} from './metered.fixture.ts';

const { text, stop, usage, done, error } = SSE;

describe('failures', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;

  async function open(options: RigOptions = {}): Promise<void> {
    rig = await Rig.open(upstream.baseUrl, options);
  }

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  const timeouts = (over: object) => ({
    provider: {
      timeouts: { connectTimeoutMs: 300, firstByteTimeoutMs: 300, idleTimeoutMs: 300, totalTimeoutMs: 0, ...over },
    },
    limits: { retriesMax: 0 },
  });

  test('a provider’s error passes unchanged once retries are used up, each try with its own entry', async () => {
    await open();
    const body = { error: { message: 'boom', type: 'server_error' } };
    upstream.answer(json(503, body, { 'openai-processing-ms': '3' }));
    const view = await rig.play(STREAMED);
    assert.deepEqual([view.seenHead!.status, view.bytes.toString()], [503, JSON.stringify(body)]);
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => entry.attempt),
      [1, 2, 3],
    );
    assert.equal(view.seenHead!.dispatchId, entries[2]!.dispatchId);
    for (const entry of entries) {
      assert.deepEqual(
        [entry.outcome, entry.errorKind, entry.httpStatus, entry.usage, entry.usageSource],
        ['failed', 'http_error', 503, null, 'none'],
      );
      assert.equal(entry.runId, entries[0]!.runId);
    }
  });

  test('a retry that succeeds answers the caller, and the head names its dispatch', async () => {
    await open();
    upstream.answer(json(429, {}, { 'retry-after': '0' }), (response) => response.destroy(), json(200, COMPLETION));
    const view = await rig.play({});
    assert.equal(view.bytes.toString(), JSON.stringify(COMPLETION));
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => entry.errorKind),
      ['http_error', 'reset', null],
    );
    assert.equal(view.seenHead!.dispatchId, entries[2]!.dispatchId);
    const requestIds = upstream.received.map(({ request }) => request.headers['x-client-request-id']);
    assert.deepEqual(
      requestIds,
      entries.map((entry) => entry.dispatchId),
    );
  });

  test('the caller’s mistakes are never retried: 400 passes at once', async () => {
    await open({ agents: [{ id: 'main', model: 'up/m', fallbacks: ['up/other'], instructions: null }] });
    upstream.answer(json(400, { error: { message: 'bad' } }));
    const view = await rig.play({ json: { model: 'openclaw' } });
    assert.deepEqual([view.seenHead!.status, upstream.received.length], [400, 1]);
  });

  test('a fallback answers when the first target fails, with its own provider, model and entry', async () => {
    await open({
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['spare/n'], instructions: 'Be brief.' }],
      others: [{ id: 'spare', credential: null, headers: { authorization: 'Bearer own' } }],
    });
    upstream.answer(json(401, { error: { message: 'bad key' } }), json(200, COMPLETION));
    const view = await rig.play({ json: { model: 'openclaw/main', user: 'Bob' } });
    assert.equal(view.bytes.toString(), JSON.stringify(COMPLETION));
    const [first, second] = await rig.entries();
    assert.deepEqual([first!.provider, first!.model, first!.outcome], ['up', 'm', 'failed']);
    assert.deepEqual(
      [second!.provider, second!.model, second!.outcome, second!.attempt],
      ['spare', 'n', 'completed', 2],
    );
    assert.deepEqual([second!.agentId, second!.sessionKey], ['main', 'agent:main:openai-user:Bob']);
    assert.equal(view.seenHead!.dispatchId, second!.dispatchId);
    const [one, two] = upstream.received;
    assert.equal(one!.request.headers.authorization, 'Bearer sk-upstream');
    assert.equal(two!.request.headers.authorization, 'Bearer own');
    assert.deepEqual(JSON.parse(two!.body).messages, [{ role: 'system', content: 'Be brief.' }, ...MESSAGES]);
    assert.equal(JSON.parse(two!.body).model, 'n');
  });

  test('a provider that refuses stream_options is asked once more without, and remembered', async () => {
    await open();
    const refusing: Answering = (response, received) =>
      received.body.includes('stream_options')
        ? json(400, { error: { message: 'Unknown field: stream_options' } })(response, received)
        : stream(text('abcd'), stop, done)(response, received);
    upstream.answer(refusing);
    assert.equal((await rig.play(STREAMED)).bytes.toString(), bytesOf(text('abcd'), stop, done));
    assert.equal(upstream.received.length, 2);
    await rig.play(STREAMED);
    assert.equal(upstream.received.length, 3);
    const asked = await rig.play(ASKING);
    assert.deepEqual([asked.seenHead!.status, upstream.received.length], [400, 4]);
    assert.deepEqual(
      (await rig.entries()).map((entry) => entry.usageSource),
      ['none', 'estimated', 'estimated', 'none'],
    );
  });

  test('a mistake of one caller’s that names the usage question, or one model’s refusal, leaves all others asked', async () => {
    await open();
    const mistaken = { error: { message: 'Unknown parameter: include_usage_x' } };
    upstream.answer((response, received) => {
      const { model, stream_options: options } = JSON.parse(received.body);
      const isRefused = received.body.includes('include_usage_x') || (model === 'odd' && options);
      (isRefused ? json(400, mistaken) : stream(stop, ...(options ? [usage] : []), done))(response, received);
    });
    const view = await rig.play({ json: { stream: true, include_usage_x: 1 } });
    assert.deepEqual([view.seenHead!.status, view.bytes.toString()], [400, JSON.stringify(mistaken)]);
    await rig.play({ json: { stream: true, model: 'up/odd' } });
    for (const model of ['up/m', 'up/odd']) await rig.play({ json: { stream: true, model } });
    assert.deepEqual(
      (await rig.entries()).map((entry) => `${entry.model} ${entry.usageSource}`),
      ['m none', 'm none', 'odd none', 'odd estimated', 'm reported', 'odd estimated'],
    );
  });

  test('nothing is retried once a byte has reached the caller: an error event ends the stream', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(40)), () => response.destroy());
    });
    const view = await rig.play(STREAMED);
    assert.equal(upstream.received.length, 1);
    assert.equal(view.failure!.code, 'upstream_unreachable');
    assert.equal(view.bytes.toString(), text('x'.repeat(40)).toString());
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.usageSource, entry.usage!.output], ['failed', 'estimated', 10]);
    assert.ok(entry.errorKind === 'truncated' || entry.errorKind === 'reset');
  });

  test('usage in every chunk and then a break is partial', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      const chunk = {
        choices: [{ delta: { content: 'x' }, finish_reason: null }],
        usage: { prompt_tokens: 9, completion_tokens: 4 },
      };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`, () => response.destroy());
    });
    await rig.play(STREAMED);
    const entry = await rig.entry();
    assert.deepEqual(
      [entry.outcome, entry.usageSource, entry.usage],
      ['failed', 'partial', makeUsage({ input: 9, output: 4 })],
    );
  });

  test('a stream that breaks or hangs after its count and stop reason is complete: the caller gets the end', async () => {
    await open(timeouts({}));
    const broken: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage]), () => response.destroy());
    };
    const hanging: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage]));
    };
    for (const answering of [broken, hanging]) {
      upstream.answer(answering);
      const view = await rig.play(STREAMED);
      assert.equal(view.bytes.toString(), bytesOf(text('x'), stop, done));
    }
    for (const entry of await rig.entries())
      assert.deepEqual([entry.outcome, entry.usageSource, entry.usage], ['completed', 'reported', REPORTED]);
  });

  test('an upstream that stays open after [DONE] delays no caller', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage, done]));
    });
    const view = new CallerView();
    const sawDone = Promise.withResolvers<void>();
    view.onWrite = (soFar) => {
      if (soFar.includes('[DONE]')) sawDone.resolve();
    };
    const over = rig.play(STREAMED, view);
    await sawDone.promise;
    assert.equal((await rig.entry()).outcome, 'completed');
    await over;
    assert.equal(view.bytes.toString(), bytesOf(text('x'), stop, done));
  });

  test('an error in the stream passes, is no success, and keeps what was counted', async () => {
    await open();
    upstream.answer(stream(text('x'.repeat(40)), error, done));
    const view = await rig.play(STREAMED);
    assert.equal(view.bytes.toString(), bytesOf(text('x'.repeat(40)), error, done));
    const entry = await rig.entry();
    assert.deepEqual(
      [entry.outcome, entry.errorKind, entry.usageSource, entry.usage!.output],
      ['failed', 'provider_error', 'estimated', 10],
    );
  });

  test('a 200 with an error body is a failure without usage, passed unchanged', async () => {
    await open();
    const body = { error: { message: 'no capacity', code: 502 } };
    upstream.answer(json(200, body));
    const view = await rig.play({});
    assert.equal(view.bytes.toString(), JSON.stringify(body));
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'provider_error', 'none']);
  });

  test('a redirect is an error and is not followed', async () => {
    await open();
    upstream.answer((response) => response.writeHead(307, { location: `${upstream.baseUrl}/elsewhere` }).end());
    const view = await rig.play({});
    assert.deepEqual([view.failure!.code, upstream.received.length], ['upstream_redirect', 1]);
    assert.equal((await rig.entry()).errorKind, 'redirect');
  });

  test('each timeout has its own word, and its own entry', async () => {
    await open(timeouts({}));
    upstream.answer(() => {});
    assert.equal((await rig.play({})).failure!.code, 'upstream_timeout');
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{');
    });
    assert.equal((await rig.play({})).failure!.code, 'upstream_timeout');
    assert.deepEqual(
      (await rig.entries()).map((entry) => entry.errorKind),
      ['first_byte_timeout', 'idle_timeout'],
    );
    await rig.close();
    await open(timeouts({ totalTimeoutMs: 50 }));
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      const timer = setInterval(() => response.write(text('x')), 5);
      response.on('close', () => clearInterval(timer));
    });
    assert.equal((await rig.play(STREAMED)).failure!.code, 'upstream_timeout');
    assert.equal((await rig.entry()).errorKind, 'total_timeout');
  });

  test('a refused connection is retried and then told', async () => {
    const closedPort = createServer().listen(0, '127.0.0.1');
    await once(closedPort, 'listening');
    const { port } = closedPort.address() as { port: number };
    closedPort.close();
    await open({ provider: { baseUrl: `http://127.0.0.1:${port}/v1` } });
    const view = await rig.play({});
    assert.equal(view.failure!.code, 'upstream_unreachable');
    assert.deepEqual(
      (await rig.entries()).map(({ errorKind, usageSource }) => [errorKind, usageSource]),
      Array(3).fill(['connect_failed', 'none']),
    );
  });

  test('a body cut short of its length, and one that is not HTTP, are errors and never answers', async () => {
    await open({ limits: { retriesMax: 0 } });
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"choices":[');
      setTimeout(() => response.destroy(), 20);
    });
    const cut = await rig.play({});
    assert.equal(cut.failure!.code, 'upstream_unreachable');
    upstream.answer((response) => response.socket!.end('HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'));
    assert.equal((await rig.play({})).failure!.code, 'upstream_invalid');
    assert.deepEqual(
      (await rig.entries()).map(({ errorKind }) => errorKind),
      ['truncated', 'invalid_http'],
    );
  });

  test('a stream that just stops, without a stop reason or an end, is truncated', async () => {
    await open();
    upstream.answer(stream(text('x'.repeat(40))));
    const view = await rig.play(STREAMED);
    assert.equal(view.failure!.code, 'upstream_unreachable');
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'truncated', 'estimated']);
  });

  test('an answer nested thousands of levels deep is an unreadable one, plain and compressed, and ends the call', async () => {
    await open();
    const calls = '['.repeat(20_000) + ']'.repeat(20_000);
    const deep = Buffer.from(`{"choices":[{"message":{"tool_calls":${calls}},"finish_reason":"stop"}]}`);
    for (const [body, encoding] of [
      [deep, 'identity'],
      [gzipSync(deep), 'gzip'],
    ] as const) {
      upstream.answer((response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding });
        response.end(body);
      });
      assert.deepEqual((await rig.play({})).bytes, body);
    }
    for (const entry of await rig.entries())
      assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'invalid_answer', 'estimated']);
  });

  test('a bug of ours in the middle of an answer is settled as internal and told, plain and compressed', async () => {
    await open();
    const events = Buffer.concat([text('x'.repeat(40)), stop, usage, done]);
    for (const [bytes, encoding] of [
      [events, 'identity'],
      [gzipSync(events), 'gzip'],
    ] as const) {
      upstream.answer((response) => {
        response.writeHead(200, { ...EVENT_STREAM, 'content-encoding': encoding });
        response.write(bytes.subarray(0, 20));
        setImmediate(() => response.end(bytes.subarray(20)));
      });
      const view = new CallerView();
      view.onWrite = () => {
        throw new Error('a bug');
      };
      await rig.play(STREAMED, view);
      assert.equal(view.failure!.code, 'internal');
      assert.equal(rig.bugs.splice(0).length, 1);
    }
    assert.deepEqual(
      (await rig.entries()).map((entry) => [entry.outcome, entry.errorKind]),
      Array(2).fill(['failed', 'internal']),
    );
  });

  test('a bug of ours in the settlement itself is told, and settled as internal, unpriced, with a guess at the prompt', async () => {
    const pin = (): never => {
      throw new Error('a bug');
    };
    await open({ prices: { pin } as unknown as Pricing });
    upstream.answer(json(200, COMPLETION), stream(text('a'), stop, usage, done));
    for (const call of [{}, STREAMED]) {
      const view = await rig.play(call);
      assert.deepEqual([view.failure!.code, view.hasEnd, rig.bugs.splice(0).length], ['internal', false, 1]);
    }
    for (const { outcome, errorKind, usageSource, cost } of await rig.entries())
      assert.deepEqual([outcome, errorKind, usageSource, cost], ['failed', 'internal', 'estimated', null]);
  });

  test('too large an event and too large an answer are refused, and counted', async () => {
    await open({ limits: { eventBytesMax: 1000, answerBytesMax: 1000, retriesMax: 0 } });
    upstream.answer(stream(text('a'), text('x'.repeat(2000)), stop, done));
    const streamed = await rig.play(STREAMED);
    assert.deepEqual([streamed.failure!.code, streamed.bytes.toString()], ['upstream_invalid', text('a').toString()]);
    upstream.answer(json(200, { ...COMPLETION, pad: 'x'.repeat(2000) }));
    assert.equal((await rig.play({})).failure!.code, 'upstream_invalid');
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => [entry.errorKind, entry.usageSource]),
      [
        ['event_too_large', 'estimated'],
        ['answer_too_large', 'estimated'],
      ],
    );
  });
});
