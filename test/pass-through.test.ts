/**
 * The pass-through as its callers see it: every golden answer of every dialect arrives byte for byte, whatever its cuts and
 * encoding, and its entry holds the count; errors, trailers, uploads and answers without a body pass as they are.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { WeighbridgeClient } from '@weighbridge/client';
import type { DispatchDetail } from '@weighbridge/protocol';
import { GOLDENS } from '../packages/gateway/src/providers/golden/all.ts';
import type { Golden } from '../packages/gateway/src/providers/golden/golden.ts';
import { quotas, seed } from './quotas.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { between, type Random, seeded } from './rig/random.ts';
import { type Laid, ReplayingUpstream } from './rig/replaying-upstream.ts';

const BODY_BYTES_MAX = 256 * 1024;
const EVENT_BYTES_MAX = 64 * 1024;
const random = seeded(seed);

let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let client: WeighbridgeClient;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream-key' });
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: { auth: { mode: 'token' } },
      limits: { bodyBytesMax: BODY_BYTES_MAX, eventBytesMax: EVENT_BYTES_MAX },
      models: {
        providers: {
          'openai-completions': provider('openai-completions', '/v1'),
          'openai-responses': provider('openai-responses', '/v1'),
          'anthropic-messages': provider('anthropic-messages', ''),
          'google-generate': provider('google-generate', '/v1beta'),
          theirs: { ...provider('openai-completions', '/v1'), credential: 'caller' },
        },
      },
    },
  });
  await gateway.start();
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

interface Passed {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  trailers: IncomingMessage['trailers'];
  /** The connection broke before the answer's end. */
  isCut: boolean;
}

interface Sent {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: Buffer | string | readonly Buffer[];
}

