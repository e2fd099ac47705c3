/** What somebody may send to a WebSocket who means harm, or has a bug: each is answered or closed, and nothing is kept. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { StoreUnavailable } from '../store/store.ts';
import { CONNECT, Room } from './room.fixture.ts';

const room = await Room.open();
after(() => room.close());

async function closeOf(socket: WebSocket): Promise<number> {
  const [code] = (await once(socket, 'close')) as [number];
  return code;
}

function answerTo(socket: WebSocket, id: string): Promise<{ ok: boolean; error?: { code: string; message: string } }> {
  const { promise, resolve } = Promise.withResolvers<{ ok: boolean }>();
  const hear = (data: Buffer): void => {
    const frame = JSON.parse(data.toString()) as { id?: string; ok: boolean };
    if (frame.id !== id) return;
    socket.off('message', hear);
    resolve(frame);
  };
  socket.on('message', hear);
  return promise;
}

function request(id: string, method = 'm', params?: unknown): string {
  return JSON.stringify({ type: 'req', id, method, ...(params === undefined ? {} : { params }) });
}

/** Bytes on the wire, masked with zeros. */
function frame(opcode: number, payload: Buffer, { fin = true, rsv1 = false, masked = true } = {}): Buffer {
  const head = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  if (payload.length < 126) head.push(mask | payload.length);
  else if (payload.length < 65_536) head.push(mask | 126, payload.length >> 8, payload.length & 255);
  else {
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt(payload.length));
    head.push(mask | 127, ...long);
  }
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? 4 : 0), payload]);
}

