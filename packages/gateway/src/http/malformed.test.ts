/** Requests that reach no route get our error shape all the same, and start nothing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BODY, Door, TOKEN } from './door.fixture.ts';

const door = new Door();
before(() => door.open());
after(() => door.close());

const HEAD = `authorization: Bearer ${TOKEN}\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n`;
const call = (headers: string): string => `POST /v1/chat/completions HTTP/1.1\r\n${headers}${HEAD}\r\n${BODY}`;

/** Status and message of the one answer, whose body must be our error and as long as it says. */
async function refusal(sent: string): Promise<[number, string]> {
  const answer = await door.exchange(sent);
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
  const { error } = JSON.parse(/\{.*\}/s.exec(body)![0]) as { error: Record<string, string> };
  assert.deepEqual([error.type, error.code], ['invalid_request_error', 'invalid_request']);
  return [Number(head.slice(9, 12)), error.message!];
}

test('HTTP/1.1 without a host, or with two, is refused on every path', async () => {
  assert.deepEqual(await refusal(call('')), [400, 'The request names no host; send one `Host` header.']);
  const twice = 'host: a\r\nHost: b\r\n';
  assert.deepEqual(await refusal(call(twice)), [400, 'The request names more than one host; send one `Host` header.']);
  for (const path of ['/healthz', '/nowhere']) {
    assert.equal((await refusal(`GET ${path} HTTP/1.1\r\n${twice}connection: close\r\n\r\n`))[0], 400);
  }
  assert.equal(door.starts, 0);
  assert.match(await door.exchange('GET /healthz HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('an expectation that nobody knows is refused with words, the known one is met', async () => {
  const [status, message] = await refusal(call('host: x\r\nexpect: the-moon\r\n'));
  assert.deepEqual([status, message], [417, 'The header `Expect` may only say `100-continue`.']);
  assert.equal(door.starts, 0);
  const met = await door.exchange(call('host: x\r\nexpect: 100-continue\r\n'));
  assert.match(met, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  assert.equal(door.starts, 1);
});

test('a path whose escapes are broken, or with too long a part, is refused without repeating it', async () => {
  for (const [path, status] of [
    ['/%', 400],
    ['/v1/models/%ff', 400],
    [`/api/v1/dispatches/${'x'.repeat(7_000)}`, 414],
  ] as const) {
    const [got, message] = await refusal(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    assert.equal(got, status, path.slice(0, 30));
    assert.ok(!message.includes('%') && !message.includes('xxx'), message);
  }
});

test('a number that is not finite is outside of every limit', async () => {
  for (const path of [
    '/api/v1/dispatches?limit=1e999',
    '/api/v1/dispatches?limit=-1e999',
    '/api/v1/events?after=1e999',
  ]) {
    const [status] = await refusal(`GET ${path} HTTP/1.1\r\nhost: x\r\n${HEAD}\r\n${BODY}`);
    assert.equal(status, 400, path);
  }
});
