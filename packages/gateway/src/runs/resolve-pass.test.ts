/** Whose a passed request is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributePass } from './resolve-pass.ts';

const CALLER = { tenantId: 't', keyId: 'key_1', scopes: new Set<never>() };

function attributed(headers: Record<string, string>, user: string | null = null) {
  const call = { caller: CALLER, providerId: 'p', method: 'POST', path: '/', rawHeaders: [], headers, body: null };
  return attributePass(call, user, { tagsMax: 2, metadataBytesMax: 64 });
}

test('a session key belongs to the agent that is named, or to the proxy, unless it is whole already', () => {
  const of = (headers: Record<string, string>) => {
    const { sessionKey, agentId } = attributed(headers);
    return [sessionKey, agentId];
  };
  assert.deepEqual(of({ 'x-weighbridge-session-key': 'S1' }), ['agent:proxy:s1', null]);
  assert.deepEqual(of({ 'x-openclaw-session-key': 'S1', 'x-openclaw-agent-id': 'Main' }), ['agent:main:s1', 'main']);
  assert.deepEqual(of({ 'x-openclaw-session-key': 'agent:main:cron:1' }), ['agent:main:cron:1', 'main']);
  assert.deepEqual(of({ 'x-weighbridge-agent-id': 'coder' }), [null, 'coder']);
  assert.deepEqual(of({}), [null, null]);
});

test('an agent gateway’s own session header attributes, after the explicit ones', () => {
  const id = '2e6d0678-4bf9-42c7-9c28-df418b411e0d';
  const own = attributed({ session_id: `${id}:0`, 'x-session-affinity': `${id}:0` });
  assert.deepEqual([own.sessionKey, own.sessionId], [`agent:proxy:${id}`, id]);
  assert.deepEqual(attributed({ session_id: id }), own);
  assert.equal(attributed({ 'x-session-affinity': 'chat:42' }).sessionId, 'chat:42');
  assert.equal(attributed({ 'x-session-id': `${id}:0` }).sessionId, id);
  const both = attributed({ 'x-session-affinity': `${id}:3`, 'x-weighbridge-session-key': 'agent:main:chat' });
  assert.deepEqual([both.sessionKey, both.sessionId, both.agentId], ['agent:main:chat', id, 'main']);
});

test('end user, tags, metadata and trace are read as on the doors', () => {
  const trace = '00-7d1c02ac339d8d3aa983b0738618b33d-45af103f919160ea-01';
  const all = attributed(
    {
      'x-litellm-end-user-id': 'e',
      'x-weighbridge-tags': 'a, b',
      'x-weighbridge-metadata': '{"k":1}',
      traceparent: trace,
    },
    'from-body',
  );
  assert.deepEqual([all.endUserId, all.endUserSource, all.tags, all.metadata], ['e', 'header', ['a', 'b'], { k: 1 }]);
  assert.equal(all.traceparent, trace);
  assert.deepEqual([all.tenantId, all.keyId], ['t', 'key_1']);
  assert.deepEqual([attributed({}, 'u').endUserId, attributed({}, 'u').endUserSource], ['u', 'user']);
  assert.throws(() => attributed({ 'x-weighbridge-tags': 'a,b,c' }), { code: 'invalid_request' });
});

test('a session’s name that was meant for the provider refuses nothing, however long, and two such names stay two', () => {
  const long = (end: string): string => 'x'.repeat(300) + end;
  const [one, other] = [attributed({ session_id: long('1') }), attributed({ session_id: long('2') })];
  assert.match(one.sessionId!, /^sha256:[\da-f]{64}$/);
  assert.deepEqual(attributed({ session_id: long('1') }), one);
  assert.equal(one.sessionKey, `agent:proxy:${one.sessionId}`);
  assert.notEqual(other.sessionId, one.sessionId);
  // These are addressed to us.
  assert.throws(() => attributed({ 'x-weighbridge-session-key': long('1') }), { code: 'invalid_request' });
  assert.throws(() => attributed({ 'x-weighbridge-end-user-id': long('1') }), { code: 'invalid_request' });
});
