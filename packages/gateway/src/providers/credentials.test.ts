/** Which header a provider's credential travels in; and that the golden answers' paths are their dialects'. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../lib/secret.ts';
import { credentialHeader } from './credentials.ts';
import { endpointOf } from './endpoints.ts';
import { GOLDENS } from './golden/all.ts';

test('each dialect has its header for the credential', () => {
  const header = (api: Parameters<typeof credentialHeader>[0], text = 'key') => credentialHeader(api, new Secret(text));
  assert.deepEqual(header('openai-completions'), ['authorization', 'Bearer key']);
  assert.deepEqual(header('openai-responses'), ['authorization', 'Bearer key']);
  assert.deepEqual(header('anthropic-messages'), ['x-api-key', 'key']);
  assert.deepEqual(header('anthropic-messages', 'sk-ant-oat01-x'), ['authorization', 'Bearer sk-ant-oat01-x']);
  assert.deepEqual(header('google-generate'), ['x-goog-api-key', 'key']);
});

test('every golden answer’s path asks for its own dialect', () => {
  for (const { name, api, path } of GOLDENS) assert.equal(endpointOf('POST', path)?.api, api, name);
});
