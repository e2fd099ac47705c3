/** Slow senders of bodies over real sockets: what stands still is cut, what keeps moving is not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { readBody } from './body.ts';
import { cutSlowBodies } from './slow-bodies.ts';

const TIMEOUT_MS = 400;

let app: FastifyInstance;
let port: number;

before(async () => {
  app = Fastify({ requestTimeout: 0 });
  app.addHttpMethod('POST', { hasBody: false, overrideExisting: true });
  cutSlowBodies(app, TIMEOUT_MS);
  for (const [url, takesUploads] of [
    ['/call', false],
    ['/upload', true],
  ] as const) {
    app.post(url, { config: { takesUploads } }, (request, reply) => {
      readBody(request.raw, 1 << 20, (_error, body) => void reply.send(String(body.length)));
    });
  }
  await app.listen({ port: 0, host: '127.0.0.1' });
  port = (app.server.address() as { port: number }).port;
});
after(() => app.close());

/** Sends a byte every now and then, and returns what came back when the connection ended or the answer was there. */
async function drip(path: string, bytes: number, everyMs: number): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1').on('error', () => {});
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`);
  for (let sent = 0; sent < bytes && !socket.destroyed; sent++) {
    socket.write('x');
    await sleep(everyMs);
  }
  while (!socket.destroyed && !text.includes('\r\n\r\n'))
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  socket.destroy();
  return text;
}

test('a call whose body takes longer than its time gets 408, also while it moves', async () => {
  assert.match(await drip('/call', 1000, 50), /^HTTP\/1\.1 408 [\s\S]*"code":"invalid_request"/);
});

test('an upload may take as long as it moves', async () => {
  assert.match(await drip('/upload', 30, 50), /^HTTP\/1\.1 200 [\s\S]*30$/);
});

test('an upload that stands still is cut', async () => {
  assert.equal(await drip('/upload', 2, 10 * TIMEOUT_MS), '');
});
