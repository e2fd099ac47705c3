/** What a call's model and headers name, and how OpenClaw would have answered what names nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent } from '../domain/agent.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Provider } from '../domain/provider.ts';
import { Catalogue } from '../providers/catalogue.ts';
import { callOf } from './metered.fixture.ts';
import { type ResolveKnowledge, resolveCall } from './resolve.ts';

const agent = (id: string, ...fallbacks: string[]): Agent => ({ id, model: 'p/m', fallbacks, instructions: null });
const provider = { id: 'p', kind: 'http', api: 'openai-completions', models: [] } as unknown as Provider;

function known(
  agents: Agent[],
  defaultId: string | null = agents.length === 1 ? agents[0]!.id : null,
): ResolveKnowledge {
  return {
    agents: { byId: new Map(agents.map((each) => [each.id, each])), defaultId },
    catalogue: new Catalogue(new Map([['p', provider]])),
    limits: { tagsMax: 3, metadataBytesMax: 40 },
  };
}

const ONE = known([agent('main')]);
const TWO = known([agent('main', 'p/f'), agent('ops')]);

function resolve(model: string, { headers = {}, user = null as string | null, in: knowledge = TWO } = {}) {
  return resolveCall(callOf({ json: { model }, headers, user }), knowledge);
}

function refusal(model: string, options: Parameters<typeof resolve>[1] = {}): [number, string] {
  try {
    resolve(model, options);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return [error.refusal.status, error.message];
  }
  return [0, ''];
}

test('every spelling of an agent runs that agent, and its targets follow in order', () => {
  for (const model of ['openclaw/main', 'openclaw:main', 'agent:main']) {
    const { agent: found, targets, attribution } = resolve(model);
    assert.deepEqual([found!.id, attribution.agentId, attribution.sessionKey], ['main', 'main', null]);
    assert.deepEqual(
      targets.map((target) => target.model),
      ['m', 'f'],
    );
  }
  for (const model of ['openclaw', 'openclaw/default']) {
    assert.equal(resolve(model, { in: ONE }).agent!.id, 'main');
    assert.equal(resolve(model, { in: known([agent('main'), agent('ops')], 'ops') }).agent!.id, 'ops');
  }
});

test('the agent header wins over the model, and a whole session key wins over both', () => {
  assert.equal(resolve('openclaw', { headers: { 'x-openclaw-agent-id': 'ops' } }).agent!.id, 'ops');
  assert.equal(resolve('openclaw/main', { headers: { 'x-weighbridge-agent-id': 'ops' } }).agent!.id, 'ops');
  const { agent: found, attribution } = resolve('openclaw/main', {
    headers: { 'x-openclaw-session-key': 'agent:ops:X' },
  });
  assert.deepEqual([found!.id, attribution.agentId, attribution.sessionKey], ['ops', 'ops', 'agent:ops:x']);
});

test('semantics 5: keys of agents and of direct calls', () => {
  assert.equal(resolve('openclaw/main', { user: 'conv:A' }).attribution.sessionKey, 'agent:main:openai-user:conv:A');
  assert.equal(resolve('p/m', { user: 'Bob' }).attribution.sessionKey, 'direct:openai-user:Bob');
  assert.equal(resolve('p/m', { user: 'Bob' }).attribution.agentId, null);
  assert.equal(resolve('p/m').attribution.sessionKey, null);
  const bare = resolve('openclaw/main', { headers: { 'x-openclaw-session-key': 'My-Bare-Key' } });
  assert.equal(bare.attribution.sessionKey, 'agent:main:my-bare-key');
});

test('a direct call may say whose it is: a label, not one of our agents', () => {
  const labelled = resolve('p/m', { headers: { 'x-weighbridge-agent-id': 'Researcher' }, user: 'Bob' });
  assert.deepEqual(
    [labelled.agent, labelled.attribution.agentId, labelled.attribution.sessionKey],
    [null, 'researcher', 'agent:researcher:openai-user:Bob'],
  );
  for (const label of ['a b', 'direct', 'x'.repeat(65), 'a:b']) {
    assert.equal(refusal('p/m', { headers: { 'x-weighbridge-agent-id': label } })[0], 400, label);
  }
});

test('what names nothing is refused in OpenClaw’s words', () => {
  assert.deepEqual(refusal('openclaw/nope'), [400, "Unknown agent 'nope'."]);
  assert.deepEqual(refusal('openclaw', { headers: { 'x-openclaw-agent-id': 'nope' } }), [400, "Unknown agent 'nope'."]);
  assert.match(refusal('openclaw')[1], /^Multiple agents are configured, but this operation has no explicit owner\. /);
  assert.match(refusal('nope/m')[1], /^Invalid `model`\. Use `openclaw` or `openclaw\/<agentId>`, .*p\/…/);
  assert.equal(refusal('gpt-5')[0], 400);
  const [status, text] = refusal('openclaw/main', { headers: { 'x-openclaw-model': 'nope/none' } });
  assert.equal(status, 404);
  assert.match(text, /^Unknown model: nope\/none\. /);
  for (const key of ['subagent:x', 'cron:1', 'ACP:z', 'agent:main:cron:x']) {
    assert.deepEqual(refusal('openclaw/main', { headers: { 'x-openclaw-session-key': key } }), [
      400,
      '`x-openclaw-session-key` cannot use reserved internal session namespaces.',
    ]);
  }
});

test('x-openclaw-model replaces the agent’s model and leaves its fallbacks out', () => {
  const { targets } = resolve('openclaw/main', { headers: { 'x-openclaw-model': 'p/other' } });
  assert.deepEqual(
    targets.map((target) => target.model),
    ['other'],
  );
});

test('the end user is the header’s, else the body’s `user`', () => {
  const of = (headers: Record<string, string>, user: string | null = null) => {
    const { endUserId, endUserSource } = resolve('p/m', { headers, user }).attribution;
    return [endUserId, endUserSource];
  };
  assert.deepEqual(of({ 'x-weighbridge-end-user-id': 'a', 'x-litellm-end-user-id': 'b' }, 'c'), ['a', 'header']);
  assert.deepEqual(of({ 'x-litellm-customer-id': 'b' }), ['b', 'header']);
  assert.deepEqual(of({}, 'c'), ['c', 'user']);
  assert.deepEqual(of({}), [null, null]);
});

test('names that are too long are refused, never cut: two users must not become one', () => {
  const long = 'x'.repeat(257);
  assert.equal(refusal('p/m', { user: long })[0], 400);
  assert.equal(refusal('p/m', { headers: { 'x-weighbridge-end-user-id': long } })[0], 400);
  assert.equal(refusal('p/m', { headers: { 'x-weighbridge-session-key': long } })[0], 400);
});

test('tags and metadata are read and bounded', () => {
  const { attribution } = resolve('p/m', {
    headers: { 'x-weighbridge-tags': 'a, b,,a ,c', 'x-weighbridge-metadata': '{"k":[1]}' },
  });
  assert.deepEqual([attribution.tags, attribution.metadata], [['a', 'b', 'c'], { k: [1] }]);
  assert.equal(refusal('p/m', { headers: { 'x-weighbridge-tags': 'a,b,c,d' } })[0], 400);
  for (const metadata of ['[]', 'null', '{', `{"k":"${'x'.repeat(40)}"}`]) {
    assert.equal(refusal('p/m', { headers: { 'x-weighbridge-metadata': metadata } })[0], 400, metadata);
  }
});

test('a traceparent that is not well-formed is dropped, never refused', () => {
  const of = (traceparent: string) => resolve('p/m', { headers: { traceparent } }).attribution.traceparent;
  const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  assert.equal(of(good), good);
  assert.equal(of(`01${good.slice(2)}-more`), `01${good.slice(2)}-more`);
  const bad = [
    `${good}-more`,
    `ff${good.slice(2)}`,
    good.toUpperCase(),
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    'x',
  ];
  for (const each of [...bad, `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`]) assert.equal(of(each), null, each);
});

test('a name that no engine could keep as it is, is refused: NUL and half of a surrogate pair', () => {
  for (const name of ['a\0b', '\0', '\ud800', 'x\udc00']) {
    assert.deepEqual(
      refusal(`p/${name}`),
      [400, '`model` holds a NUL or half of a surrogate pair; no name can.'],
      name,
    );
    assert.equal(refusal('p/m', { user: name })[0], 400, name);
  }
  assert.equal(refusal('p/🜁\u202e')[0], 0);
});
