/** What a file may say of headers: which callers may have sent, and which are made for each request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayConfig } from '../domain/config.ts';
import { decide } from './decide.ts';
import { readEnvironment } from './environment.ts';
import { ConfigError } from './findings.ts';

const LOCAL = { baseUrl: 'http://127.0.0.1:8000/v1' };

function decided(provider: object, gateway: object = {}): GatewayConfig {
  const content = { gateway, models: { providers: { mine: { ...LOCAL, ...provider } } } };
  const file = { path: '/etc/weighbridge.json5', content };
  return decide({ flags: {}, environment: readEnvironment({}), file, stateDir: '/state', localAddresses: [] }).config;
}

function problem(provider: object, gateway: object = {}): string {
  try {
    decided(provider, gateway);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.problems.length, 1);
    const { path, message, hint } = error.problems[0]!;
    return `${path} ${message} ${hint ?? ''}`;
  }
  return assert.fail('this configuration should have been refused');
}

test('callers may have sent x-* unless the file says otherwise; a provider’s own list widens what may be set', () => {
  const usual = decided({});
  assert.deepEqual(usual.outboundHeaders, { allow: ['x-*'], settable: ['x-*'] });
  assert.equal(usual.providers.get('mine')!.outboundAllow, undefined);
  const allow = [' X-Team-* ', 'billing-id'];
  const own = decided({ outboundHeaders: { allow } }, { outboundHeaders: { allow: [] } });
  assert.deepEqual(own.outboundHeaders, { allow: [], settable: ['x-team-*', 'billing-id'] });
  assert.deepEqual(own.providers.get('mine')!.outboundAllow, ['x-team-*', 'billing-id']);
});

test('an allow list that would open what is never sent is refused where it stands', () => {
  assert.match(problem({ outboundHeaders: { allow: ['x-a', 'Authorization'] } }), /allow\[1\] names a header that/);
  assert.match(problem({}, { outboundHeaders: { allow: ['*'] } }), /^gateway\.outboundHeaders\.allow\[0\] must be/);
  assert.match(problem({}, { outboundHeaders: { allow: 'x-*' } }), /must be a list of texts/);
});

test('a LiteLLM proxy has its headers without a word; a template replaces one, an empty one takes it away', () => {
  const { contextHeaders = [] } = decided({
    kind: 'litellm',
    contextHeaders: {
      'X-LiteLLM-Call-Id': '{runId}-{attempt}',
      'x-litellm-tags': '',
      'x-session-affinity': '{sessionId}',
    },
  }).providers.get('mine')!;
  const named = Object.fromEntries(contextHeaders.map(({ name, template }) => [name, template]));
  assert.deepEqual(Object.keys(named).sort(), [
    'x-litellm-call-id',
    'x-litellm-end-user-id',
    'x-litellm-session-id',
    'x-litellm-spend-logs-metadata',
    'x-session-affinity',
  ]);
  assert.deepEqual(named['x-litellm-call-id'], [{ fact: 'runId' }, '-', { fact: 'attempt' }]);
  assert.equal(decided({}).providers.get('mine')!.contextHeaders, undefined);
});

test('a template is refused for a name that is ours, a fact that is none, and what cannot travel', () => {
  const context = (contextHeaders: object) => problem({ contextHeaders });
  for (const name of ['Authorization', 'x-api-key', 'host', 'content-type', 'traceparent', 'x-weighbridge-x']) {
    assert.match(context({ [name]: '{runId}' }), /is set by the gateway itself/, name);
  }
  assert.match(context({ 'x-a': '{sesionKey}' }), /names \{sesionKey\}.*Did you mean \{sessionKey\}\?/);
  assert.match(context({ 'x-a': 'é{runId}' }), /must be visible ASCII/);
  assert.match(problem({ kind: 'litelm' }), /kind must be one of "litellm"/);
});
