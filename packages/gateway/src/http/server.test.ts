/**
 * The HTTP door over real sockets: who is let in, what a hostile or broken peer gets, and how an answer ends. The runs
 * behind it are a small object of this file, because what is tested here is the door; the store, the access and the
 * failure limiter are real.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createAccess } from '../access/authenticate.ts';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { buildServer } from './server.ts';

const TOKEN = 'door-token';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const BODY = JSON.stringify({ model: 'p/m', messages: [{ role: 'user', content: 'hi' }] });
const BODY_BYTES_MAX = 64 * 1024;

type Run = (call: Call, sink: AnswerSink, callerGone: AbortSignal) => void;

const config = {
  host: '127.0.0.1',
  auth: { mode: 'token', rateLimit: { maxAttempts: 100_000, windowMs: 60_000, lockoutMs: 60_000, sourcesMax: 10 } },
  endpoints: { chatCompletions: true, responses: false, messages: false, proxy: false },
  agents: {
    byId: new Map([['main', { id: 'main', model: 'p/m', fallbacks: [], instructions: null }]]),
    defaultId: 'main',
  },
  limits: { bodyBytesMax: BODY_BYTES_MAX, headTimeoutMs: 400, requestTimeoutMs: 800, jsonDepthMax: 64, feedsMax: 0 },
} as unknown as GatewayConfig;

let folder: string;
let store: Store;
let app: FastifyInstance;
let base: string;
let port: number;
let runs: Run;
let starts = 0;
const ledger = { available: true };
const state = { draining: false };

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weighbridge-door-'));
  store = await openStore({
    database: { kind: 'sqlite', file: join(folder, 'w.sqlite') },
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  app = await buildServer({
    config,
    access: createAccess(config.auth, { token: new Secret(TOKEN), password: null }, systemClock),
    runs: {
      start: async (call, sink, gone) => {
        starts += 1;
        runs(call, sink, gone);
      },
      inFlight: () => [],
      stop: () => false,
      get draining() {
        return state.draining;
      },
    },
    ledger,
    store,
    // The live feed has its own tests.
    events: { lastSeq: async () => 0, async *follow() {} },
    catalogue: { listed: () => [] },
    clock: systemClock,
    log: pino({ level: 'silent' }),
    closing: new AbortController().signal,
  });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
  port = Number(new URL(base).port);
});

beforeEach(() => {
  runs = (_call, sink) => answer(sink, 'application/json', ['{}']);
  starts = 0;
});

after(async () => {
  await app.close();
  await store.close();
  await rm(folder, { recursive: true });
});

function head(sink: AnswerSink, type: string): void {
  sink.head({ status: 200, headers: { 'content-type': type }, runId: 'run_1', dispatchId: 'dsp_1' });
}

function answer(sink: AnswerSink, type: string, parts: string[]): void {
  head(sink, type);
  for (const part of parts.slice(0, -1)) sink.write(Buffer.from(part));
  sink.end(Buffer.from(parts.at(-1)!));
}

const chat = (init: RequestInit = {}): Promise<Response> =>
  fetch(`${base}/v1/chat/completions`, { method: 'POST', headers: BEARER, body: BODY, ...init });

function rawRequest(method: string, path: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries({ host: 'x', ...headers, 'content-length': String(Buffer.byteLength(body)) });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** Everything the peer gets until the connection ends or `until` matches. */
async function exchange(send: string | Buffer, until?: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(send);
  let text = '';
  try {
    for await (const bytes of socket.on('error', () => {})) {
      text += (bytes as Buffer).toString('latin1');
      if (until?.test(text)) break;
    }
  } catch {
    // A reset is an end too.
  }
  socket.destroy();
  return text;
}

async function opened(send: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  socket.write(send);
  return socket;
}

