/** Calls of the other doors: what is sent for each, what its end waits for, what it counts. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { EVENT_STREAM, json, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import type { Ask } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Api, Provider } from '../domain/provider.ts';
import { Secret } from '../lib/secret.ts';
import { GOLDENS } from '../providers/golden/all.ts';
import { CallerView, Rig, type RigOptions, wrapped } from './metered.fixture.ts';

const agent = { id: 'main', model: 'up/m', fallbacks: [], instructions: 'Be brief.' };

const golden = (api: Api, name: string) => GOLDENS.find((one) => one.api === api && one.name === name)!;
const MESSAGE = golden('anthropic-messages', 'a cache hit');
const LAST = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';

describe('the other doors', () => {
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

  const asked = () => {
    const { request, body } = upstream.received.at(-1)!;
    return { url: request.url, headers: request.headers, json: JSON.parse(body) as Record<string, unknown> };
  };

  test('each ask goes to its path, with the credential of the dialect and the provider’s name of the model', async () => {
    const cases: readonly [Ask, Api, path: string][] = [
      ['responses', 'openai-responses', '/v1/responses'],
      ['messages', 'anthropic-messages', '/v1/messages'],
      ['countTokens', 'anthropic-messages', '/v1/messages/count_tokens'],
      ['embeddings', 'openai-completions', '/v1/embeddings'],
    ];
    upstream.answer(json(200, {}));
    for (const [ask, api, path] of cases) {
      await open(api);
      await rig.play({ ask, json: { model: 'up/org/m' } });
      const { url, headers, json: body } = asked();
      assert.deepEqual([url, body.model], [path, 'org/m']);
      if (api === 'anthropic-messages') {
        assert.deepEqual([headers['x-api-key'], headers.authorization], ['sk-upstream', undefined]);
        assert.equal(headers['anthropic-version'], '2023-06-01');
      } else assert.equal(headers.authorization, 'Bearer sk-upstream');
      await rig.close();
    }
    await open('openai-responses');
  });

  test('an agent’s instructions go along, and the caller’s own headers of the dialect, but no others', async () => {
    await open('anthropic-messages', { agents: [agent], provider: { headers: { 'anthropic-beta': 'configured' } } });
    upstream.answer(json(200, {}));
    const call = { ask: 'messages' as const, json: { model: 'openclaw/main', system: 'Rhyme.' } };
    await rig.play(call);
    assert.equal(asked().json.system, 'Be brief.\n\nRhyme.');
    assert.equal(asked().headers['anthropic-beta'], 'configured');
    const headers = {
      'anthropic-version': '2099-01-01',
      'anthropic-beta': 'a-1,b-2',
      'openai-beta': 'x',
      cookie: 'c=1',
    };
    await rig.play({ ...call, headers });
    const sent = asked().headers;
    assert.deepEqual([sent['anthropic-version'], sent['anthropic-beta']], ['2099-01-01', 'a-1,b-2']);
    assert.deepEqual([sent['openai-beta'], sent.cookie], [undefined, undefined]);
  });

  test('a count of tokens is passed on and not billed', async () => {
    await open('anthropic-messages');
    upstream.answer(json(200, { input_tokens: 14 }));
    const view = await rig.play({ ask: 'countTokens', headers: {} });
    assert.equal(view.bytes.toString(), '{"input_tokens":14}');
    const { usage, usageSource, cost, outcome } = await rig.entry();
    assert.deepEqual([usage, usageSource, cost, outcome], [null, 'none', null, 'completed']);
  });

  test('an advisor’s tokens are priced as its own model’s, streamed and not', async () => {
    const advised = golden('anthropic-messages', 'an advisor of another model');
    await open('anthropic-messages', { provider: { vendor: 'anthropic' } });
    for (const isStreamed of [true, false]) {
      upstream.answer(isStreamed ? stream(advised.stream) : json(200, JSON.parse(advised.body!.toString()) as object));
      await rig.play({ ask: 'messages', json: { model: 'up/claude-sonnet-4-6', stream: isStreamed } });
    }
    const details = await Promise.all((await rig.entries()).map(({ dispatchId }) => rig.detail(dispatchId)));
    for (const { cost, usage, priceLines, price } of details) {
      assert.deepEqual(usage, advised.expected.usage);
      // Sonnet's 1760 x 3 + 531 x 15 + 412 x 0.3, Opus' 823 x 5 + 1612 x 25 USD per 1M.
      assert.equal(cost?.nanoUsd, String(5_280_000 + 7_965_000 + 123_600 + 4_115_000 + 40_300_000));
      assert.deepEqual(
        priceLines?.map(({ bucket, units }) => [bucket, units]),
        [
          ['input', 1760],
          ['output', 531],
          ['cacheRead', 412],
          ['claude-opus-5 input', 823],
          ['claude-opus-5 output', 1612],
        ],
      );
      assert.deepEqual(
        [price?.basis?.model, price?.otherModels?.[0]?.basis?.model],
        ['claude-sonnet-4-6', 'claude-opus-5'],
      );
    }
    assert.deepEqual(
      details.map(({ stream: isStreamed }) => isStreamed),
      [true, false],
    );
  });

  test('embeddings are counted as the provider counts them', async () => {
    await open('openai-completions');
    upstream.answer(json(200, { object: 'list', data: [], usage: { prompt_tokens: 8, total_tokens: 8 } }));
    await rig.play({ ask: 'embeddings', json: { input: 'hi' } });
    const { usage, usageSource } = await rig.entry();
    assert.deepEqual([usage, usageSource], [makeUsage({ input: 8 }), 'reported']);
  });

  test('semantics 1: the last event of each dialect waits for the commit', async () => {
    for (const { api, stream: bytes } of [MESSAGE, golden('openai-responses', 'a cache hit')]) {
      const text = bytes.toString();
      const last = text.slice(text.lastIndexOf('event: '));
      const view = new CallerView();
      let seenAtSettlement = '';
      await open(api, {
        wrapLedger: (ledger) =>
          wrapped(ledger, async (settlement) => {
            seenAtSettlement = view.bytes.toString();
            await ledger.settle(settlement);
          }),
      });
      upstream.answer(stream(bytes));
      await rig.play({ ask: api === 'anthropic-messages' ? 'messages' : 'responses', json: { stream: true } }, view);
      assert.equal(view.bytes.toString(), text);
      assert.equal(seenAtSettlement + last, text);
      assert.equal((await rig.entry()).usageSource, 'reported');
      if (api === 'anthropic-messages') await rig.close();
    }
  });

  test('a stream that is cut before its last word gets the word of its own dialect', async () => {
    await open('anthropic-messages');
    const whole = MESSAGE.stream.toString();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(whole.slice(0, -LAST.length + 20), () => response.destroy());
    });
    const view = await rig.play({ ask: 'messages', json: { stream: true } });
    assert.equal(view.bytes.toString(), whole);
    assert.deepEqual([(await rig.entry()).outcome, view.failure], ['completed', null]);
  });

  test('a stream that is cut before its count is an error, without a last word', async () => {
    await open('anthropic-messages');
    const half = MESSAGE.stream.subarray(0, 600);
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(half, () => response.destroy());
    });
    const view = await rig.play({ ask: 'messages', json: { stream: true } });
    assert.equal(view.failure?.code, 'upstream_unreachable');
    assert.ok(!view.bytes.includes('message_stop'));
    assert.deepEqual([(await rig.entry()).outcome, (await rig.entry()).usageSource], ['failed', 'partial']);
  });

  test('what fails is tried again, and never asked about usage', async () => {
    await open('anthropic-messages');
    upstream.answer(json(529, { type: 'error', error: { type: 'overloaded_error' } }), stream(MESSAGE.stream));
    const view = await rig.play({ ask: 'messages', json: { stream: true } });
    assert.equal(view.bytes.toString(), MESSAGE.stream.toString());
    assert.deepEqual(
      (await rig.entries()).map(({ attempt, outcome }) => [attempt, outcome]),
      [
        [1, 'failed'],
        [2, 'completed'],
      ],
    );
    assert.ok(!('stream_options' in asked().json));
  });

  test('a provider whose vendor speaks another dialect as well is asked in it, at its address', async () => {
    const other: Provider = {
      id: 'up',
      api: 'anthropic-messages',
      baseUrl: upstream.baseUrl.replace('/v1', '/anthropic'),
      kind: 'http',
      credential: new Secret('sk-upstream'),
      headers: {},
      models: [],
      isVendorOrigin: false,
      vendor: null,
      asksUsage: 'no',
      timeouts: { connectTimeoutMs: 1000, firstByteTimeoutMs: 5000, idleTimeoutMs: 5000, totalTimeoutMs: 0 },
    };
    await open('openai-completions', { provider: { also: { 'anthropic-messages': other } } });
    upstream.answer(stream(MESSAGE.stream));
    await rig.play({ ask: 'messages', json: { stream: true } });
    assert.deepEqual([asked().url, asked().headers['x-api-key']], ['/anthropic/v1/messages', 'sk-upstream']);
    const { provider, api, usage } = await rig.entry();
    assert.deepEqual([provider, api, usage], ['up', 'anthropic-messages', MESSAGE.expected.usage]);
    upstream.answer(json(200, {}));
    await rig.play({ ask: 'chat' });
    assert.equal(asked().url, '/v1/chat/completions');
    assert.equal((await rig.play({ ask: 'responses' })).failure?.code, 'unsupported_dialect');
  });

  test('a model whose provider speaks another dialect is refused, before anything is sent or recorded', async () => {
    await open('openai-completions');
    for (const ask of ['responses', 'messages', 'countTokens'] as const) {
      const { failure } = await rig.play({ ask });
      assert.ok(failure instanceof GatewayError);
      assert.deepEqual([failure.code, failure.refusal.status, failure.param], ['unsupported_dialect', 400, 'model']);
      assert.match(failure.message, /'up' speaks openai-completions.*speaks (openai-responses|anthropic-messages)/);
    }
    assert.deepEqual(await rig.entries(), []);
  });
});
