/**
 * The pass-through between peers that keep to no manners: a provider that answers as no SDK expects, a caller whose upload
 * nobody reads, requests that name what cannot be recorded. Raw sockets on both sides; what a library would mend is seen.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { WeighbridgeClient } from '@weighbridge/client';
import type { DispatchRecord } from '@weighbridge/protocol';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';

const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_TIMEOUT_MS = 3000;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

let provider: Server;
let gateway: GatewayProcess;
let client: WeighbridgeClient;
/** What the provider says to each request, byte for byte; null: nothing, and it reads no further. */
let answer: string | null = OK;
/** What the provider was sent since the last call. */
let received = '';
const scratch = scratchDirectory({ after });

before(async () => {
  provider = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
    });
    socket.once('data', () => {
      if (answer !== null) return void socket.end(answer, 'latin1');
      socket.pause();
      provider.emit('asked', socket);
    });
  });
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const up = { api: 'openai-completions', baseUrl: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1` };
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: { auth: { mode: 'token' } },
      limits: { bodyBytesMax: BODY_BYTES_MAX, requestTimeoutMs: REQUEST_TIMEOUT_MS },
      metering: { drain: { timeoutMs: 60_000 } },
      models: { providers: { keyed: { ...up, apiKey: 'sk-providers-own' }, keyless: up } },
    },
  });
  await gateway.start();
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  provider.close();
});

/** All that the caller gets, with how it ended, `until` this or the connection's end. */
async function exchange(sent: string, until?: RegExp): Promise<string> {
  received = '';
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(sent, 'latin1');
  let text = '';
  for await (const bytes of socket) {
    text += (bytes as Buffer).toString('latin1');
    if (until?.test(text)) break;
  }
  socket.destroy();
  return text;
}

function request(method: string, path: string, headers: Record<string, string | number> = {}, body = ''): string {
  const all = { host: 'x', authorization: `Bearer ${gateway.token}`, ...headers };
  const length = body === '' || 'content-length' in headers ? {} : { 'content-length': body.length };
  const lines = Object.entries({ ...all, ...length }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} /proxy/${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

const LAST = { connection: 'close' };

async function newest(): Promise<DispatchRecord> {
  const { data } = await client.dispatches({ limit: 1 });
  return data[0]!;
}

test('a provider without a credential is not sent the one that a caller shows to us', async () => {
  for (const name of ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key', 'x-weighbridge-key']) {
    const shown = name === 'authorization' ? `Bearer ${gateway.token}` : gateway.token;
    const sent = request('GET', 'keyless/v1/models', { ...LAST, [name]: shown });
    assert.match(await exchange(sent), /^HTTP\/1.1 200/);
    assert.match(received, /^GET \/v1\/models /);
    assert.ok(!received.includes(gateway.token), name);
  }
});

test('a URL that holds the credential for the gateway goes to no provider', async () => {
  const told = await exchange(request('GET', `keyed/v1/models?key=${gateway.token}`, LAST));
  assert.match(told, /^HTTP\/1.1 400/);
  assert.ok(!told.includes(gateway.token));
  assert.equal(received, '');
});

test('TRACE, whose answer is the request with its credential, is not passed', async () => {
  assert.match(await exchange(request('TRACE', 'keyed/v1/models', LAST)), /^HTTP\/1.1 405/);
  assert.equal(received, '');
});

test('an error of any status that repeats our key reaches the caller without it', async () => {
  for (const status of ['400 Bad', '404 Not', '429 Many', '500 Broken']) {
    answer = `HTTP/1.1 ${status}\r\ncontent-length: 22\r\n\r\nkey sk-providers-own !`;
    const told = await exchange(request('GET', 'keyed/v1/models', LAST));
    assert.ok(told.endsWith('\r\n\r\nkey [secret] !'), told);
  }
  answer = OK;
});

test('the head of an error keeps its length where no body follows', async () => {
  answer = 'HTTP/1.1 401 No\r\ncontent-length: 22\r\n\r\n';
  assert.match(await exchange(request('HEAD', 'keyed/v1/models', LAST)), /content-length: 22\r\n/);
  answer = OK;
});

test('the bytes of a head pass as they are, also those that are no ASCII', async () => {
  const named = 'content-disposition: attachment; filename="\xe6\x97\xa5.txt"\r\n';
  answer = `HTTP/1.1 200 OK\r\n${named}content-length: 2\r\n\r\n{}`;
  assert.ok((await exchange(request('GET', 'keyed/v1/files/f', LAST))).includes(named));
  answer = OK;
});

test('events without a content type are counted where a stream was asked for', async () => {
  const events =
    'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n' +
    'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}\n\n';
  answer = `HTTP/1.1 200 OK\r\n\r\n${events}data: [DONE]\n\n`;
  const body = '{"model":"m","stream":true,"stream_options":{"include_usage":true}}';
  const told = await exchange(request('POST', 'keyed/v1/chat/completions', LAST, body));
  assert.ok(told.includes(events));
  const { outcome, usageSource, usage } = await newest();
  assert.deepEqual([outcome, usageSource, usage?.total], ['completed', 'reported', 14]);
  answer = OK;
});

test('a body that names what cannot be recorded passes all the same', async () => {
  for (const name of ['a\\u0000b', 'a\\ud800', 'x'.repeat(300)]) {
    const body = `{"model":"${name}","user":"${name}"}`;
    assert.match(await exchange(request('POST', 'keyed/v1/chat/completions', LAST, body)), /^HTTP\/1.1 200/);
    assert.ok(received.endsWith(body));
    const { model, endUserId } = await newest();
    assert.deepEqual([model, endUserId], ['unknown', null]);
  }
});

test('a refused upload is read to its end, and the connection takes the next request', async () => {
  const body = 'x'.repeat(4 * 1024 * 1024);
  for (const path of ['nobody/v1/files', 'keyed/v1/../files']) {
    const sent = `${request('POST', path, {}, body)}GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n`;
    const told = await exchange(sent, /"status":"live"/);
    assert.deepEqual(told.match(/HTTP\/1.1 \d+/g), [`HTTP/1.1 ${path.startsWith('no') ? 404 : 400}`, 'HTTP/1.1 200']);
  }
});

/** The provider's side of a request that it leaves without an answer, and the caller's. */
async function leftAlone(sent: string): Promise<[provider: Socket, caller: Socket]> {
  answer = null;
  const caller = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  caller.on('error', () => {}).write(sent, 'latin1');
  const [socket] = (await once(provider, 'asked')) as [Socket];
  answer = OK;
  return [socket, caller];
}

test('a caller who goes takes a request along that is not counted, without a drain', { timeout: 20_000 }, async () => {
  const [provider, caller] = await leftAlone(request('GET', 'keyed/v1/files/f'));
  caller.destroy();
  await once(provider.resume(), 'close');
});

test('a caller who goes is noticed in time also where a provider reads nothing of an upload', {
  timeout: 30_000,
}, async () => {
  const bytes = 16 * 1024 * 1024;
  const sent = request('POST', 'keyed/v1/files', { 'content-length': bytes }, 'x'.repeat(bytes / 2));
  const [provider, caller] = await leftAlone(sent);
  // Until nothing moves any more: all buffers between the two are full.
  for (let left = -1; left !== caller.writableLength; await setTimeout(200)) left = caller.writableLength;
  caller.destroy();
  let outcome: string | null = null;
  while (outcome === null) ({ outcome } = await newest());
  assert.equal(outcome, 'aborted');
  provider.destroy();
});