describe('the policy', () => {
  test('every path but probes and / refuses none and a wrong credential, and starts nothing', async () => {
    const { paths } = (await (await fetch(`${base}/openapi.json`, { headers: BEARER })).json()) as {
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
        const { status } = await fetch(base + path, { method, headers, ...(method === 'POST' ? { body: BODY } : {}) });
        assert.equal(status, open.has(path) ? 200 : 401, `${method} ${path}`);
      }
      if (!open.has(path)) guarded += 1;
    }
    assert.ok(guarded >= 8, `only ${guarded} guarded routes were found`);
    assert.equal(starts, 0);
  });

  test('a page of another site is refused before its credential is looked at', async () => {
    for (const origin of ['http://evil.example', 'null', `http://localhost.evil.example:${port}`]) {
      const answered = await exchange(
        rawRequest('POST', '/v1/chat/completions', { ...BEARER, origin, connection: 'close' }, BODY),
      );
      assert.match(answered, /^HTTP\/1\.1 403 /, origin);
    }
    assert.equal(starts, 0);
  });

  test('answers carry the security headers, also refusals, streams and what is not found', async () => {
    runs = (_call, sink) => answer(sink, 'text/event-stream', ['data: [DONE]\n\n']);
    const answers = [
      await chat(),
      await chat({ headers: {} }),
      await fetch(`${base}/nope`),
      await fetch(`${base}/healthz`),
    ];
    for (const { headers } of answers) {
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('access-control-allow-origin'), null);
    }
  });

  test('unknown paths are 404, wrong methods 405 with Allow, in OpenClaw’s words', async () => {
    const missing = await fetch(`${base}/v1/nope`, { headers: BEARER });
    assert.deepEqual([missing.status, await missing.text()], [404, 'Not Found']);
    for (const method of ['GET', 'OPTIONS', 'DELETE']) {
      const wrong = await fetch(`${base}/v1/chat/completions`, { method });
      assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST'], method);
      assert.equal(await wrong.text(), 'Method Not Allowed');
    }
    const probe = await fetch(`${base}/healthz`, { method: 'POST' });
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
        exchange(`POST ${path} HTTP/1.1\r\nhost: x\r\n${declared}`, /\r\n\r\n/),
        once(AbortSignal.timeout(2000), 'abort').then(() => 'no answer while the body was incomplete'),
      ]);
      assert.ok(got.startsWith(`HTTP/1.1 ${status} `), `${path}: ${got.slice(0, 60)}`);
    }
  });

  test('the probes answer as documented, and not ready says why', async () => {
    assert.deepEqual(await (await fetch(`${base}/healthz`)).json(), { ok: true, status: 'live' });
    ledger.available = false;
    const notReady = await fetch(`${base}/readyz`);
    ledger.available = true;
    assert.equal(notReady.status, 503);
    assert.deepEqual(((await notReady.json()) as { failing: string[] }).failing, ['ledger']);
    assert.equal((await fetch(`${base}/readyz`)).status, 200);
    assert.equal((await fetch(`${base}/healthz`, { method: 'HEAD' })).status, 200);
  });

  test('a model’s id may hold a slash, written or escaped', async () => {
    for (const id of ['openclaw%2Fdefault', 'openclaw/default']) {
      const found = await fetch(`${base}/v1/models/${id}`, { headers: BEARER });
      assert.equal(((await found.json()) as { id: string }).id, 'openclaw/default');
    }
    const missing = await fetch(`${base}/v1/models/nope`, { headers: BEARER });
    assert.equal(missing.status, 400);
    assert.equal(((await missing.json()) as { error: { message: string } }).error.message, 'Invalid model id.');
  });
});

