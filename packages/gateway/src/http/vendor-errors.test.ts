/** Each door refuses in its vendor's words: before an answer, in its place, and in the middle of a stream. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { GatewayError } from '../domain/errors.ts';
import { BEARER, Door, head } from './door.fixture.ts';

const IDS = { runId: 'run_1', dispatchId: null };

let door: Door;
before(async () => {
  door = await new Door().open({ everything: true });
});
beforeEach(() => door.renew());
after(() => door.close());

const post = (path: string, headers: Record<string, string> = BEARER, body = '{"model":"p/m"}') =>
  fetch(door.base + path, { method: 'POST', headers, body });

test('a refusal has the shape of the vendor whose door it is', async () => {
  door.runs = (_call, sink) => sink.fail(new GatewayError('overloaded', 'Too much.'), IDS);
  for (const path of ['/v1/messages', '/v1/messages/count_tokens']) {
    const refused = await post(path);
    assert.deepEqual(
      [refused.status, await refused.json()],
      [503, { type: 'error', error: { type: 'overloaded_error', message: 'Too much.' } }],
    );
    const unknown = (await (await post(path, {})).json()) as { type: string; error: { type: string } };
    assert.deepEqual([unknown.type, unknown.error.type], ['error', 'authentication_error']);
    const malformed = (await (await post(path, BEARER, '{')).json()) as { error: { type: string } };
    assert.equal(malformed.error.type, 'invalid_request_error');
  }
  for (const path of ['/v1/responses', '/v1/embeddings']) {
    const refused = await post(path);
    assert.deepEqual(
      [refused.status, await refused.json()],
      [503, { error: { message: 'Too much.', type: 'api_error', code: 'overloaded', param: null } }],
    );
  }
});

test('passed through, a refusal has the shape of the vendor whose path is called', async () => {
  const refused = async (path: string) => (await (await post(`/proxy/p${path}`, {})).json()) as Record<string, unknown>;
  assert.equal((await refused('/v1/messages?beta=true')).type, 'error');
  assert.deepEqual(
    ((await refused('/v1beta/models/m:generateContent')).error as Record<string, unknown>).status,
    'UNAUTHENTICATED',
  );
  assert.equal(((await refused('/v1/responses')).error as Record<string, unknown>).code, 'unauthorized');
});

test('where the path passed through says nothing, the client’s own headers say whose shape a refused credential gets', async () => {
  const refused = async (headers: Record<string, string>) => {
    const answer = await fetch(`${door.base}/proxy/p/v1/models`, { headers });
    assert.equal(answer.status, 401);
    return (await answer.json()) as { type?: string; error: Record<string, unknown> };
  };
  const anthropics = await refused({ 'x-api-key': 'wrong', 'anthropic-version': '2023-06-01' });
  assert.deepEqual([anthropics.type, anthropics.error.type], ['error', 'authentication_error']);
  assert.equal((await refused({ 'x-goog-api-key': 'wrong' })).error.status, 'UNAUTHENTICATED');
  assert.equal((await refused({ authorization: 'Bearer wrong' })).error.code, 'unauthorized');
});

test('a failure inside a stream is an event that the vendor’s clients know', async () => {
  door.runs = (_call, sink) => {
    head(sink, 'text/event-stream');
    sink.write(Buffer.from(': hi\n\n'));
    sink.fail(new GatewayError('upstream_unreachable', 'Gone.'), IDS);
  };
  assert.equal(
    await (await post('/v1/messages')).text(),
    ': hi\n\nevent: error\ndata: {"type":"error","error":{"type":"api_error","message":"Gone."}}\n\n',
  );
  const event = /^: hi\n\nevent: error\ndata: (.*)\n\n$/.exec(await (await post('/v1/responses')).text())![1]!;
  assert.deepEqual(JSON.parse(event), {
    type: 'error',
    code: 'upstream_unreachable',
    message: 'Gone.',
    param: null,
    error: { message: 'Gone.', type: 'api_error', code: 'upstream_unreachable', param: null },
  });
});
