/** What a caller sees who is refused before the body was read, and what becomes of the connection. Real sockets. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import Fastify from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { refuseEarly } from './refuse-early.ts';

const REFUSAL = new GatewayError('overloaded', 'Too many.', { retryAfterSeconds: 1 });

test('a refusal comes before the body does, and the connection serves the next call', async (t) => {
  let isFull = true;
  let bodies = 0;
  const app = Fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  refuseEarly(app, { atDoor: () => (isFull ? REFUSAL : null) });
  app.post('/call', { config: { startsRuns: true } }, () => `${++bodies}`);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  const socket = connect({ host: '127.0.0.1', port: (app.server.address() as { port: number }).port });
  t.after(() => socket.destroy());
  let seen = '';
  const when = (what: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!what.test(seen)) return;
        socket.off('data', look);
        resolve();
      };
      socket.on('data', look);
      socket.once('close', () => reject(new Error(`the connection closed after: ${seen}`)));
      look();
    });
  socket.on('data', (bytes) => {
    seen += bytes.toString('latin1');
  });
  const body = 'x'.repeat(300_000);
  const head = `POST /call HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  socket.write(head + body.slice(0, 1000));
  await when(/"code":"overloaded"/);
  assert.match(seen, /^HTTP\/1\.1 503 /);
  assert.match(seen, /retry-after: 1\r\n/);
  assert.doesNotMatch(seen, /connection: close/i);
  isFull = false;
  seen = '';
  socket.write(body.slice(1000) + head + body);
  await when(/HTTP\/1\.1 200 [\s\S]*\r\n\r\n1$/);
  assert.equal(bodies, 1, 'the body of the refused call must not have been read as a call');
});

test('each door refuses early in its own vendor’s words', async (t) => {
  const app = Fastify();
  refuseEarly(app, { atDoor: () => REFUSAL });
  app.post('/theirs', { config: { startsRuns: true, speaks: 'anthropic-messages' } }, () => '');
  app.post('/openai', { config: { startsRuns: true } }, () => '');
  app.all('/proxy/*', { config: { startsRuns: true } }, () => '');
  const base = await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  const refused = async (path: string) => (await fetch(base + path, { method: 'POST' })).json();
  for (let again = 0; again < 2; again++) {
    assert.deepEqual(await refused('/theirs?beta=true'), {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Too many.' },
    });
    assert.equal(((await refused('/openai')) as { error: { code: string } }).error.code, 'overloaded');
    const passed = (await refused('/proxy/p/v1beta/models/m:generateContent')) as { error: { status: string } };
    assert.equal(passed.error.status, 'UNAVAILABLE');
  }
});
