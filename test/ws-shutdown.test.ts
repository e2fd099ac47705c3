/**
 * A gateway that stops while turns stream: they end, their entries settle, every client is told and closed as a restart; what
 * does not end in the time for it is aborted, with its count. And the port’s other requests are none of the door’s business.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { lastFirst } from './rig/last-first.ts';
import { WireClient } from './wire/client.ts';
import { startWireRig, type WireRig } from './wire/gateway.ts';

interface Chat {
  runId: string;
  state: string;
}

function entriesOf({ stateDir }: WireRig): { outcome: string; usageSource: string; output: number | null }[] {
  const database = new DatabaseSync(join(stateDir, 'weighbridge.sqlite'), { readOnly: true });
  try {
    const rows = database.prepare('select outcome, usageSource, output from entries').all();
    return rows as { outcome: string; usageSource: string; output: number | null }[];
  } finally {
    database.close();
  }
}

async function streaming(client: WireClient, model: string): Promise<string> {
  const runId = randomUUID();
  const sessionKey = `agent:main:${runId}`;
  await client.request('sessions.patch', { key: sessionKey, model });
  await client.request('chat.send', { sessionKey, message: 'go', idempotencyKey: runId });
  await client.event('chat', (payload: Chat) => payload.runId === runId && payload.state === 'delta');
  return runId;
}

test('a stop lets a streaming turn end, settles it, says shutdown and closes with 1012', async (context) => {
  const rig = await startWireRig(lastFirst(context));
  const client = await WireClient.connect(rig.url, { token: rig.token });
  const idle = await WireClient.connect(rig.url, { token: rig.token });
  const runId = await streaming(client, 'scripted/ok-40+gap-20ms');
  const stopped = rig.stop();
  assert.deepEqual(await client.closed, { code: 1012, reason: 'service restart' });
  assert.deepEqual(await idle.closed, { code: 1012, reason: 'service restart' });
  await stopped;
  const names = client.events.map(({ event, payload }) =>
    event === 'chat' ? `chat ${(payload as Chat).state}` : event,
  );
  assert.ok(names.includes('chat final'));
  assert.equal(names.at(-1), 'shutdown');
  assert.deepEqual(idle.events.at(-1)!.payload, { reason: 'gateway stopping' });
  const final = client.events.find(
    ({ payload }) => (payload as Chat).runId === runId && (payload as Chat).state === 'final',
  );
  const [entry, ...others] = entriesOf(rig);
  assert.deepEqual([entry!.outcome, entry!.usageSource, others.length], ['completed', 'reported', 0]);
  assert.equal((final!.payload as { usage: { output: number } }).usage.output, entry!.output);
  assert.deepEqual([client.faults, idle.faults], [[], []]);
});

test('a turn that does not end in the time for it is aborted, settled and told', async (context) => {
  const rig = await startWireRig(lastFirst(context), { limits: { shutdownDrainMs: 200 } });
  const client = await WireClient.connect(rig.url, { token: rig.token });
  await streaming(client, 'scripted/ok-500+gap-20ms');
  const stopped = rig.stop();
  assert.equal((await client.closed).code, 1012);
  await stopped;
  assert.ok(client.events.some(({ event, payload }) => event === 'chat' && (payload as Chat).state === 'aborted'));
  const [entry] = entriesOf(rig);
  assert.equal(entry!.outcome, 'aborted');
  assert.ok(entry!.output! > 0);
  assert.deepEqual(client.faults, []);
});

test('whoever has not connected when the gateway stops, or never closes, does not hold it up', async (context) => {
  const rig = await startWireRig(lastFirst(context));
  const challenged = await WireClient.challenged(rig.url);
  const deaf = await WireClient.connect(rig.url, { token: rig.token });
  deaf.socket.pause();
  const startedAt = performance.now();
  await rig.stop();
  assert.ok(performance.now() - startedAt < 20_000);
  assert.equal((await challenged.closed).code, 1012);
});

test('an upgrade that is not ours to make is an ordinary request; a foreign page, a full house and a broken one are refused', async (context) => {
  const rig = await startWireRig(lastFirst(context), {
    limits: { socketsMax: 2, handshakesMax: 2, handshakeTimeoutMs: 700 },
  });
  const { port } = new URL(rig.url);
  const status = (path: string, headers: Record<string, string>, method = 'GET'): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers: { connection: 'Upgrade', ...headers } });
      asked.on('response', (response) => {
        response.resume();
        resolve(response.statusCode!);
      });
      asked.on('upgrade', (_response, socket) => {
        socket.destroy();
        resolve(101);
      });
      asked.on('error', reject);
      asked.end();
    });
  const socket = {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  };
  assert.equal(await status('/healthz', { upgrade: 'h2c' }), 200);
  assert.equal(await status('/', { upgrade: 'h2c' }), 200);
  assert.equal(await status('/healthz', socket), 200, 'a WebSocket elsewhere is no WebSocket');
  assert.equal(await status('/', { ...socket, origin: 'http://evil.example' }), 403);
  assert.equal(await status('/', { ...socket, origin: 'null' }), 403);
  assert.equal(await status('/', { ...socket, 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await status('/', { ...socket, origin: `http://127.0.0.1:${port}` }), 101);
  assert.equal(await status('/', { ...socket, host: 'localhost', origin: 'http://localhost' }), 101);
  assert.equal(
    await status('/', { ...socket, host: 'evil.example', origin: 'http://evil.example' }),
    403,
    'a name that now points here',
  );
  assert.equal(await status('/', { ...socket, 'sec-websocket-version': '12' }), 400);
  assert.equal(await status('/', { ...socket, 'sec-websocket-key': 'short' }), 400);
  assert.equal(await status('/', { upgrade: 'websocket' }), 400);

  // Refused and malformed ones leave no trace: the house is as empty as before.
  const held = await Promise.all([WireClient.challenged(rig.url), WireClient.challenged(rig.url)]);
  assert.equal(await status('/', socket), 503);
  await Promise.all(held.map(({ closed }) => closed));
  const client = await WireClient.connect(rig.url, { token: rig.token });
  assert.equal((await client.request('health')).ok, true);
  await client.close();
});

test('who holds every place without a credential gives one up to somebody else', async (context) => {
  const rig = await startWireRig(lastFirst(context), { limits: { handshakesMax: 3 } });
  const crowd = [];
  for (let n = 0; n < 3; n++) crowd.push(await WireClient.challenged(rig.url));
  const from = (localAddress: string): Promise<number> =>
    new Promise((resolve) => {
      const client = new WebSocket(rig.url, { localAddress });
      client.on('message', () => resolve(101));
      client.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
      client.on('error', () => {});
    });
  assert.equal(await from('127.0.0.1'), 503, 'nobody pushes its own out');
  assert.equal(await from('127.0.0.2'), 101);
  assert.equal((await crowd[0]!.closed).code, 1013, 'the oldest of them went');
  assert.equal(await from('127.0.0.2'), 503, 'one more would leave both with as many');
  assert.equal(await from('127.0.0.3'), 101, 'a third source');
  assert.equal((await crowd[1]!.closed).code, 1013);
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) assert.equal(await from(address), 503, address);
});

test('without authentication a name that is not ours opens nothing', async (context) => {
  const rig = await startWireRig(lastFirst(context), { auth: { mode: 'none' } });
  const { port } = new URL(rig.url);
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host: 'rebound.example' } });
  const refused = new Promise<number>((resolve) => {
    client.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
    client.on('error', () => {});
  });
  assert.equal(await refused, 403);
  await (await WireClient.connect(rig.url, {})).close();
});
