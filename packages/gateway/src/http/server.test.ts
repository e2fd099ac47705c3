/** The HTTP door over real sockets: who is let in, and what a hostile or broken peer gets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { answer, BEARER, BODY, BODY_BYTES_MAX, Door, rawRequest, TOKEN } from './door.fixture.ts';

let door: Door;
before(async () => {
  door = await new Door().open();
});
beforeEach(() => door.renew());
after(() => door.close());

describe('the policy', () => {
  test('every path but probes and / refuses none and a wrong credential, and starts nothing', async () => {
    const { paths } = (await (await fetch(`${door.base}/openapi.json`, { headers: BEARER })).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const asked = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path.replace(/\{[^}]+\}/g, 'x')] as const),
    );
    asked.push(['GET', '/openapi.json']);
    const open = new Set(['/', '/health', '/healthz', '/ready', '/readyz', '/startup', '/startupz']);
    let guarded = 0;
    for (const [method, path] of asked) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
        const { status } = await fetch(door.base + path, {
          method,
          headers,
          ...(method === 'POST' ? { body: BODY } : {}),
        });
        assert.equal(status, open.has(path) ? 200 : 401, `${method} ${path}`);
      }
      if (!open.has(path)) guarded += 1;
    }
    assert.ok(guarded >= 8, `only ${guarded} guarded routes were found`);
    assert.equal(door.starts, 0);
  });

  test('a page of another site is refused before its credential is looked at', async () => {
    for (const origin of ['http://evil.example', 'null', `http://localhost.evil.example:${door.port}`]) {
      const answered = await door.exchange(
        rawRequest('POST', '/v1/chat/completions', { ...BEARER, origin, connection: 'close' }, BODY),
      );
      assert.match(answered, /^HTTP\/1\.1 403 /, origin);
    }
    assert.equal(door.starts, 0);
  });

  test('answers carry the security headers, also refusals, streams and what is not found', async () => {
    door.runs = (_call, sink) => answer(sink, 'text/event-stream', ['data: [DONE]\n\n']);
    const answers = [
      await door.chat(),
      await door.chat({ headers: {} }),
      await fetch(`${door.base}/nope`),
      await fetch(`${door.base}/healthz`),
    ];
    for (const { headers } of answers) {
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('access-control-allow-origin'), null);
    }
  });

  test('unknown paths are 404, wrong methods 405 with Allow, in OpenClaw’s words', async () => {
    const missing = await fetch(`${door.base}/v1/nope`, { headers: BEARER });
    assert.deepEqual([missing.status, await missing.text()], [404, 'Not Found']);
    for (const method of ['GET', 'OPTIONS', 'DELETE']) {
      const wrong = await fetch(`${door.base}/v1/chat/completions`, { method });
      assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST'], method);
      assert.equal(await wrong.text(), 'Method Not Allowed');
    }
    const probe = await fetch(`${door.base}/healthz`, { method: 'POST' });
    assert.deepEqual([probe.status, probe.headers.get('allow')], [405, 'GET, HEAD']);
  });

  test('no body is read before the credential was checked', async () => {
    const declared = 'content-length: 50000\r\n\r\n{"half';
    for (const [path, status] of [
      ['/v1/chat/completions', 401],
      ['/v1/models', 405],
      ['/nope', 404],
    ] as const) {
      const got = await Promise.race([
        door.exchange(`POST ${path} HTTP/1.1\r\nhost: x\r\n${declared}`, /\r\n\r\n/),
        once(AbortSignal.timeout(2000), 'abort').then(() => 'no answer while the body was incomplete'),
      ]);
      assert.ok(got.startsWith(`HTTP/1.1 ${status} `), `${path}: ${got.slice(0, 60)}`);
    }
  });

  test('the probes answer as documented, and not ready says why', async () => {
    assert.deepEqual(await (await fetch(`${door.base}/healthz`)).json(), { ok: true, status: 'live' });
    door.ledger.available = false;
    const notReady = await fetch(`${door.base}/readyz`);
    door.ledger.available = true;
    assert.equal(notReady.status, 503);
    assert.deepEqual(((await notReady.json()) as { failing: string[] }).failing, ['ledger']);
    assert.equal((await fetch(`${door.base}/readyz`)).status, 200);
    assert.equal((await fetch(`${door.base}/healthz`, { method: 'HEAD' })).status, 200);
  });

  test('a model’s id may hold a slash, written or escaped', async () => {
    for (const id of ['openclaw%2Fdefault', 'openclaw/default']) {
      const found = await fetch(`${door.base}/v1/models/${id}`, { headers: BEARER });
      assert.equal(((await found.json()) as { id: string }).id, 'openclaw/default');
    }
    const missing = await fetch(`${door.base}/v1/models/nope`, { headers: BEARER });
    assert.equal(missing.status, 400);
    assert.equal(((await missing.json()) as { error: { message: string } }).error.message, 'Invalid model id.');
  });
});

describe('broken and hostile peers', () => {
  test('what is not HTTP gets 400, too large a head 431, and the process stays up', async () => {
    assert.match(await door.exchange('NOT HTTP AT ALL\r\n\r\n'), /^HTTP\/1\.1 400 /);
    const wide = `GET /healthz HTTP/1.1\r\nhost: x\r\nx-wide: ${'w'.repeat(40_000)}\r\n\r\n`;
    assert.match(await door.exchange(wide), /^HTTP\/1\.1 431 /);
    assert.equal((await fetch(`${door.base}/healthz`)).status, 200);
  });

  test('a head or a body that never ends is cut with 408, each after its own time', async () => {
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n';
    const unended = [head, `${head}authorization: Bearer ${TOKEN}\r\ncontent-length: 9\r\n\r\n{"half`];
    const answers = await Promise.all(unended.map((sent) => door.exchange(sent)));
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*"code":"invalid_request"/);
    assert.equal(door.starts, 0);
  });

  test('a body over the limit gets 413, declared or chunked', async () => {
    const declared = await door.chat({ body: 'x'.repeat(BODY_BYTES_MAX + 1) });
    assert.equal(declared.status, 413);
    assert.match(await declared.text(), /"Payload too large"/);
    const chunk = `${(BODY_BYTES_MAX + 1).toString(16)}\r\n${'x'.repeat(BODY_BYTES_MAX + 1)}\r\n0\r\n\r\n`;
    const chunked = await door.exchange(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
    );
    assert.match(chunked, /^HTTP\/1\.1 413 /);
    assert.equal(door.starts, 0);
  });

  test('the content type is not looked at, not even a malformed one', async () => {
    for (const type of [
      'text/plain',
      'application/json; charset=utf-8',
      'application/x-www-form-urlencoded',
      ';;;',
      '/',
    ]) {
      const { status } = await door.chat({ headers: { ...BEARER, 'content-type': type } });
      assert.equal(status, 200, type);
    }
  });

  test('two framings in one request are refused', async () => {
    const smuggled = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`;
    assert.match(await door.exchange(smuggled), /^HTTP\/1\.1 400 /);
    assert.equal(door.starts, 0);
  });
});
