/** Crowds and slow readers, on real sockets: what one event costs, who is closed, and that nobody else notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import { Room } from './room.fixture.ts';

const TENANT = { tenantId: 'default' };

async function opened(count: number, limits: Parameters<typeof Room.open>[0] = {}): Promise<[Room, WebSocket[]]> {
  const room = await Room.open(limits);
  return [room, await Promise.all(Array.from({ length: count }, () => room.greeted()))];
}

function nextEvent(socket: WebSocket, name: string): Promise<{ payload: unknown; seq: number }> {
  const { promise, resolve } = Promise.withResolvers<{ payload: unknown; seq: number }>();
  const hear = (data: Buffer): void => {
    const frame = JSON.parse(data.toString()) as { event: string; payload: unknown; seq: number };
    if (frame.event !== name) return;
    socket.off('message', hear);
    resolve(frame);
  };
  socket.on('message', hear);
  return promise;
}

test('an event for a hundred subscribers is serialised once', async (t) => {
  const [room, clients] = await opened(100);
  t.after(() => room.close());
  let read = 0;
  const payload = {
    text: 'said',
    /** Every serialisation asks for it. */
    get counted() {
      read++;
      return true;
    },
  };
  const heard = clients.map((client) => nextEvent(client, 'chat'));
  const before = room.hub.serialised;
  room.hub.broadcast('chat', payload, TENANT);
  for (const frame of await Promise.all(heard)) {
    assert.deepEqual(frame.payload, { text: 'said', counted: true });
    assert.equal(frame.seq, 1);
  }
  assert.equal(read, 1);
  assert.equal(room.hub.serialised - before, 1);
});

test('events to a crowd that is told in portions come to each in order, and let others go on in between', async (t) => {
  const [room, clients] = await opened(260);
  t.after(() => room.close());
  const numbers = clients.map((client) => {
    const seen: number[] = [];
    client.on('message', (data: Buffer) => {
      const { event, payload } = JSON.parse(data.toString()) as { event: string; payload: { n: number } };
      if (event === 'chat') seen.push(payload.n);
    });
    return seen;
  });
  let turns = 0;
  const counting = setInterval(() => turns++, 0);
  for (let n = 0; n < 5; n++) room.hub.broadcast('chat', { n }, TENANT);
  assert.equal(room.hub.isBusy, true);
  await room.hub.told();
  const last = clients.map((client) => nextEvent(client, 'end'));
  room.hub.broadcast('end', {}, TENANT);
  await Promise.all(last);
  clearInterval(counting);
  for (const seen of numbers) assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  assert.ok(turns > 0);
});

test('a reader that stops reading is closed by bytes, while others get every event', async (t) => {
  const [room, clients] = await opened(3, { socketUnsentBytesMax: 64 * 1024 });
  t.after(() => room.close());
  const [stalled, ...others] = clients as [WebSocket, WebSocket, WebSocket];
  stalled.pause();
  const text = 'x'.repeat(32 * 1024);
  let sent = 0;
  while (room.hub.size === 3) {
    assert.ok(sent < 2_000, 'it is closed before sixty megabytes');
    sent++;
    const heard = others.map((client) => nextEvent(client, 'chat'));
    room.hub.broadcast('chat', { text, n: sent }, TENANT);
    for (const { payload } of await Promise.all(heard)) assert.equal((payload as { n: number }).n, sent);
  }
  const closed = once(stalled, 'close') as Promise<[number, Buffer]>;
  stalled.resume();
  const [code, reason] = await closed;
  // What was on its way comes; the close frame behind it may find the socket cut.
  assert.ok((code === 1008 && reason.toString() === 'slow consumer') || code === 1006, `${code} ${reason}`);
  assert.equal(room.hub.size, 2);
});

test('a reader that takes nothing is closed by age, though little waits for it', async (t) => {
  const [room, clients] = await opened(2, { socketUnsentMaxMs: 300, socketUnsentBytesMax: 1024 * 1024 * 1024 });
  t.after(() => room.close());
  const [stalled, other] = clients as [WebSocket, WebSocket];
  stalled.pause();
  // The kernel takes the first megabytes; then something has to wait here.
  for (let n = 0; n < 200; n++) {
    const heard = nextEvent(other, 'chat');
    room.hub.broadcast('chat', { text: 'x'.repeat(64 * 1024) }, TENANT);
    await heard;
  }
  const [gone] = room.opened.filter(({ connId }) => connId === room.opened[0]!.connId);
  assert.ok(gone);
  while (room.hub.size === 2) await new Promise((resolve) => setTimeout(resolve, 20));
  const heard = nextEvent(other, 'chat');
  room.hub.broadcast('chat', { n: 1 }, TENANT);
  await heard;
});

test('a connection that is behind is spared pieces, and then gets the whole once', async (t) => {
  const [room, clients] = await opened(2, { socketUnsentBytesMax: 8 * 1024 * 1024 });
  t.after(() => room.close());
  const [slow, quick] = clients as [WebSocket, WebSocket];
  const pieces: string[] = [];
  const quickPieces: string[] = [];
  const collect = (into: string[]) => (data: Buffer) => {
    const { event, payload } = JSON.parse(data.toString()) as {
      event: string;
      payload: { deltaText: string; replace?: true };
    };
    if (event !== 'chat') return;
    if (payload.replace) into.length = 0;
    into.push(payload.deltaText);
  };
  slow.on('message', collect(pieces));
  quick.on('message', collect(quickPieces));
  slow.pause();
  let text = '';
  const say = (): void => {
    const deltaText = `${'y'.repeat(2_000)}${text.length} `;
    text += deltaText;
    const whole = text;
    room.hub.broadcast('chat', { deltaText }, TENANT, {
      sparing: { name: 'r chat', whole: () => ({ deltaText: whole, replace: true }) },
    });
  };
  const filler = { text: 'z'.repeat(256 * 1024) };
  while (!room.opened.some(({ isBehind }) => isBehind)) {
    room.hub.broadcast('fill', filler, TENANT);
    await new Promise(setImmediate);
  }
  for (let n = 0; n < 50; n++) say();
  assert.ok(room.opened.some(({ spared }) => spared.has('r chat')));
  slow.resume();
  while (room.opened.some(({ isBehind }) => isBehind)) await new Promise((resolve) => setTimeout(resolve, 5));
  say();
  const ends = clients.map((client) => nextEvent(client, 'end'));
  room.hub.broadcast('end', {}, TENANT);
  await Promise.all(ends);
  assert.equal(pieces.join(''), text);
  assert.equal(quickPieces.join(''), text);
  assert.equal(quickPieces.length, 51);
  assert.ok(pieces.length < 51);
});

test('a peer that answers no ping is ended at the next', async (t) => {
  const [room, [silent, alive]] = await opened(2, { tickIntervalMs: 150 });
  t.after(() => room.close());
  // Nothing is read any more, so no pong is sent: half of a connection that was cut without a word.
  silent!.pause();
  while (room.hub.size === 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await nextEvent(alive!, 'tick');
  assert.equal(room.hub.size, 1);
});
