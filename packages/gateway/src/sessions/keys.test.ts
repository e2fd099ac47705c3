/** Session keys: what callers may give, what we make, and whose they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldedKey, isInternalKey, userKey, wholeKey } from './keys.ts';

test('semantics 5: given keys are lower-cased and belong to the agent of the call', () => {
  assert.deepEqual(wholeKey('My-Key', 'main'), { key: 'agent:main:my-key', agentId: 'main' });
  assert.deepEqual(wholeKey('agent:Ops:X', 'main'), { key: 'agent:ops:x', agentId: 'ops' });
  assert.deepEqual(wholeKey('S1', null), { key: 'direct:s1', agentId: null });
  assert.deepEqual(wholeKey('Direct:S1', null), { key: 'direct:s1', agentId: null }, 'it is whole already');
});

test('semantics 5: keys made from a user keep their case', () => {
  assert.equal(userKey('conv:A', 'main'), 'agent:main:openai-user:conv:A');
  assert.equal(userKey('Bob', null), 'direct:openai-user:Bob');
});

test('semantics 5: a user’s key that is given as a key is that user’s, and nobody’s whose name differs in its case', () => {
  for (const agentId of ['main', null]) {
    const own = userKey('Bob:X', agentId);
    assert.equal(wholeKey(own, agentId).key, own);
    assert.equal(foldedKey(own), own);
    assert.equal(foldedKey(own.replace('openai-user', 'OpenAI-User')), own);
  }
  assert.equal(wholeKey('openai-user:Bob', 'main').key, userKey('Bob', 'main'));
  assert.equal(foldedKey('agent:Ops:X:openai-user:Bob'), 'agent:ops:x:openai-user:bob', 'only in its place');
});

test('internal namespaces are known whole and bare', () => {
  for (const key of ['cron:x', 'agent:main:subagent:1', 'ACP:y', 'acp']) assert.equal(isInternalKey(key), true, key);
  for (const key of ['cronos', 'agent:cron:x', 'x:cron']) assert.equal(isInternalKey(key), false, key);
});