describe('broken and hostile peers', () => {
  test('what is not HTTP gets 400, too large a head 431, and the process stays up', async () => {
    assert.match(await exchange('NOT HTTP AT ALL\r\n\r\n'), /^HTTP\/1\.1 400 /);
    const wide = `GET /healthz HTTP/1.1\r\nhost: x\r\nx-wide: ${'w'.repeat(40_000)}\r\n\r\n`;
    assert.match(await exchange(wide), /^HTTP\/1\.1 431 /);
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
  });

  test('a head or a body that never ends is cut with 408, each after its own time', async () => {
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n';
    const unended = [head, `${head}authorization: Bearer ${TOKEN}\r\ncontent-length: 9\r\n\r\n{"half`];
    const answers = await Promise.all(unended.map((sent) => exchange(sent)));
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*"code":"invalid_request"/);
    assert.equal(starts, 0);
  });

  test('a body over the limit gets 413, declared or chunked', async () => {
    const declared = await chat({ body: 'x'.repeat(BODY_BYTES_MAX + 1) });
    assert.equal(declared.status, 413);
    assert.match(await declared.text(), /"Payload too large"/);
    const chunk = `${(BODY_BYTES_MAX + 1).toString(16)}\r\n${'x'.repeat(BODY_BYTES_MAX + 1)}\r\n0\r\n\r\n`;
    const chunked = await exchange(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
    );
    assert.match(chunked, /^HTTP\/1\.1 413 /);
    assert.equal(starts, 0);
  });

  test('the content type is not looked at, not even a malformed one', async () => {
    for (const type of [
      'text/plain',
      'application/json; charset=utf-8',
      'application/x-www-form-urlencoded',
      ';;;',
      '/',
    ]) {
      const { status } = await chat({ headers: { ...BEARER, 'content-type': type } });
      assert.equal(status, 200, type);
    }
  });

  test('two framings in one request are refused', async () => {
    const smuggled = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`;
    assert.match(await exchange(smuggled), /^HTTP\/1\.1 400 /);
    assert.equal(starts, 0);
  });
});

describe('the end of an answer', () => {
  test('the call arrives as bytes, and the ids leave as headers', async () => {
    let seen: Call | undefined;
    runs = (call, sink) => {
      seen = call;
      answer(sink, 'application/json', ['{"a":', '1}']);
    };
    const answered = await chat();
    assert.equal(await answered.text(), '{"a":1}');
    assert.equal(answered.headers.get('x-request-id'), 'run_1');
    assert.equal(answered.headers.get('x-weighbridge-dispatch-id'), 'dsp_1');
    assert.equal(seen?.body.toString(), BODY);
    assert.equal(seen?.requestedModel, 'p/m');
  });

  test('a refusal before the head is an answer of its own, with Retry-After', async () => {
    runs = (_call, sink) =>
      sink.fail(new GatewayError('ledger_unavailable', 'No.', { retryAfterSeconds: 2 }), {
        runId: 'run_2',
        dispatchId: null,
      });
    const refused = await chat();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '2');
    assert.equal(refused.headers.get('x-request-id'), 'run_2');
    assert.match(await refused.text(), /"code":"ledger_unavailable"/);
  });

  test('a failure inside a stream is an event of its own and no [DONE], also when an event was cut', async () => {
    for (const sent of ['data: {"a":1}\n\n', 'data: {"half']) {
      runs = (_call, sink) => {
        head(sink, 'text/event-stream');
        sink.write(Buffer.from(sent));
        sink.fail(new GatewayError('upstream_invalid', 'Cut.'), { runId: 'run_1', dispatchId: 'dsp_1' });
      };
      const events = (await (await chat()).text()).split('\n\n').filter((event) => event !== '');
      assert.match(events.at(-1)!, /^data: \{"error":\{"message":"Cut\."/, sent);
      assert.ok(!events.includes('data: [DONE]'));
    }
  });

  test('a failure inside a plain body cuts the connection', async () => {
    runs = (_call, sink) => {
      head(sink, 'application/json');
      sink.write(Buffer.from('{"half'));
      sink.fail(new GatewayError('upstream_invalid', 'Cut.'), { runId: 'run_1', dispatchId: 'dsp_1' });
    };
    await assert.rejects(async () => (await chat()).text());
  });

  test('a caller who hangs up is noticed, before the head and inside the stream', async () => {
    for (const begun of [false, true]) {
      const noticed = new Promise<void>((resolve) => {
        runs = (_call, sink, callerGone) => {
          callerGone.addEventListener('abort', () => resolve());
          if (begun) {
            head(sink, 'text/event-stream');
            sink.write(Buffer.from('data: 1\n\n'));
          }
          started.emit('started');
        };
      });
      const started = new EventEmitter();
      const running = once(started, 'started');
      const socket = await opened(rawRequest('POST', '/v1/chat/completions', BEARER, BODY));
      await running;
      socket.destroy();
      await noticed;
    }
  });

  test('an answer that ended is not a caller who went', async () => {
    let gone: AbortSignal | undefined;
    runs = (_call, sink, callerGone) => {
      gone = callerGone;
      answer(sink, 'application/json', ['{}']);
    };
    await exchange(rawRequest('POST', '/v1/chat/completions', { ...BEARER, connection: 'close' }, BODY));
    assert.equal(gone?.aborted, false);
  });

  test('whoever waits for a slow caller is woken when the caller goes', async () => {
    const blocked = new EventEmitter();
    const woken = new Promise<void>((resolve) => {
      runs = (_call, sink) => {
        sink.onDrain(resolve);
        head(sink, 'text/event-stream');
        // More than the kernel's buffers take.
        sink.write(Buffer.alloc(64 << 20, 'x'));
        blocked.emit('blocked');
      };
    });
    const waiting = once(blocked, 'blocked');
    const socket = await opened(rawRequest('POST', '/v1/chat/completions', BEARER, BODY));
    socket.pause();
    await waiting;
    socket.destroy();
    await Promise.race([
      woken,
      once(AbortSignal.timeout(2000), 'abort').then(() => assert.fail('a write was refused and nobody was ever woken')),
    ]);
  });
});
