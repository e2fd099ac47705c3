/** What a run's dispatches carry of the outbound headers that its call asks for: on the wire, to each provider. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { json, ScriptedUpstream } from '../../../../test/rig/scripted-upstream.ts';
import type { Caller, KeyTerms } from '../domain/caller.ts';
import { LITELLM_HEADERS } from '../domain/context-headers.ts';
import { COMPLETION, Rig } from './metered.fixture.ts';
import { OUTBOUND_HEADER } from './outbound.ts';

const asking = (patch: unknown) => ({ [OUTBOUND_HEADER]: JSON.stringify(patch) });
const FALLING_BACK = { json: { model: 'openclaw' } };

function withKey(terms: Partial<KeyTerms>): Caller {
  const forced = { attribution: {}, outbound: {} };
  return {
    tenantId: 'default',
    keyId: 'key_1',
    scopes: new Set(['dispatch']),
    terms: { agentId: null, forced, expiresAt: null, ended: new AbortController().signal, ...terms },
  };
}

describe('outbound headers of one call', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;
  before(async () => {
    upstream = await ScriptedUpstream.start();
  });
  beforeEach(async () => {
    rig = await Rig.open(upstream.baseUrl, {
      provider: { headers: { 'x-team': 'everybody' } },
      others: [
        { id: 'second' },
        { id: 'litellm', contextHeaders: LITELLM_HEADERS },
        { id: 'listed', outboundAllow: ['x-litellm-*'] },
        { id: 'wordy', contextHeaders: [0, 1].map((n) => ({ name: `x-own-${n}`, template: ['w'.repeat(4000)] })) },
      ],
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['second/m', 'listed/m'], instructions: null }],
    });
  });
  afterEach(() => rig.close());
  after(() => upstream.close());

  const sent = (...names: string[]) =>
    upstream.received.map(({ request }) => names.map((name) => request.headersDistinct[name]?.join('|') ?? null));

  test('they go out in the place of the provider’s own, with each retry, and with no other call', async () => {
    upstream.answer(json(503, {}), json(200, COMPLETION));
    await rig.play({ headers: asking({ 'X-Team': 'acme', 'x-tag': 'a b' }) });
    await rig.play({});
    assert.deepEqual(sent('x-team', 'x-tag', OUTBOUND_HEADER), [
      ['acme', 'a b', null],
      ['acme', 'a b', null],
      ['everybody', null, null],
    ]);
  });

  test('a fallback gets only what its own list names', async () => {
    upstream.answer(json(404, {}), json(404, {}), json(200, COMPLETION));
    await rig.play({ ...FALLING_BACK, headers: asking({ 'x-tag': '1', 'x-litellm-end-user-id': 'u' }) });
    assert.deepEqual(sent('x-tag', 'x-litellm-end-user-id'), [
      ['1', 'u'],
      [null, null],
      [null, 'u'],
    ]);
  });

  test('a provider’s own list holds for it also where it is asked first', async () => {
    upstream.answer(json(200, COMPLETION));
    await rig.play({ json: { model: 'listed/m' }, headers: asking({ 'x-tag': '1', 'x-litellm-tags': 't' }) });
    assert.deepEqual(sent('x-tag', 'x-litellm-tags'), [[null, 't']]);
  });

  test('what a key forces wins, in every spelling, and a key without the right sends no request', async () => {
    upstream.answer(json(200, COMPLETION));
    const forced = { attribution: { 'x-litellm-end-user-id': 'u' }, outbound: { 'x-litellm-end-user-id': 'u' } };
    const headers = asking({ 'x-litellm-customer-id': 'evil', 'x-litellm-end-user-id': 'evil', 'x-tag': '1' });
    await rig.play({ caller: withKey({ forced }), headers });
    const names = ['x-litellm-end-user-id', 'x-litellm-customer-id', 'x-tag'];
    assert.deepEqual(sent(...names), [['u', null, '1']]);
    const refused = await rig.play({ caller: withKey({ noOutboundHeaders: true }), headers });
    assert.equal(refused.failure?.code, 'forbidden');
    assert.equal(upstream.received.length, 1);
  });

  test('what cannot be set is refused before any provider is asked, and leaves no entry', async () => {
    upstream.answer(json(200, COMPLETION));
    for (const text of [
      '',
      'x',
      '[]',
      '"x"',
      '{"x-a":"1","x-a":"2"}',
      '{"x-a":"1","X-A":"2"}',
      '{"authorization":"Bearer sk-unseen"}',
      '{"x-a":"sk-unseen\\r\\nx: y"}',
      '{"x-a":"1"}, {"x-b":"sk-unseen"}',
      '{"__proto__":{"x-a":"sk-unseen"}}',
    ]) {
      const { failure } = await rig.play({ headers: { [OUTBOUND_HEADER]: text } });
      assert.equal(failure?.code, 'invalid_request', text);
      assert.equal(failure.param, 'outboundHeaders');
      assert.ok(!failure.message.includes('sk-unseen'), failure.message);
    }
    assert.deepEqual([upstream.received, await rig.entries()], [[], []]);
    await rig.play({ headers: { [OUTBOUND_HEADER]: ' null ' } });
    assert.equal(upstream.received.length, 1);
  });

  test('a LiteLLM proxy is told whose each dispatch is, and its own cost is recorded beside ours', async () => {
    upstream.answer(json(503, {}), json(200, COMPLETION, { 'x-litellm-response-cost': '2.5e-05' }));
    await rig.play({
      json: { model: 'litellm/m' },
      user: 'u-1',
      headers: { 'x-weighbridge-tags': 'a,b', 'x-openclaw-session-key': 's-1' },
    });
    const [first, second] = await rig.entries();
    const names = ['call-id', 'session-id', 'end-user-id', 'tags'].map((name) => `x-litellm-${name}`);
    assert.deepEqual(sent(...names), [
      [first!.dispatchId, 'direct:s-1', 'u-1', 'a,b'],
      [second!.dispatchId, 'direct:s-1', 'u-1', 'a,b'],
    ]);
    const [metadata] = sent('x-litellm-spend-logs-metadata')[1]!;
    assert.deepEqual(JSON.parse(metadata!), {
      runId: second!.runId,
      dispatchId: second!.dispatchId,
      attempt: 2,
      tenantId: 'default',
      sessionKey: 'direct:s-1',
      sessionId: (await rig.sessions.snapshot('default', 'direct:s-1'))!.sessionId,
      endUserId: 'u-1',
    });
    assert.equal((await rig.detail(second!.dispatchId)).providerCost?.nanoUsd, '25000');
  });

  test('headers that are too many together only are refused by the gateway, in words, and no provider is asked', async () => {
    upstream.answer(json(200, COMPLETION));
    const long = (count: number) =>
      asking(Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-h${n}`, 'v'.repeat(1000)])));
    const { failure } = await rig.play({ json: { model: 'wordy/m' }, headers: long(8) });
    assert.deepEqual([failure?.code, failure?.param], ['invalid_request', 'outboundHeaders']);
    assert.match(failure!.message, /'wordy' have \d+ bytes together, which is more than 12288/);
    assert.deepEqual([upstream.received, await rig.entries()], [[], []]);
    await rig.play({ json: { model: 'wordy/m' }, headers: long(3) });
    await rig.play({ json: { model: 'up/m' }, headers: long(8) });
    assert.equal(upstream.received.length, 2);
  });

  test('the credential, the framing and the trace stay the gateway’s', async () => {
    upstream.answer(json(200, COMPLETION));
    await rig.play({ headers: asking({ 'x-tag': '1' }) });
    const { headersDistinct: headers } = upstream.received[0]!.request as IncomingMessage;
    assert.deepEqual(headers.authorization, ['Bearer sk-upstream']);
    assert.deepEqual(headers['content-type'], ['application/json']);
    assert.equal(headers['content-length']!.length, 1);
  });
});