async function rawSocket(): Promise<Socket> {
  const socket = connect(room.port, '127.0.0.1').on('error', () => {});
  socket.write(
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await once(socket, 'data');
  return socket;
}

/** The close code that the peer is told; null: cut without one. */
async function rawClose(bytes: Buffer): Promise<number | null> {
  const socket = await rawSocket();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  const all = Buffer.concat(chunks);
  const at = all.indexOf(0x88);
  return at === -1 || all.length < at + 4 ? null : all.readUInt16BE(at + 2);
}

test('frames that are none are closed with the code that RFC 6455 has for them', async () => {
  const text = Buffer.from(CONNECT);
  const cases: [string, Buffer, number][] = [
    ['a reserved bit: nothing is compressed here', frame(1, text, { rsv1: true }), 1002],
    ['no mask', frame(1, text, { masked: false }), 1002],
    ['a reserved opcode', frame(3, text), 1002],
    ['a continuation of nothing', frame(0, text), 1002],
    ['a control frame in pieces', frame(9, Buffer.from('x'), { fin: false }), 1002],
    ['a long ping', frame(9, Buffer.alloc(126)), 1002],
    ['a close code that may not be sent', frame(8, Buffer.from([3, 237])), 1002],
    ['text that is not UTF-8', frame(1, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), 1007],
    ['half a character at the end', frame(1, Buffer.from([0xe2, 0x82])), 1007],
    ['65 KiB before connect', frame(1, Buffer.alloc(65 * 1024, 0x20)), 1009],
    [
      'the same in pieces',
      Buffer.concat([frame(1, Buffer.alloc(40 * 1024, 0x20), { fin: false }), frame(0, Buffer.alloc(40 * 1024, 0x20))]),
      1009,
    ],
  ];
  for (const [what, bytes, code] of cases) assert.equal(await rawClose(bytes), code, what);
});

test('a length that is only said is believed no further than the limit', async () => {
  const socket = await rawSocket();
  const huge = Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  socket.write(huge);
  await once(socket, 'close');
});

test('what is no connect ends a connection that has none, whatever it is', async () => {
  const cases = [
    '{}',
    '[]',
    'null',
    'not json',
    '{"type":"req","id":"1"}',
    request('1', 'health'),
    '"connect"',
    '{"a":'.repeat(100),
  ];
  for (const text of cases) {
    const client = await room.client();
    client.send(text);
    assert.equal(await closeOf(client), 1008, text);
  }
  const binary = await room.client();
  binary.send(Buffer.from([0xff, 0x00]));
  assert.equal(await closeOf(binary), 1008);
});

test('frames that come before connect is answered are answered after it, in their order', async () => {
  const client = await room.client();
  const ids: string[] = [];
  const all = Promise.withResolvers<void>();
  client.on('message', (data: Buffer) => {
    ids.push((JSON.parse(data.toString()) as { id: string }).id);
    if (ids.length === 4) all.resolve();
  });
  for (const text of [CONNECT, request('1'), request('2'), request('3')]) client.send(text);
  await all.promise;
  assert.deepEqual(ids, ['c', '1', '2', '3']);
});

test('after connect a frame may be as long as the limit and no longer', async () => {
  const client = await room.greeted();
  const answered = answerTo(client, 'big');
  client.send(request('big', 'm', { text: 'x'.repeat(900 * 1024) }));
  assert.equal((await answered).ok, true);
  client.send(request('bigger', 'm', { text: 'x'.repeat(1024 * 1024) }));
  assert.equal(await closeOf(client), 1009);
});

test('JSON that is nested without end is refused by a limit that has a name', async () => {
  const client = await room.greeted();
  const answered = answerTo(client, 'invalid');
  client.send(`{"type":"req","id":"deep","method":"m","params":${'['.repeat(5_000)}${']'.repeat(5_000)}}`);
  assert.match((await answered).error!.message, /jsonDepthMax/);
  client.terminate();
});

test('an error’s message is short, whatever names it has to tell', async () => {
  const client = await room.greeted();
  const answered = answerTo(client, 'long');
  client.send(JSON.stringify({ type: 'req', id: 'long', method: 'm', ['x'.repeat(100_000)]: 1 }));
  assert.ok((await answered).error!.message.length < 1_200);
  client.terminate();
});

test('two requests under one id are both answered', async () => {
  const client = await room.greeted();
  let answers = 0;
  const both = Promise.withResolvers<void>();
  client.on('message', () => ++answers === 2 && both.resolve());
  client.send(request('same'));
  client.send(request('same'));
  await both.promise;
  client.terminate();
});

test('a request too many at once is refused, and the next is taken when one has ended', async () => {
  const client = await room.greeted();
  const waiting: (() => void)[] = [];
  room.call = (method) => (method === 'slow' ? new Promise((resolve) => waiting.push(() => resolve({}))) : {});
  const first = Array.from({ length: 8 }, (_, n) => answerTo(client, `s${n}`));
  for (let n = 0; n < 8; n++) client.send(request(`s${n}`, 'slow'));
  const ninth = answerTo(client, 's8');
  client.send(request('s8', 'slow'));
  const refused = await ninth;
  assert.equal(refused.error!.code, 'UNAVAILABLE');
  assert.match(refused.error!.message, /socketRequestsMax/);
  for (const go of waiting) go();
  await Promise.all(first);
  const again = answerTo(client, 'again');
  client.send(request('again'));
  assert.equal((await again).ok, true);
  room.call = (method) => ({ method });
  client.terminate();
});

test('a flood is read no faster than it may come, and every request of it is answered', async (t) => {
  const slow = await Room.open({ socketRequestsPerSecondMax: 50 });
  t.after(() => slow.close());
  const client = await slow.greeted();
  let answers = 0;
  const all = Promise.withResolvers<void>();
  client.on('message', () => ++answers === 120 && all.resolve());
  // So long that few come in one piece of the stream: what has been read already cannot wait.
  const params = { padding: 'x'.repeat(30_000) };
  const startedAt = performance.now();
  for (let n = 0; n < 120; n++) client.send(request(`f${n}`, 'm', params));
  await all.promise;
  // Fifty go at once, the other seventy take 1.4 s.
  assert.ok(performance.now() - startedAt > 1_200);
});

test('a bug in a method is told as ours, and only the log hears what it was', async () => {
  const client = await room.greeted();
  room.call = () => {
    throw new TypeError('a secret detail');
  };
  const answered = answerTo(client, 'bug');
  client.send(request('bug'));
  const { error } = await answered;
  assert.deepEqual(error, { code: 'UNAVAILABLE', message: 'Internal error; the log has it.' });
  assert.match(String(room.bugs.splice(0)[0]), /a secret detail/);
  room.call = (method) => ({ method });
  client.terminate();
});

test('a database that is away is a refusal that passes, and no bug', async () => {
  const client = await room.greeted();
  room.call = () => Promise.reject(new StoreUnavailable('no answer from a-secret-host'));
  const answered = answerTo(client, 'away');
  client.send(request('away'));
  const { error } = await answered;
  const { code, details, retryable } = error as unknown as {
    code: string;
    details: { code: string };
    retryable: boolean;
  };
  assert.deepEqual([code, details.code, retryable], ['UNAVAILABLE', 'ledger_unavailable', true]);
  assert.ok(!JSON.stringify(error).includes('a-secret-host'));
  assert.deepEqual(room.bugs, []);
  room.call = (method) => ({ method });
  client.terminate();
});

test('whoever does not connect in time is closed with 1000', async (t) => {
  const hasty = await Room.open({ handshakeTimeoutMs: 60 });
  t.after(() => hasty.close());
  const client = await hasty.client();
  assert.equal(await closeOf(client), 1000);
});

test('whoever asks and never reads the answers is closed', async (t) => {
  const small = await Room.open({ socketUnsentBytesMax: 64 * 1024 });
  t.after(() => small.close());
  small.call = () => 'y'.repeat(256 * 1024);
  const client = await small.greeted();
  client.pause();
  while (small.hub.size > 0) {
    client.send(request('r'));
    await sleep(1);
  }
});
