/**
 * The live feed over real sockets: bounded in number, gone with its reader, cut when its reader takes nothing. The log
 * behind it is a small object of this file, so that a test decides when it answers.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { EventEnvelope } from '@weighbridge/protocol';
import Fastify, { type FastifyInstance } from 'fastify';
import { type Caller, DEFAULT_TENANT } from '../domain/caller.ts';
import { refusalOf } from './errors.ts';
import { feed } from './feed.ts';
import { guard } from './policy.ts';

const FEEDS_MAX = 3;

let app: FastifyInstance;
let base: string;
let port: number;
let nextEvents: (signal: AbortSignal) => AsyncGenerator<EventEnvelope>;
let nextSeq: () => Promise<number>;
let caller: Caller;
let following = 0;
const feedsChanged = new EventEmitter();

async function* untilAborted(signal: AbortSignal): AsyncGenerator<EventEnvelope> {
  if (!signal.aborted) await once(signal, 'abort');
  yield* [];
}

before(async () => {
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => reply.code(refusalOf(error).refusal.status).send());
  guard(app, {
    access: { authenticate: () => caller },
    ownNames: () => ({ host: '127.0.0.1', isOpenToAll: false, allowedOrigins: [] }),
  });
  feed(app, {
    feedsMax: FEEDS_MAX,
    closing: new AbortController().signal,
    events: {
      lastSeq: () => nextSeq(),
      async *follow({ signal }) {
        following += 1;
        feedsChanged.emit('changed');
        try {
          yield* nextEvents(signal);
        } finally {
          following -= 1;
          feedsChanged.emit('changed');
        }
      },
    },
  });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
  port = Number(new URL(base).port);
});

beforeEach(() => {
  caller = { tenantId: DEFAULT_TENANT, keyId: null, scopes: new Set(['read']) };
  nextEvents = untilAborted;
  nextSeq = async () => 0;
});

after(() => app.close());

async function opened(send: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  socket.write(send);
  return socket;
}

async function followers(count: number): Promise<void> {
  while (following !== count) await once(feedsChanged, 'changed', { signal: AbortSignal.timeout(5000) });
}

describe('live feeds', () => {
  const FEED = 'GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n';

  test('a feed ends with its key', async () => {
    const ended = new AbortController();
    const forced = { attribution: {}, outbound: {} };
    const terms = { agentId: null, forced, expiresAt: null, ended: ended.signal };
    caller = { ...caller, keyId: 'key_1', terms };
    const answer = await fetch(`${base}/api/v1/events`);
    await followers(1);
    ended.abort();
    assert.match(await answer.text(), /^: following/);
    await followers(0);
  });

  /** The log answers `lastSeq` only when told: what happens while a feed waits for it is what is tested. */
  function heldLog(): { asked: () => Promise<void>; release: () => void } {
    const gate = Promise.withResolvers<number>();
    const asks = new EventEmitter();
    const first = once(asks, 'asked');
    nextSeq = () => {
      asks.emit('asked');
      return gate.promise;
    };
    return { asked: async () => void (await first), release: () => gate.resolve(0) };
  }

  test('no more feeds than feedsMax are open, also when all ask at once', async () => {
    const log = heldLog();
    const sockets = await Promise.all(Array.from({ length: FEEDS_MAX * 3 }, () => opened(FEED)));
    const heads = Promise.all(sockets.map(async (socket) => String((await once(socket, 'data'))[0]).slice(9, 12)));
    await log.asked();
    // A round trip on the same loop: every feed's request was taken up before its answer came.
    await fetch(`${base}/nothing-here`);
    log.release();
    const statuses = (await heads).sort();
    for (const socket of sockets) socket.destroy();
    await followers(0);
    assert.equal(statuses.filter((status) => status === '200').length, FEEDS_MAX);
    assert.equal(statuses.filter((status) => status === '503').length, FEEDS_MAX * 2);
  });

  test('a reader who goes before its feed began leaves nothing behind', async () => {
    for (let tries = 0; tries < FEEDS_MAX; tries++) {
      const log = heldLog();
      const closed = once(app.server, 'connection').then(([peer]) => once(peer as Socket, 'close'));
      const socket = await opened(FEED);
      await log.asked();
      socket.destroy();
      await closed;
      log.release();
    }
    nextSeq = async () => 0;
    const socket = await opened(FEED);
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /, 'a slot was lost');
    socket.destroy();
    await followers(0);
  });

  async function firstBlocks(path: string, until: RegExp): Promise<string> {
    const socket = await opened(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    let text = '';
    for await (const bytes of socket) {
      text += bytes;
      if (until.test(text)) break;
    }
    socket.destroy();
    await followers(0);
    return text;
  }

  test('the first block says where the feed begins, so a break before any event loses none', async () => {
    nextSeq = async () => 41;
    assert.match(await firstBlocks('/api/v1/events', /id: \d+\n\n/), /id: 41\n\n/);
    assert.match(await firstBlocks('/api/v1/events?after=7', /id: \d+\n\n/), /id: 7\n\n/);
  });

  test('filters are exact matches on the data of an event, and types choose among events', async () => {
    nextEvents = async function* (signal) {
      for (const [seq, agentId] of ['main', 'coder', null, 'main'].entries()) {
        yield {
          type: 'model.usage',
          id: `evt_${seq}`,
          seq,
          ledgerId: 'led',
          timestamp: '',
          data: { agentId, model: 'm' },
        };
      }
      yield {
        type: 'model.usage',
        id: 'evt_9',
        seq: 9,
        ledgerId: 'led',
        timestamp: '',
        data: { agentId: 'main', model: 'last' },
      };
      yield* untilAborted(signal);
    };
    const all = await firstBlocks('/api/v1/events?agent=main', /"last"/);
    assert.deepEqual(
      [...all.matchAll(/^id: (\d+)\nevent/gm)].map(([, seq]) => seq),
      ['0', '3', '9'],
    );
    const both = await firstBlocks('/api/v1/events?agent=main&model=last', /"last"/);
    assert.deepEqual(
      [...both.matchAll(/^id: (\d+)\nevent/gm)].map(([, seq]) => seq),
      ['9'],
    );
  });

  test('a Last-Event-ID that is no number is refused: taken for "from now on" it would lose events in silence', async () => {
    for (const id of ['x', '-1', '1e3', '99999999999999999']) {
      const answer = await fetch(`${base}/api/v1/events`, { headers: { 'last-event-id': id } });
      assert.equal(answer.status, 400, id);
    }
  });

  test('a reader who takes nothing is cut off, socket and all', async () => {
    nextEvents = async function* (signal) {
      const data = 'x'.repeat(64 * 1024);
      for (let seq = 1; !signal.aborted; seq++) {
        yield { type: 't', id: `evt_${seq}`, seq, ledgerId: 'led', timestamp: '', data };
        await new Promise(setImmediate);
      }
    };
    const accepted = once(app.server, 'connection');
    const socket = await opened(FEED);
    socket.pause();
    const [peer] = (await accepted) as [Socket];
    const cut = once(peer, 'close', { signal: AbortSignal.timeout(3000) });
    await followers(1);
    await followers(0);
    await cut;
    socket.destroy();
  });
});
