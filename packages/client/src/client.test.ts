/** The client against a plain HTTP server: what goes out on the wire, and what comes of every kind of answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ApiError, WeighbridgeClient } from './index.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, answer: Answer): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const event = (seq: number) => ({
  type: 'model.usage',
  id: `evt_${seq}`,
  seq,
  ledgerId: 'led_1',
  timestamp: '',
  data: {},
});
const frame = (seq: number) => `id: ${seq}\nevent: model.usage\ndata: ${JSON.stringify(event(seq))}\n\n`;

test('a question carries the token, its filters encoded, and nothing that was left out', async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, { object: 'list', data: [] }));
  const client = new WeighbridgeClient({ url: `${url}/`, token: 'secret' });
  const answer = await client.dispatches({ limit: 5, session: 'agent:main:a b&c', model: undefined });
  assert.deepEqual(answer, { object: 'list', data: [] });
  assert.equal(requests[0]?.url, '/api/v1/dispatches?limit=5&session=agent%3Amain%3Aa+b%26c');
  assert.equal(requests[0]?.headers.authorization, 'Bearer secret');
});

test('groups travel as one comma-separated word, an id as one path segment', async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, {}));
  const client = new WeighbridgeClient({ url, token: null });
  await client.usage({ groupBy: ['provider', 'model'], from: 0, to: '2026-12-01' });
  await client.dispatch('dsp_1/../x');
  await client.models();
  assert.deepEqual(
    requests.map((request) => request.url),
    ['/api/v1/usage?groupBy=provider%2Cmodel&from=0&to=2026-12-01', '/api/v1/dispatches/dsp_1%2F..%2Fx', '/v1/models'],
  );
  assert.equal(requests[0]?.headers.authorization, undefined);
});

test('an error answer is thrown with everything that the gateway said', async (t) => {
  const error = { message: 'Too many.', type: 'rate_limited', code: 'rate_limited', param: null };
  const headers = { 'retry-after': '60', 'x-request-id': 'run_1' };
  const { url } = await serve(t, (_, response) => json(response, 429, { error }, headers));
  await assert.rejects(new WeighbridgeClient({ url, token: 'x' }).usage(), (thrown: unknown) => {
    assert.ok(thrown instanceof ApiError);
    assert.equal(thrown.message, 'Too many.');
    assert.deepEqual([thrown.status, thrown.code, thrown.type], [429, 'rate_limited', 'rate_limited']);
    assert.deepEqual([thrown.param, thrown.retryAfterSeconds, thrown.requestId], [null, 60, 'run_1']);
    return true;
  });
});

test('an error page that is not ours still becomes an ApiError', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(502).end('<html>no</html>'));
  const asked = new WeighbridgeClient({ url, token: 'x' }).models();
  await assert.rejects(asked, { name: 'ApiError', status: 502, code: null, message: /answered 502/ });
});

test('a gateway that is not ready answers why', async (t) => {
  const { url } = await serve(t, (_, response) => json(response, 503, { ready: false, failing: ['ledger'] }));
  const answer = await new WeighbridgeClient({ url, token: null }).ready();
  assert.deepEqual(answer, { ready: false, failing: ['ledger'] });
});

test('a gateway that does not answer is given up after the timeout', async (t) => {
  const { url } = await serve(t, () => {});
  const asked = new WeighbridgeClient({ url, token: 'x', timeoutMs: 50 }).models();
  await assert.rejects(asked, { name: 'TimeoutError' });
});

test('events are read whatever the cuts, and leaving the loop closes the connection', async (t) => {
  const bytes = Buffer.from(`: hello\n\n${frame(7)}${frame(8).replaceAll('\n', '\r\n')}`);
  const closed = Promise.withResolvers<void>();
  const { url } = await serve(t, (request, response) => {
    request.on('close', () => closed.resolve());
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const byte of bytes) response.write(Uint8Array.of(byte));
  });
  const seen: number[] = [];
  for await (const { seq } of new WeighbridgeClient({ url, token: 'x' }).events()) {
    seen.push(seq);
    if (seq === 8) break;
  }
  assert.deepEqual(seen, [7, 8]);
  await closed.promise;
});

test('a feed that breaks is resumed after the last event that was seen', async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (request.headers['last-event-id'] === '7') response.write(frame(8));
    else response.end(`retry: 1\n${frame(7)}id: 8\ndata: {"seq":8,"cut":`);
  });
  const seen: number[] = [];
  for await (const { seq } of new WeighbridgeClient({ url, token: 'x' }).events({ afterSeq: 6 })) {
    seen.push(seq);
    if (seq === 8) break;
  }
  assert.deepEqual(seen, [7, 8]);
  assert.deepEqual(
    requests.map((request) => request.headers['last-event-id']),
    ['6', '7'],
  );
});

test('a feed that breaks before its first event is resumed where it began', async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (request.headers['last-event-id'] === '6') response.write(frame(7));
    else response.end('retry: 1\nid: 6\n\n');
  });
  const feed = new WeighbridgeClient({ url, token: 'x' }).events({ agent: 'main', types: ['model.usage', 'b'] });
  assert.equal((await feed.next()).value?.seq, 7);
  await feed.return(undefined);
  assert.deepEqual(
    requests.map((request) => [request.url, request.headers['last-event-id']]),
    [
      ['/api/v1/events?agent=main&types=model.usage%2Cb', undefined],
      ['/api/v1/events?agent=main&types=model.usage%2Cb', '6'],
    ],
  );
});

test('a run is stopped by a POST to its own path', async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, { object: 'run' }));
  await new WeighbridgeClient({ url, token: 'x' }).stopRun('run_1/..');
  assert.deepEqual([requests[0]?.method, requests[0]?.url], ['POST', '/api/v1/runs/run_1%2F../stop']);
});

test('a refused feed is thrown, not retried', async (t) => {
  const { url, requests } = await serve(t, (_, response) =>
    json(response, 401, { error: { message: 'Unauthorized' } }),
  );
  const feed = new WeighbridgeClient({ url, token: 'bad' }).events();
  await assert.rejects(feed.next(), { name: 'ApiError', status: 401 });
  assert.equal(requests.length, 1);
});

test('a feed that never came up is thrown, not retried', async () => {
  const feed = new WeighbridgeClient({ url: 'http://127.0.0.1:1', token: 'x' }).events();
  await assert.rejects(feed.next(), TypeError);
});

test('an aborted feed ends without an error, also while it waits to reconnect', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(200).end(`retry: 600000\n${frame(1)}`));
  const abort = new AbortController();
  const feed = new WeighbridgeClient({ url, token: 'x' }).events({ signal: abort.signal });
  assert.equal((await feed.next()).value?.seq, 1);
  const next = feed.next();
  abort.abort();
  assert.equal((await next).done, true);
});
