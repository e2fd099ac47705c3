/** What is read of a passed request, and that nothing of it is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointOf } from './endpoints.ts';
import { readPassedRequest } from './passed-request.ts';

const CHAT = endpointOf('POST', '/v1/chat/completions');

function read(body: string | Buffer | null, path?: string) {
  const endpoint = path === undefined ? CHAT : endpointOf('POST', path);
  const { scan, ...facts } = readPassedRequest(endpoint, body === null ? null : Buffer.from(body));
  return { ...facts, isEditable: scan !== null };
}

const NOTHING = { model: null, stream: false, asksUsage: false, user: null, isEditable: false };

test('model, stream, usage question and user are read wherever they stand', () => {
  assert.deepEqual(
    read(
      '{"messages":[{"model":"not me"}],"user":"u\\u0031","stream":true, "model" : "gpt-5","stream_options":{"include_usage":true}}',
    ),
    { model: 'gpt-5', stream: true, asksUsage: true, user: 'u1', isEditable: true },
  );
  assert.deepEqual(read('{"model":"m"}'), { ...NOTHING, model: 'm', isEditable: true });
  assert.equal(
    read(`{"stream_options":{"include_obfuscation":${' '.repeat(1000)}false,"include_usage":true}}`).asksUsage,
    true,
  );
});

test('what cannot be read is about nothing, and what is named twice is not edited', () => {
  assert.deepEqual(read(null), NOTHING);
  assert.deepEqual(read('[1]'), NOTHING);
  assert.deepEqual(read('{"model":"m"'), NOTHING);
  assert.deepEqual(read(Buffer.from([0x1f, 0x8b, 8, 0])), NOTHING);
  assert.deepEqual(read(`{"model":"m","a":${'['.repeat(600)}${']'.repeat(600)}}`), NOTHING);
  assert.deepEqual(read('{"model":5,"stream":"true","user":{},"stream_options":null}'), {
    ...NOTHING,
    isEditable: true,
  });
  assert.deepEqual(read('{"model":"a","model":"b"}'), { ...NOTHING, model: 'b' });
  assert.equal(read(`{"model":"${'x'.repeat(600)}"}`).model, null);
});

test('a name that could not be recorded as it is names nothing, in body and path', () => {
  for (const name of ['a\\u0000b', 'a\\ud800', 'x'.repeat(257)]) {
    const facts = read(`{"model":"${name}","user":"${name}"}`);
    assert.deepEqual([facts.model, facts.user], [null, null], name);
  }
  assert.equal(read('{}', '/v1beta/models/a%00b:generateContent').model, null);
});

test('what the path says wins over the body', () => {
  const path = '/v1beta/models/gemini-3:streamGenerateContent';
  assert.deepEqual(read('{"contents":[],"model":"other"}', path), {
    ...NOTHING,
    model: 'gemini-3',
    stream: true,
    isEditable: true,
  });
  assert.equal(read('{"model":"m","stream":true}', '/v1/embeddings').stream, false);
  assert.deepEqual(read('{"model":"m"}', '/v1/files'), NOTHING);
});
