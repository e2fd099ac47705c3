/** Receivers that misbehave, one row each with its outcome, through the real sender and real sockets. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Behaviour, WebhookReceiver } from '../../../../test/rig/webhook-receiver.ts';
import type { Egress } from '../domain/webhook.ts';
import { type HostAddress, type Outcome, Sender, type SenderDeps } from './sender.ts';
import { endpointTo } from './webhooks.fixture.ts';

const TIMEOUT_MS = 400;
const OUT = { headers: { 'content-type': 'application/json' }, body: '{"a":1}' };
const never = new AbortController().signal;

let receiver: WebhookReceiver;
before(async () => {
  receiver = await WebhookReceiver.start();
});
after(() => receiver.close());

async function sendTo(url: string, egress: Egress = { kind: 'private' }, deps: SenderDeps = {}): Promise<Outcome> {
  const sender = new Sender(endpointTo(url, { egress, timeoutMs: TIMEOUT_MS }), deps);
  try {
    const outcome = await sender.send(OUT, never, () => Date.now());
    assert.ok(outcome !== null);
    return outcome;
  } finally {
    await sender.close();
  }
}

interface Row {
  does: Behaviour;
  kind: Outcome['kind'];
  status?: number | null;
  reason?: RegExp;
  retryAfterMs?: number;
}

const HOSTILE: Readonly<Record<string, Row>> = {
  'says nothing': { does: () => null, kind: 'failed', status: null, reason: /no answer within 400 ms/ },
  'sends its head a byte at a time': {
    does: (_message, response) => {
      const socket = response.socket!;
      const bytes = `HTTP/1.1 200 OK\r\nx-slow: ${'y'.repeat(500)}\r\n\r\n`;
      let at = 0;
      const timer = setInterval(() => {
        if (socket.destroyed || at >= bytes.length) clearInterval(timer);
        else socket.write(bytes[at++]!);
      }, 20);
      socket.on('close', () => clearInterval(timer));
      return 'handled';
    },
    kind: 'failed',
    status: null,
    reason: /no answer within 400 ms/,
  },
  redirects: {
    does: () => ({ status: 302, headers: { location: `${receiver.url}/elsewhere` } }),
    kind: 'failed',
    status: 302,
    reason: /redirects are not followed/,
  },
  'redirects for ever': { does: () => ({ status: 308, headers: { location: '/' } }), kind: 'failed', status: 308 },
  'answers 500': { does: () => ({ status: 500, body: 'broken' }), kind: 'failed', status: 500 },
  'answers 404': { does: () => ({ status: 404 }), kind: 'failed', status: 404 },
  'answers 410': { does: () => ({ status: 410 }), kind: 'failed', status: 410 },
  'answers 429 with seconds': {
    does: () => ({ status: 429, headers: { 'retry-after': '7' } }),
    kind: 'failed',
    status: 429,
    retryAfterMs: 7000,
  },
  'answers 503 with a year': {
    does: () => ({ status: 503, headers: { 'retry-after': '31536000' } }),
    kind: 'failed',
    status: 503,
    retryAfterMs: 86_400_000,
  },
  'answers 429 with nonsense': {
    does: () => ({ status: 429, headers: { 'retry-after': '-5 or so' } }),
    kind: 'failed',
    status: 429,
  },
  'answers 204': { does: () => ({ status: 204 }), kind: 'delivered', status: 204 },
  'resets before it answers': {
    does: (_message, response) => {
      response.socket!.resetAndDestroy();
      return 'handled';
    },
    kind: 'failed',
    status: null,
    reason: /no answer \((ECONNRESET|UND_ERR_SOCKET)\)/,
  },
  'closes without an answer': {
    does: (_message, response) => {
      response.socket!.end();
      return 'handled';
    },
    kind: 'failed',
    status: null,
    reason: /no answer/,
  },
  'answers with what is no HTTP': {
    does: (_message, response) => {
      response.socket!.end('SSH-2.0-OpenSSH_9.9\r\n');
      return 'handled';
    },
    kind: 'failed',
    status: null,
    reason: /no answer/,
  },
  'sends heads without end': {
    does: (_message, response) => {
      const socket = response.socket!;
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(`x-more: ${'z'.repeat(4000)}\r\n`));
      };
      socket.on('drain', more);
      socket.on('error', () => {});
      more();
      return 'handled';
    },
    kind: 'failed',
    status: null,
    reason: /no answer \(HPE_HEADER_OVERFLOW|UND_ERR_HEADERS_OVERFLOW/,
  },
  'says 200 and resets in its body': {
    does: (_message, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('x', () => response.socket!.resetAndDestroy());
      return 'handled';
    },
    kind: 'delivered',
    status: 200,
  },
};

describe('a receiver that', () => {
  for (const [name, { does, kind, status, reason, retryAfterMs }] of Object.entries(HOSTILE)) {
    test(`${name}: ${kind}${status == null ? '' : ` (${status})`}`, async () => {
      receiver.received.length = 0;
      receiver.behaviour = does;
      const outcome = await sendTo(receiver.url);
      assert.equal(outcome.kind, kind);
      assert.equal(outcome.status, status);
      if (reason !== undefined) assert.match((outcome as { reason: string }).reason, reason);
      if (outcome.kind === 'failed') assert.equal(outcome.retryAfterMs, retryAfterMs ?? null);
      assert.equal(receiver.received.length, 1, 'it was asked once, and nobody else was');
    });
  }

  test('sends a body without end: its status counts, 64 KiB are read, the connection is cut', async () => {
    let written = 0;
    const closed = Promise.withResolvers<void>();
    receiver.behaviour = (_message, response) => {
      response.writeHead(200);
      const more = (): void => {
        for (let wrote = true; wrote && !response.destroyed; written += 16_384)
          wrote = response.write(Buffer.alloc(16_384));
      };
      response.on('drain', more);
      response.on('close', () => closed.resolve());
      more();
      return 'handled';
    };
    const sender = new Sender(endpointTo(receiver.url));
    const outcome = await sender.send(OUT, never, () => Date.now());
    assert.equal(outcome?.kind, 'delivered');
    await closed.promise;
    await sender.close();
    // What lies in the buffers of both kernels was written too.
    assert.ok(written < 8 * 1024 * 1024, `${written} bytes were taken`);
  });

  test('trickles its body: its status counts, and the connection is cut after a second', async () => {
    const closed = Promise.withResolvers<void>();
    receiver.behaviour = (_message, response) => {
      response.writeHead(200, { 'content-length': '100000' });
      const timer = setInterval(() => response.write('.'), 50);
      response.on('close', () => {
        clearInterval(timer);
        closed.resolve();
      });
      return 'handled';
    };
    const sender = new Sender(endpointTo(receiver.url));
    const cut = closed.promise.then(() => 'cut');
    const sent = sender.send(OUT, never, () => Date.now());
    assert.equal(
      await Promise.race([cut, sent.then((delivery) => delivery?.kind)]),
      'delivered',
      'it waited for the body',
    );
    await cut;
    await sender.close();
  });

  test('is not there: a refused connection is a failure', async () => {
    const gone = await WebhookReceiver.start();
    await gone.close();
    const outcome = await sendTo(gone.url);
    assert.deepEqual(outcome, { kind: 'failed', status: null, reason: 'no answer (ECONNREFUSED)', retryAfterMs: null });
  });

  test('speaks TLS with a certificate that nobody vouches for: nothing is sent', async () => {
    const plain = await rawServer();
    const outcome = await sendTo(`https://127.0.0.1:${plain.port}/`);
    assert.equal(outcome.kind, 'failed');
    await plain.close();
  });
});

describe('a name', () => {
  const addresses = (...list: string[]): HostAddress[] =>
    list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const urlOf = (port: number): string => `https://hooks.example.com:${port}/`;
  const resolvedTo =
    (...list: string[]) =>
    async () =>
      addresses(...list);

  test('that leads to a private address is refused when connecting, and no byte leaves', async () => {
    const trap = await rawServer();
    for (const address of ['127.0.0.1', '::1', '10.1.2.3', '169.254.169.254', '::ffff:127.0.0.1']) {
      const outcome = await sendTo(urlOf(trap.port), { kind: 'public' }, { resolve: resolvedTo(address) });
      assert.equal(outcome.kind, 'failed');
      assert.match((outcome as { reason: string }).reason, /its name leads to an address that is/);
    }
    assert.equal(trap.connections, 0);
    await trap.close();
  });

  test('that leads to a public and a private address is refused, whichever comes first', async () => {
    const trap = await rawServer();
    for (const list of [
      ['93.184.215.14', '127.0.0.1'],
      ['127.0.0.1', '93.184.215.14'],
    ]) {
      const outcome = await sendTo(urlOf(trap.port), { kind: 'public' }, { resolve: resolvedTo(...list) });
      assert.match((outcome as { reason: string }).reason, /is private or loopback/);
    }
    assert.equal(trap.connections, 0);
    await trap.close();
  });

  test('that changes between check and connect changes nothing: it is asked once, and what was checked is connected to', async () => {
    const trap = await rawServer();
    let asked = 0;
    // Public when it is checked, this machine ever after: a second question would be answered with the trap.
    const resolve = async (): Promise<HostAddress[]> => addresses(asked++ === 0 ? '192.0.2.1' : '127.0.0.1');
    const blocks: Egress = {
      kind: 'blocks',
      blocks: [{ block: { bytes: Uint8Array.of(192, 0, 2, 1), prefix: 32 }, port: null }],
    };
    const outcome = await sendTo(urlOf(trap.port), blocks, { resolve });
    assert.equal(outcome.kind, 'failed');
    assert.equal(asked, 1);
    assert.equal(trap.connections, 0);
    await trap.close();
  });

  test('that is resolved anew for a new connection is checked anew', async () => {
    let asked = 0;
    const resolve = async (): Promise<HostAddress[]> => addresses(asked++ === 0 ? '127.0.0.1' : '10.0.0.1');
    receiver.behaviour = () => ({ headers: { connection: 'close' } });
    const loopback: Egress = { kind: 'loopback' };
    const sender = new Sender(endpointTo(`http://localhost:${receiver.port}/`, { egress: loopback }), { resolve });
    assert.equal((await sender.send(OUT, never, () => 0))?.kind, 'delivered');
    const second = await sender.send(OUT, never, () => 0);
    assert.match((second as { reason: string }).reason, /is not this machine, although its name says so/);
    await sender.close();
  });

  test('that nobody answers for is given up after two seconds, or with the attempt', async () => {
    const outcome = await sendTo(
      'https://hooks.example.com/',
      { kind: 'public' },
      { resolve: () => new Promise(() => {}) },
    );
    assert.equal(outcome.kind, 'failed');
  });

  test('of a proxy in the environment is not asked', async () => {
    const trap = await rawServer();
    const before = { ...process.env };
    process.env.HTTP_PROXY = process.env.http_proxy = process.env.HTTPS_PROXY = `http://127.0.0.1:${trap.port}`;
    receiver.behaviour = () => ({});
    try {
      assert.equal((await sendTo(receiver.url)).kind, 'delivered');
    } finally {
      for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    assert.equal(trap.connections, 0);
    await trap.close();
  });

  test('or an address of the gateway itself is refused, also by a sender that was made before it listened', async () => {
    let listens = false;
    const isOwn = (address: string, port: number): boolean =>
      listens && address === '127.0.0.1' && port === receiver.port;
    receiver.behaviour = () => ({ headers: { connection: 'close' } });
    const deps = { isOwn, resolve: resolvedTo('127.0.0.1') };
    for (const url of [receiver.url, `http://hooks.example.com:${receiver.port}/`]) {
      listens = false;
      const sender = new Sender(endpointTo(url), deps);
      assert.equal((await sender.send(OUT, never, () => 0))?.kind, 'delivered');
      listens = true;
      const outcome = await sender.send(OUT, never, () => 0);
      assert.match((outcome as { reason: string }).reason, /is this gateway’s own/);
      await sender.close();
    }
  });
});

interface RawServer {
  port: number;
  readonly connections: number;
  close(): Promise<void>;
}

/** Counts who connects, and says nothing that could be understood. */
async function rawServer(): Promise<RawServer> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.end('nothing for you');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