async function pass(path: string, { method = 'POST', headers = {}, body }: Sent = {}): Promise<Passed> {
  const { hostname, port } = new URL(gateway.url);
  // Not as a URL, which would be normalised.
  const sent = httpRequest({
    hostname,
    port,
    path: `/proxy/${path}`,
    method,
    headers: { authorization: `Bearer ${gateway.token}`, ...headers },
  });
  if (Array.isArray(body)) {
    for (const chunk of body) sent.write(chunk);
    sent.end();
  } else sent.end(body as Buffer | string | undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  let isCut = false;
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    isCut = true;
  }
  const { statusCode, headers: answered, trailers } = response;
  return { status: statusCode!, headers: answered, body: Buffer.concat(chunks), trailers, isCut };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function entryOf({ headers }: Passed): Promise<DispatchDetail> {
  return client.dispatch(String(headers['x-weighbridge-dispatch-id']));
}

/** At random places, some of them next to each other. */
function cut(bytes: Buffer): Buffer[] {
  const places = Array.from({ length: Math.floor(between(random, 0, 12)) }, () =>
    Math.floor(between(random, 0, bytes.length)),
  ).sort((a, b) => a - b);
  const edges = [0, ...places, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const REQUEST = JSON.stringify({ model: 'm-1', stream: true, stream_options: { include_usage: true }, user: 'u-7' });

async function passGolden({ name, api, path, stream, body, expected }: Golden, how: Random): Promise<void> {
  const isStreamed = body === null || how() < 0.6;
  const plain = isStreamed ? stream : body;
  const isPacked = how() < 0.3;
  const bytes = isPacked ? gzipSync(plain) : plain;
  const laid: Laid = {
    headers: {
      'content-type': isStreamed ? 'text/event-stream' : 'application/json',
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
      ...(how() < 0.5 ? { 'content-length': String(bytes.length) } : {}),
    },
    chunks: cut(bytes),
  };
  upstream.lay(laid);
  const asked = isStreamed ? path : path.replace(':streamGenerateContent?alt=sse', ':generateContent');
  const passed = await pass(api + asked, { body: REQUEST, headers: { 'x-weighbridge-session-key': 's' } });
  const what = `${api} ${name}, ${isStreamed ? 'streamed' : 'whole'}${isPacked ? ', gzip' : ''}`;
  assert.equal(passed.isCut, false, what);
  assert.equal(sha256(passed.body), sha256(bytes), what);
  assert.equal(upstream.last.sha256, sha256(Buffer.from(REQUEST)), what);
  const entry = await entryOf(passed);
  if (expected.usage === null) assert.notEqual(entry.usageSource, 'reported', what);
  // Where the provider's last count came before its last word, what passed after it is estimated and added.
  else if (expected.isWhole || !isStreamed) assert.deepEqual(entry.usage, expected.usage, what);
  else assert.ok(entry.usage !== null && entry.usage.output >= expected.usage.output, what);
  assert.deepEqual([entry.source, entry.api, entry.sessionKey], ['proxy', api, 'agent:proxy:s'], what);
}

test('every golden answer arrives byte for byte, however it is cut and packed, and is counted', async (t) => {
  t.diagnostic(`seed ${seed}`);
  for (let round = 0; round < quotas.passRounds; round++) {
    for (const golden of GOLDENS) await passGolden(golden, random);
  }
});

test('an error passes with its status and body, and costs nothing', async () => {
  for (const status of [400, 401, 404, 429, 500, 503, 529]) {
    const body = Buffer.from(JSON.stringify({ error: { message: `no ${status}` } }));
    upstream.lay({ status, headers: { 'content-type': 'application/json', 'retry-after': '7' }, chunks: cut(body) });
    const before = upstream.received.length;
    const passed = await pass('openai-completions/v1/chat/completions', { body: REQUEST });
    assert.deepEqual(
      [passed.status, passed.headers['retry-after'], passed.body.toString()],
      [status, '7', body.toString()],
    );
    assert.equal(upstream.received.length, before + 1, 'it was sent twice');
    const entry = await entryOf(passed);
    assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'http_error', 'none']);
  }
});

test('a provider that repeats our key is not passed on with it', async () => {
  upstream.lay({ status: 401, chunks: [Buffer.from('{"error":"Incorrect API key: sk-upstream-key"}')] });
  const passed = await pass('openai-completions/v1/chat/completions', { body: REQUEST });
  assert.equal(passed.body.toString(), '{"error":"Incorrect API key: [secret]"}');
});

test('redirects, trailers, no content, and a head alone pass as they are', async () => {
  upstream.lay({ status: 307, headers: { location: '/elsewhere' } });
  const redirect = await pass('openai-completions/v1/files', { method: 'GET' });
  assert.deepEqual([redirect.status, redirect.headers.location], [307, '/elsewhere']);

  upstream.lay({ headers: { trailer: 'x-sum' }, chunks: [Buffer.from('abc')], trailers: { 'x-sum': '5' } });
  const trailed = await pass('openai-completions/v1/files', { method: 'GET' });
  assert.deepEqual([trailed.body.toString(), trailed.trailers], ['abc', { 'x-sum': '5' }]);

  upstream.lay({ status: 204 });
  const empty = await pass('openai-completions/v1/files/f1', { method: 'DELETE' });
  assert.deepEqual([empty.status, empty.body.length, upstream.last.method], [204, 0, 'DELETE']);

  upstream.lay({ headers: { 'content-length': '1234', 'content-type': 'text/x' } });
  const head = await pass('openai-completions/v1/files/f1', { method: 'HEAD' });
  assert.deepEqual(
    [head.status, head.headers['content-length'], head.headers['content-type']],
    [200, '1234', 'text/x'],
  );
  for (const passed of [redirect, trailed, empty, head]) {
    const entry = await entryOf(passed);
    assert.deepEqual([entry.usageSource, entry.usage, entry.model], ['none', null, 'unknown']);
  }
});

test('the path goes through with its escapes, below the base URL, and nowhere else', async () => {
  upstream.lay({});
  await pass('openai-completions/v1/x%2Fy/%zz?a=%20b&a=c', { method: 'GET' });
  assert.equal(upstream.last.url, '/v1/x%2Fy/%zz?a=%20b&a=c');
  await pass('openai-completions/models', { method: 'GET' });
  assert.equal(upstream.last.url, '/v1/models');
  const before = upstream.received.length;
  assert.equal((await pass('openai-completions/v1/%2e%2e/admin', { method: 'GET' })).status, 400);
  assert.equal((await pass('nobody/v1/models', { method: 'GET' })).status, 404);
  assert.equal(
    (await pass('openai-completions/v1/x', { method: 'GET', headers: { authorization: 'Bearer no' } })).status,
    401,
  );
  assert.equal(upstream.received.length, before);
});

test('bodies of any kind and size arrive as they were sent', async () => {
  upstream.lay({});
  const noise = (bytes: number) => Buffer.from(Uint8Array.from({ length: bytes }, () => random() * 256));
  const bodies = [noise(1), noise(5000), noise(BODY_BYTES_MAX), noise(BODY_BYTES_MAX + 1), noise(3 * BODY_BYTES_MAX)];
  for (const body of bodies) {
    await pass('openai-completions/v1/files', { body });
    assert.deepEqual([upstream.last.bytes, upstream.last.sha256], [body.length, sha256(body)]);
    assert.equal(upstream.last.headers['content-length'], String(body.length));
    await pass('openai-completions/v1/files', { body: cut(body) });
    assert.deepEqual([upstream.last.bytes, upstream.last.sha256], [body.length, sha256(body)], 'in chunks');
  }
});

test('a large request is known by the model that it begins with, and its prompt estimated as it passes', async () => {
  upstream.lay({
    headers: { 'content-type': 'text/event-stream' },
    chunks: [Buffer.from(': nothing\n\n')],
    isCut: true,
  });
  const content = 'Every lorry is weighed twice. '.repeat(20_000);
  const body = JSON.stringify({ model: 'large', stream: true, user: 'u', messages: [{ role: 'user', content }] });
  assert.ok(body.length > 2 * BODY_BYTES_MAX);
  for (const sent of [body, cut(Buffer.from(body))]) {
    const passed = await pass('openai-completions/v1/chat/completions', { body: sent });
    assert.deepEqual([upstream.last.bytes, upstream.last.sha256], [body.length, sha256(Buffer.from(body))]);
    const entry = await entryOf(passed);
    assert.deepEqual(
      [entry.model, entry.endUserId, entry.stream, entry.usageSource],
      ['large', 'u', true, 'estimated'],
    );
    // Seven tokens a sentence.
    assert.ok(entry.usage!.input > 110_000 && entry.usage!.input < 180_000, `${entry.usage!.input} tokens`);
  }
});

test('an event that is too large to be looked at passes all the same, and all after it', async () => {
  const large = Buffer.from(
    `data: {"choices":[{"delta":{"content":"${'x'.repeat(3 * EVENT_BYTES_MAX)}"}}]}\n\ndata: [DONE]\n\n`,
  );
  upstream.lay({ headers: { 'content-type': 'text/event-stream' }, chunks: cut(large) });
  const passed = await pass('openai-completions/v1/chat/completions', { body: REQUEST });
  assert.equal(passed.isCut, false);
  assert.equal(sha256(passed.body), sha256(large));
});

test('a stream that breaks off breaks off for the caller, and what passed is counted', async () => {
  const golden = GOLDENS.find(({ api }) => api === 'anthropic-messages')!;
  upstream.lay({
    headers: { 'content-type': 'text/event-stream' },
    chunks: [golden.stream.subarray(0, Math.floor(golden.stream.length / 2))],
    isCut: true,
  });
  const passed = await pass(golden.api + golden.path, { body: REQUEST });
  assert.equal(passed.isCut, true);
  const entry = await entryOf(passed);
  assert.equal(entry.outcome, 'failed');
  assert.notEqual(entry.usage, null);
});

test('usage is asked for where the caller did not, and its chunk left out; the provider that refuses is asked again without', async () => {
  const asked = JSON.stringify({ stream: true, model: 'm-2', messages: [] });
  const frame = (chunk: object) => `data: ${JSON.stringify(chunk)}\n\n`;
  const text = frame({ choices: [{ delta: { content: 'hi' } }] });
  const done = 'data: [DONE]\n\n';
  const usage = frame({ choices: [], usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 } });
  upstream.lay({ headers: { 'content-type': 'text/event-stream' }, chunks: [Buffer.from(text + usage + done)] });
  const passed = await pass('openai-completions/v1/chat/completions', { body: asked });
  assert.equal(passed.body.toString(), text + done);
  assert.equal(upstream.last.headers['accept-encoding'], 'identity');
  const entry = await entryOf(passed);
  assert.deepEqual([entry.usage?.input, entry.usage?.output, entry.usageSource], [11, 3, 'reported']);

  const body = JSON.stringify({ stream: true, model: 'm-3', messages: [] });
  const before = upstream.received.length;
  let asks = 0;
  upstream.lay(() =>
    asks++ === 0
      ? { status: 400, chunks: [Buffer.from('{"error":{"message":"stream_options is not supported"}}')] }
      : { headers: { 'content-type': 'text/event-stream' }, chunks: [Buffer.from(text + done)] },
  );
  const again = await pass('openai-completions/v1/chat/completions', { body });
  assert.equal(again.body.toString(), text + done);
  assert.equal(upstream.received.length, before + 2);
  assert.equal(upstream.last.sha256, sha256(Buffer.from(body)));
});

