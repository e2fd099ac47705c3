/** Which paths are counted, in which dialect, and what they name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointOf } from './endpoints.ts';

const of = (path: string) => {
  const endpoint = endpointOf('POST', path);
  return endpoint && [endpoint.api, endpoint.model, endpoint.stream];
};

test('each vendor’s path is read in the dialect that it answers in', () => {
  const chat = ['openai-completions', null, null];
  assert.deepEqual(of('/v1/chat/completions'), chat);
  assert.deepEqual(of('/openai/v1/chat/completions?x=1'), chat);
  assert.deepEqual(of('/chat/completions/'), chat);
  assert.deepEqual(of('/v1/completions'), chat);
  assert.deepEqual(of('/v1/embeddings'), ['openai-completions', null, false]);
  assert.deepEqual(of('/v1/responses'), ['openai-responses', null, null]);
  assert.deepEqual(of('/v1/responses/compact'), ['openai-responses', null, null]);
  assert.deepEqual(of('/v1/messages?beta=true'), ['anthropic-messages', null, null]);
  assert.deepEqual(of('/v1beta/models/e-1:batchEmbedContents'), ['google-generate', 'e-1', false]);
});

test('a model that stands in the path is found there, escaped or not', () => {
  assert.deepEqual(of('/v1beta/models/gemini-3-pro:generateContent'), ['google-generate', 'gemini-3-pro', false]);
  assert.deepEqual(of('/v1beta/models/gemini%2Dx:streamGenerateContent?alt=sse'), [
    'google-generate',
    'gemini-x',
    true,
  ]);
  assert.deepEqual(of('/v1/projects/p/locations/l/publishers/google/models/g-1:generateContent'), [
    'google-generate',
    'g-1',
    false,
  ]);
  assert.deepEqual(of('/v1/tunedModels/mine:generateContent'), ['google-generate', 'mine', false]);
  assert.deepEqual(
    of('/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-6:streamRawPredict'),
    ['anthropic-messages', 'claude-sonnet-4-6', true],
  );
  assert.deepEqual(of('/openai/deployments/my-gpt/chat/completions?api-version=1'), [
    'openai-completions',
    'my-gpt',
    null,
  ]);
  assert.deepEqual(of('/v1beta/models/%zz:generateContent'), ['google-generate', '%zz', false]);
});

test('what says nothing of its cost is passed on uncounted, and so is every method but POST', () => {
  for (const path of [
    '/v1/models',
    '/v1/messages/count_tokens',
    '/v1/messages/batches',
    '/v1/threads/thread_1/messages',
    '/v1/batches',
    '/v1/files',
    '/v1/images/generations',
    '/v1/audio/speech',
    '/v1/responses/resp_1',
    '/v1/responses/resp_1/cancel',
    '/v1beta/models/g:countTokens',
    '/',
  ]) {
    assert.equal(of(path), null, path);
  }
  assert.equal(endpointOf('GET', '/v1/responses'), null);
  assert.equal(endpointOf('post', '/v1/responses'), null);
});
