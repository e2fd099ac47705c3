/** Headers that are made from what is known of a dispatch: their values, and who wins where two say the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { CONTEXT_FACTS, LITELLM_HEADERS, readTemplate } from '../domain/context-headers.ts';
import type { Attribution } from '../domain/entry.ts';
import type { Provider } from '../domain/provider.ts';
import { type Known, withContext } from './context-headers.ts';

const NOBODY: Attribution = {
  tenantId: 'acme',
  keyId: null,
  agentId: null,
  sessionKey: null,
  sessionId: null,
  endUserId: null,
  endUserSource: null,
  tags: [],
  metadata: {},
  traceparent: null,
};

function known(attribution: Partial<Attribution> = {}, over: Partial<Known> = {}): Known {
  const ids = { runId: 'run_1', dispatchId: 'dsp_1', attempt: 2, runKind: 'chat', channel: null };
  return { ...ids, attribution: { ...NOBODY, ...attribution }, ...over };
}

function made(templates: Record<string, string>, facts: Known, outbound?: Record<string, string>) {
  const contextHeaders = Object.entries(templates).map(([name, text]) => {
    const template = readTemplate(text);
    assert.ok(!('unknown' in template), text);
    return { name, template };
  });
  return { ...withContext({ contextHeaders } as unknown as Provider, facts, outbound) };
}

test('every fact has its place', () => {
  const whole: Attribution = {
    ...NOBODY,
    keyId: 'key_1',
    agentId: 'main',
    sessionKey: 'agent:main:s',
    sessionId: 'ses_1',
    endUserId: 'u-1',
    tags: ['a', 'b'],
    metadata: { plan: 'pro' },
  };
  const templates = Object.fromEntries(CONTEXT_FACTS.map((fact) => [`x-${fact.toLowerCase()}`, `{${fact}}`]));
  const { 'x-metadata': metadata, ...rest } = made(templates, known(whole, { channel: 'telegram' }));
  assert.deepEqual(rest, {
    'x-agentid': 'main',
    'x-sessionkey': 'agent:main:s',
    'x-sessionid': 'ses_1',
    'x-runid': 'run_1',
    'x-dispatchid': 'dsp_1',
    'x-attempt': '2',
    'x-tenantid': 'acme',
    'x-enduserid': 'u-1',
    'x-keyid': 'key_1',
    'x-channel': 'telegram',
    'x-runkind': 'chat',
    'x-tags': 'a,b',
  });
  assert.deepEqual(JSON.parse(metadata!), {
    plan: 'pro',
    runId: 'run_1',
    dispatchId: 'dsp_1',
    attempt: 2,
    tenantId: 'acme',
    keyId: 'key_1',
    agentId: 'main',
    sessionKey: 'agent:main:s',
    sessionId: 'ses_1',
    endUserId: 'u-1',
  });
});

test('a header with a fact that is missing is left out whole; text in braces that is no name stays', () => {
  const templates = { 'x-a': '{agentId}/{runId}', 'x-b': '{"run":"{runId}"}', 'x-c': '', 'x-d': 'fixed', 'x-e': '{}' };
  assert.deepEqual(made(templates, known()), { 'x-b': '{"run":"run_1"}', 'x-d': 'fixed', 'x-e': '{}' });
});

test('a template names only what is known', () => {
  assert.deepEqual(readTemplate('{runId} {sesionKey}'), { unknown: 'sesionKey' });
});

test('values that no header can carry are encoded, and two that differ never look alike', () => {
  const templates = { 'x-user': '{endUserId}', 'x-json': '{"u":"{endUserId}"}' };
  const sent = (endUserId: string) => made(templates, known({ endUserId }));
  assert.equal(sent('Zoë')['x-user'], 'Zo%C3%AB');
  assert.equal(sent('Zo%C3%AB')['x-user'], 'Zo%25C3%25AB');
  assert.equal(sent('a b')['x-user'], 'a b');
  assert.equal(sent('a\r\nx-evil: 1')['x-user'], 'a%0D%0Ax-evil: 1');
  assert.equal(sent('😀"')['x-json'], '{"u":"%F0%9F%98%80%22"}');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (endUserId) => {
      const { 'x-user': user = '', 'x-json': text = '' } = sent(endUserId);
      assert.match(user, /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
      assert.equal(decodeURIComponent(user), endUserId.toWellFormed());
      assert.equal(decodeURIComponent((JSON.parse(text) as { u: string }).u), endUserId.toWellFormed());
    }),
    { seed, numRuns: 2000 },
  );
});

test('metadata is one object in ASCII; where the caller’s own is too large, only what we know is sent', () => {
  const templates = { 'x-m': '{metadata}' };
  const small = made(templates, known({ metadata: { name: 'Zoë', runId: 'forged' } }))['x-m']!;
  assert.match(small, /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(small), {
    name: 'Zoë',
    runId: 'run_1',
    dispatchId: 'dsp_1',
    attempt: 2,
    tenantId: 'acme',
  });
  const large = made(templates, known({ metadata: { name: 'é'.repeat(1000) } }))['x-m']!;
  assert.deepEqual(JSON.parse(large), { runId: 'run_1', dispatchId: 'dsp_1', attempt: 2, tenantId: 'acme' });
});

test('what a session or a key sends wins, in every spelling of the same fact', () => {
  const contextHeaders = LITELLM_HEADERS;
  const provider = { contextHeaders } as unknown as Provider;
  const facts = known({ endUserId: 'u-1', tags: ['a'] });
  const sent = { ...withContext(provider, facts, { 'x-litellm-customer-id': 'theirs', 'x-litellm-tags': 't' }) };
  assert.equal(sent['x-litellm-end-user-id'], undefined);
  assert.deepEqual(
    [sent['x-litellm-customer-id'], sent['x-litellm-tags'], sent['x-litellm-call-id']],
    ['theirs', 't', 'dsp_1'],
  );
});

test('a provider without any gets what the session sends, and no more', () => {
  const outbound = { 'x-a': '1' };
  assert.equal(withContext({} as Provider, known(), outbound), outbound);
  assert.equal(withContext({} as Provider, known(), undefined), undefined);
});