test('the caller’s own credential goes through where the provider is told so, and ours never', async () => {
  upstream.lay({});
  const key = { 'x-weighbridge-key': gateway.token, authorization: 'Bearer sk-mine' };
  await pass('theirs/v1/models', { method: 'GET', headers: key });
  assert.equal(upstream.last.headers.authorization, 'Bearer sk-mine');
  assert.ok(!JSON.stringify(upstream.last.rawHeaders).includes(gateway.token));
  const before = upstream.received.length;
  assert.equal((await pass('theirs/v1/models', { method: 'GET' })).status, 401);
  assert.equal(upstream.received.length, before);
});

test('an agent gateway’s own headers attribute, and pass on', async () => {
  upstream.lay({});
  const id = '2e6d0678-4bf9-42c7-9c28-df418b411e0d';
  const trace = '00-7d1c02ac339d8d3aa983b0738618b33d-45af103f919160ea-01';
  const headers = { session_id: `${id}:0`, 'x-session-affinity': `${id}:0`, traceparent: trace };
  const passed = await pass('openai-completions/v1/chat/completions', { body: REQUEST, headers });
  assert.equal(upstream.last.headers.session_id, `${id}:0`);
  assert.equal(upstream.last.headers.traceparent, trace);
  const { sessionKey, sessionId, traceparent, endUserId, model } = await entryOf(passed);
  assert.deepEqual([sessionKey, sessionId, traceparent], [`agent:proxy:${id}`, id, trace]);
  assert.deepEqual([endUserId, model], ['u-7', 'm-1']);
});

test('a WebSocket to a provider is refused', async () => {
  const before = upstream.received.length;
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'x',
  };
  assert.equal((await pass('openai-completions/v1/realtime', { method: 'GET', headers })).status, 501);
  assert.equal(upstream.received.length, before);
});
