/** What a key decides beats whatever its caller sends: tenant, key, agent, forced headers; and its end is the end. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { json, ScriptedUpstream } from '../../../../test/rig/scripted-upstream.ts';
import { withOutbound } from '../dispatch/headers.ts';
import { ATTRIBUTION_HEADERS } from '../domain/attribution-headers.ts';
import type { Caller, KeyTerms } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Provider } from '../domain/provider.ts';
import { Catalogue } from '../providers/catalogue.ts';
import { COMPLETION, callOf, Rig } from './metered.fixture.ts';
import { type ResolveKnowledge, resolveCall } from './resolve.ts';
import { underTerms } from './terms.ts';

const provider = { id: 'p', kind: 'http', api: 'openai-completions', models: [] } as unknown as Provider;
const AGENTS = ['main', 'ops'].map((id) => ({ id, model: 'p/m', fallbacks: [], instructions: null }));
const KNOWN: ResolveKnowledge = {
  agents: { byId: new Map(AGENTS.map((agent) => [agent.id, agent])), defaultId: 'ops' },
  catalogue: new Catalogue(new Map([['p', provider]])),
  limits: { tagsMax: 9, metadataBytesMax: 4096 },
};

function caller(terms: Partial<KeyTerms> = {}): Caller {
  return {
    tenantId: 'acme',
    keyId: 'key_1',
    scopes: new Set(['dispatch']),
    terms: {
      agentId: null,
      forced: { attribution: {}, outbound: {} },
      expiresAt: null,
      ended: new AbortController().signal,
      ...terms,
    },
  };
}

function resolved(model: string, terms: Partial<KeyTerms>, headers: Record<string, string> = {}, user = 'body-user') {
  return resolveCall(underTerms(callOf({ json: { model }, headers, user, caller: caller(terms) })), KNOWN);
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error.code;
  }
  return 'ok';
}

const SPELLINGS = Object.values(ATTRIBUTION_HEADERS).flat();
const FORCED = {
  'x-weighbridge-end-user-id': 'forced-user',
  'x-litellm-end-user-id': 'forced-user',
  'x-litellm-customer-id': 'forced-user',
  'x-weighbridge-session-key': 'forced-session',
  'x-openclaw-session-key': 'forced-session',
  'x-weighbridge-tags': 'forced-tag',
  'x-weighbridge-metadata': '{"plan":"forced"}',
} as const;

test('no header of a caller changes what its key forces, and none is needed for it', () => {
  const said = fc.constantFrom('a', 'main', 'ops', 'default', 'agent:ops:x', 'agent:main:x', '{"plan":"mine"}');
  const headers = fc.dictionary(fc.constantFrom(...SPELLINGS, 'x-weighbridge-key', 'x-other'), said);
  const forced = fc.uniqueArray(fc.constantFrom(...(Object.keys(FORCED) as (keyof typeof FORCED)[])));
  const agentId = fc.constantFrom(null, 'main');
  const model = fc.constantFrom('openclaw', 'openclaw/default', 'openclaw/main', 'openclaw:ops', 'p/m');
  let answered = 0;
  fc.assert(
    fc.property(headers, forced, agentId, model, (sent, names, agent, asked) => {
      const attribution = Object.fromEntries(names.map((name) => [name, FORCED[name]]));
      let found: ReturnType<typeof resolved>;
      try {
        found = resolved(asked, { agentId: agent, forced: { attribution, outbound: {} } }, sent);
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error));
        return;
      }
      answered++;
      const { attribution: whose } = found;
      assert.deepEqual([whose.tenantId, whose.keyId], ['acme', 'key_1']);
      if (agent !== null) assert.equal(whose.agentId, agent);
      if (agent !== null && asked !== 'p/m') assert.equal(found.agent?.id, agent);
      const forces = (family: keyof typeof ATTRIBUTION_HEADERS) =>
        names.some((name) => (ATTRIBUTION_HEADERS[family] as readonly string[]).includes(name));
      if (forces('endUser')) assert.deepEqual([whose.endUserId, whose.endUserSource], ['forced-user', 'header']);
      if (forces('session')) assert.match(whose.sessionKey!, /forced-session$/);
      if (forces('tags')) assert.deepEqual(whose.tags, ['forced-tag']);
      if (forces('metadata')) assert.deepEqual(whose.metadata, { plan: 'forced' });
    }),
    { seed, numRuns: 2000 },
  );
  assert.ok(answered > 300, `only ${answered} were answered`);
});

test('another agent than the key’s is refused, by model and by session; the default is the key’s own', () => {
  const own = { agentId: 'main' };
  for (const model of ['openclaw', 'openclaw/default', 'openclaw/main', 'agent:MAIN', 'p/m']) {
    assert.equal(resolved(model, own).attribution.agentId, 'main', model);
  }
  for (const model of ['openclaw/ops', 'openclaw:ops', 'agent:ops', 'openclaw/unknown']) {
    assert.equal(
      refusal(() => resolved(model, own)),
      'forbidden',
      model,
    );
  }
  for (const model of ['openclaw', 'p/m']) {
    assert.equal(
      refusal(() => resolved(model, own, { 'x-openclaw-session-key': 'agent:ops:s' })),
      'forbidden',
      model,
    );
  }
  assert.equal(resolved('openclaw', own, { 'x-openclaw-agent-id': 'ops' }).agent?.id, 'main', 'a header is beaten');
});

test('a key’s headers take the place of a provider’s, and a name like a built-in one is only a name', () => {
  const fixed = ['accept', 'application/json', 'x-team', 'everybody', 'tostring', 'x'];
  assert.deepEqual(withOutbound(fixed, { 'x-team': 'acme' }), [
    'accept',
    'application/json',
    'tostring',
    'x',
    'x-team',
    'acme',
  ]);
  assert.equal(withOutbound(fixed, {}), fixed);
  assert.equal(withOutbound(fixed, undefined), fixed);
});

describe('on the wire', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;
  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    rig = await Rig.open(upstream.baseUrl, {
      provider: { headers: { 'X-Team': 'everybody' } },
      others: [{ id: 'second' }],
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['second/m'], instructions: null }],
    });
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  test('a key’s headers reach the provider once, and not another one that the call falls back to', async () => {
    upstream.answer(json(404, {}), json(200, COMPLETION));
    const outbound = { 'x-team': 'acme', 'x-litellm-end-user-id': 'u-1' };
    const terms = { forced: { attribution: { 'x-litellm-end-user-id': 'u-1' }, outbound } };
    const view = await rig.play({
      json: { model: 'openclaw' },
      caller: { ...caller(terms), tenantId: 'default' },
      headers: { 'x-team': 'mine', 'x-weighbridge-end-user-id': 'mine' },
    });
    assert.equal(view.seenHead!.status, 200);
    const sent = upstream.received.map(({ request }) => [
      request.headersDistinct['x-team'],
      request.headersDistinct['x-litellm-end-user-id'],
    ]);
    assert.deepEqual(sent, [
      [['acme'], ['u-1']],
      [['everybody'], undefined],
    ]);
    for (const { keyId, endUserId } of await rig.entries()) assert.deepEqual([keyId, endUserId], ['key_1', 'u-1']);
  });

  test('a key that ended between the head of a request and its body starts nothing', async () => {
    const ended = new AbortController();
    ended.abort();
    const view = await rig.play({ caller: { ...caller({ ended: ended.signal }), tenantId: 'default' } });
    assert.equal(view.failure?.code, 'unauthorized');
    assert.deepEqual([upstream.received, await rig.entries()], [[], []]);
  });
});
