/** What the doors read of a body, and what they refuse: chat completions in OpenClaw's words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../domain/errors.ts';
import { CHAT, EMBEDDINGS, MESSAGES as MESSAGE, RESPONSES } from './body-forms.ts';
import { readCallBody } from './call-body.ts';

const read = (text: string, form = CHAT) => readCallBody(Buffer.from(text), 64, form);
const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';

function refusal(text: string, form = CHAT): { code: string; message: string } {
  try {
    read(text, form);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return { code: error.code, message: error.message };
  }
  return { code: 'none', message: '' };
}

test('a missing model is the default agent, and a stream asks for usage only when it says so', () => {
  const asked = 'hi';
  const bare = { requestedModel: 'openclaw', stream: false, asksUsage: false, user: null, asked };
  assert.deepEqual(read(`{${MESSAGES}}`), bare);
  assert.deepEqual(
    read(`{"model":"p/m","stream":true,"stream_options":{"include_usage":true},"user":"u",${MESSAGES}}`),
    { requestedModel: 'p/m', stream: true, asksUsage: true, user: 'u', asked },
  );
});

test('bodies that cannot be are refused with the code and the words for it', () => {
  assert.equal(refusal('{"model":').code, 'invalid_json');
  assert.equal(refusal('').code, 'invalid_json');
  assert.equal(refusal('[]').code, 'invalid_json');
  assert.equal(refusal('{}').message, 'Missing user message in `messages`.');
  assert.equal(refusal('{"messages":[]}').message, 'Missing user message in `messages`.');
  assert.equal(refusal(`{${MESSAGES},"temperature":9}`).message, '`temperature` must be between 0 and 2.');
  assert.equal(refusal(`{${MESSAGES},"tools":{}}`).message, 'tools: Invalid input: expected array, received object');
  assert.equal(refusal(`{${MESSAGES},"stream":"yes"}`).code, 'invalid_request');
});

test('semantics 7: duplicate keys that we read are refused, others pass', () => {
  assert.equal(refusal(`{"model":"a/b","mod\\u0065l":"c/d",${MESSAGES}}`).code, 'duplicate_key');
  assert.equal(refusal(`{"x":1,"x":2,${MESSAGES}}`).code, 'none');
  const twice = '"include_usage":true,"include\\u005fusage":false';
  const inside = refusal(`{"stream":true,"stream_options":{${twice}},${MESSAGES}}`);
  assert.equal(inside.code, 'duplicate_key');
  assert.match(inside.message, /`stream_options\.include_usage` more than once/);
  assert.equal(refusal(`{"x":{${twice}},${MESSAGES}}`).code, 'none');
});

test('a body that is not UTF-8 is refused, because its readers would not read the same', () => {
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe6, 0x9d]]) {
    const body = Buffer.concat([Buffer.from('{"user":"'), Buffer.from(bytes), Buffer.from(`",${MESSAGES}}`)]);
    assert.throws(() => readCallBody(body, 64, CHAT), {
      code: 'invalid_json',
      message: 'The JSON body is not valid UTF-8.',
    });
  }
});

test('nesting beyond the limit is refused before anything parses it', () => {
  const deep = '['.repeat(1_000_000);
  const started = performance.now();
  assert.equal(refusal(`{${MESSAGES},"x":${deep}`).code, 'invalid_request');
  // Parsing it takes the stack or minutes.
  assert.ok(performance.now() - started < 5000);
  for (const text of [deep, `${deep}${']'.repeat(1_000_000)}`, ` [{"x":${deep}`]) {
    assert.equal(refusal(text).code, 'invalid_request', text.slice(0, 9));
  }
});

test('a key named __proto__ changes no object', () => {
  read(`{"__proto__":{"stream":true},${MESSAGES}}`);
  assert.equal(({} as Record<string, unknown>).stream, undefined);
});

test('each door knows its end user, refuses twice what it reads, and leaves the rest to the provider', () => {
  assert.equal(read('{"model":"p/m","input":"x","user":"u"}', RESPONSES).user, 'u');
  assert.equal(read('{"model":"p/m","input":["x"],"user":"u"}', EMBEDDINGS).user, 'u');
  assert.equal(read('{"model":"p/m","metadata":{"user_id":"u"}}', MESSAGE).user, 'u');
  assert.equal(read('{"model":"p/m","metadata":{"user_id":7},"user":"no"}', MESSAGE).user, null);
  const twice = refusal('{"model":"p/m","metadata":{"user_id":"a","user_\\u0069d":"b"}}', MESSAGE);
  assert.deepEqual([twice.code, /metadata\.user_id/.test(twice.message)], ['duplicate_key', true]);
  assert.equal(refusal('{"system":"a","system":"b"}', MESSAGE).code, 'duplicate_key');
  assert.equal(refusal('{"instructions":"a","instructions":"b"}', RESPONSES).code, 'duplicate_key');
  assert.equal(refusal('{"model":7}', EMBEDDINGS).code, 'invalid_request');
  for (const form of [RESPONSES, MESSAGE, EMBEDDINGS]) {
    assert.equal(refusal('{"temperature":9,"tools":{},"messages":7}', form).code, 'none');
  }
});

test('a response made in the background is refused unless it streams: nobody would count it', () => {
  assert.match(refusal('{"input":"x","background":true}', RESPONSES).message, /`background` needs `stream: true`/);
  assert.equal(refusal('{"input":"x","background":true,"stream":true}', RESPONSES).code, 'none');
  assert.equal(refusal('{"input":"x","background":false}', RESPONSES).code, 'none');
});
