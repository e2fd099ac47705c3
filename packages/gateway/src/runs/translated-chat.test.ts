/** Chat completions that Anthropic and Gemini serve: what a caller sees, what waits for the ledger, what it counts. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { EVENT_STREAM, json, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import type { Api } from '../domain/provider.ts';
import { GOLDENS } from '../providers/golden/all.ts';
import { CallerView, COMPLETION, Rig, type RigOptions, wrapped } from './metered.fixture.ts';

const golden = (api: Api, name: string) => GOLDENS.find((one) => one.api === api && one.name === name)!;
const MESSAGE = golden('anthropic-messages', 'a cache hit');
const RESPONSE = golden('google-generate', 'a cache hit');
const ASKING = { json: { stream: true, stream_options: { include_usage: true } } };

describe('a chat completion of another dialect', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  async function open(api: Api, options: RigOptions = {}): Promise<void> {
    rig = await Rig.open(upstream.baseUrl, { ...options, provider: { api, ...options.provider } });
  }

  test('it is asked for in the provider’s words, at its path, with its credential', async () => {
    await open('anthropic-messages', {
      agents: [{ id: 'main', model: 'up/claude-x', fallbacks: [], instructions: 'Be brief.' }],
      provider: {
        models: [{ id: 'claude-x', name: null, contextWindow: null, maxTokens: 77, price: null, hasOwnCost: false }],
      },
    });
    upstream.answer(json(200, JSON.parse(MESSAGE.body!.toString()) as object));
    await rig.play({ json: { model: 'openclaw/main' } });
    const { request, body } = upstream.received[0]!;
    assert.deepEqual([request.url, request.headers['x-api-key']], ['/v1/messages', 'sk-upstream']);
    assert.equal(request.headers['anthropic-version'], '2023-06-01');
    assert.deepEqual(JSON.parse(body), {
      model: 'claude-x',
      max_tokens: 77,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Say hello, please.' }] }],
    });
    const { usage, usageSource, api, stopReason } = await rig.entry();
    assert.deepEqual([usage, usageSource, api], [MESSAGE.expected.usage, 'reported', 'anthropic-messages']);
    assert.equal(stopReason, 'end_turn');
  });

  test('Gemini’s path names the model, and whether it streams', async () => {
    await open('google-generate');
    upstream.answer(stream(RESPONSE.stream));
    await rig.play({ json: { model: 'up/gemini-3-pro', stream: true } });
    const { request } = upstream.received[0]!;
    assert.equal(request.url, '/v1/models/gemini-3-pro:streamGenerateContent?alt=sse');
    assert.equal(request.headers['x-goog-api-key'], 'sk-upstream');
    assert.deepEqual((await rig.entry()).usage, RESPONSE.expected.usage);
  });

  test('semantics 1: text streams, and the finish reason, usage and [DONE] wait for the commit', async () => {
    for (const { api, stream: bytes } of [MESSAGE, RESPONSE]) {
      const view = new CallerView();
      let seen = '';
      await open(api, {
        wrapLedger: (ledger) =>
          wrapped(ledger, async (settlement) => {
            seen = view.bytes.toString();
            await ledger.settle(settlement);
          }),
      });
      upstream.answer(stream(bytes));
      await rig.play(ASKING, view);
      const text = view.bytes.toString();
      assert.equal(view.seenHead!.headers['content-type'], 'text/event-stream; charset=utf-8');
      assert.ok(seen.includes('weigh') || seen.includes('It says'), seen);
      assert.ok(!/"finish_reason":"|"usage":\{|\[DONE\]\n\n$/.test(seen), seen);
      assert.match(
        text.slice(seen.length),
        /"finish_reason":"stop"[\s\S]*"prompt_tokens":\d+[\s\S]*data: \[DONE\]\n\n$/,
      );
      if (api === 'anthropic-messages') await rig.close();
    }
  });

  test('a caller who did not ask for usage sees none, and is counted all the same', async () => {
    await open('anthropic-messages');
    upstream.answer(stream(MESSAGE.stream));
    const view = await rig.play({ json: { stream: true } });
    assert.ok(!view.bytes.includes('"usage":{"prompt'), view.bytes.toString());
    assert.ok(!upstream.received[0]!.body.includes('stream_options'));
    assert.equal((await rig.entry()).usageSource, 'reported');
  });

  test('cut behind its count it ends as it should; cut before, it is an error and no end', async () => {
    const last = MESSAGE.stream.lastIndexOf('event: message_stop');
    for (const [cut, isWhole] of [
      [last + 8, true],
      [600, false],
    ] as const) {
      await open('anthropic-messages');
      upstream.answer((response) => {
        response.writeHead(200, EVENT_STREAM);
        response.write(MESSAGE.stream.subarray(0, cut), () => response.destroy());
      });
      const view = await rig.play(ASKING);
      assert.equal(view.bytes.toString().endsWith('data: [DONE]\n\n'), isWhole);
      assert.equal(view.failure?.code, isWhole ? undefined : 'upstream_unreachable');
      assert.equal((await rig.entry()).outcome, isWhole ? 'completed' : 'failed');
      if (isWhole) await rig.close();
    }
  });

  test('an error answer has its status and OpenAI’s shape, without our key', async () => {
    await open('anthropic-messages');
    const error = { type: 'authentication_error', message: 'invalid x-api-key: sk-upstream' };
    upstream.answer(json(401, { type: 'error', error }));
    const view = await rig.play({});
    assert.equal(view.seenHead!.status, 401);
    assert.deepEqual(JSON.parse(view.bytes.toString()), {
      error: {
        message: 'invalid x-api-key: [secret]',
        type: 'authentication_error',
        code: 'authentication_error',
        param: null,
      },
    });
    assert.equal(view.seenHead!.headers['content-length'], String(view.bytes.length));
  });

  test('a compressed body is read and goes out plain; what is no answer is a 502', async () => {
    await open('google-generate');
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync(RESPONSE.body!));
    });
    const view = await rig.play({});
    assert.equal(view.seenHead!.headers['content-encoding'], undefined);
    assert.equal((JSON.parse(view.bytes.toString()) as { object: string }).object, 'chat.completion');
    await rig.close();
    await open('google-generate', { limits: { retriesMax: 0 } });
    upstream.answer((response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'));
    assert.equal((await rig.play({})).failure?.code, 'upstream_invalid');
    assert.equal((await rig.entry()).errorKind, 'invalid_answer');
  });

  test('a call falls back from one dialect to another, and not to a provider that has no words for it', async () => {
    const agent = { id: 'main', model: 'up/m', fallbacks: ['claude/c'], instructions: null };
    await open('openai-completions', { agents: [agent], others: [{ id: 'claude', api: 'anthropic-messages' }] });
    const body = JSON.parse(MESSAGE.body!.toString()) as object;
    upstream.answer(json(403, { error: { message: 'no' } }), json(200, body));
    const view = await rig.play({ json: { model: 'openclaw' } });
    const { choices } = JSON.parse(view.bytes.toString()) as { choices: { finish_reason: string }[] };
    assert.equal(choices[0]!.finish_reason, 'stop');
    upstream.answer(json(403, { error: { message: 'no' } }), json(200, COMPLETION));
    const refused = await rig.play({ json: { model: 'openclaw', seed: 7 } });
    assert.deepEqual([refused.seenHead!.status, upstream.received.length], [403, 1]);
  });

  test('what cannot be said is a 400 that names the field, before anything is sent or recorded', async () => {
    await open('anthropic-messages');
    const { failure } = await rig.play({ json: { logprobs: true } });
    assert.deepEqual([failure?.code, failure?.refusal.status, failure?.param], ['invalid_request', 400, 'logprobs']);
    assert.deepEqual([await rig.entries(), upstream.received.length], [[], 0]);
  });
});
