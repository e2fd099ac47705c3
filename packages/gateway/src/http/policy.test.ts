/** Which pages of a browser may ask: names and origins, with a credential and in the mode that needs none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { DEFAULT_TENANT, type Scope } from '../domain/caller.ts';
import { refusalOf } from './errors.ts';
import { guard } from './policy.ts';

async function statusOf(
  isOpenToAll: boolean,
  headers: Record<string, string>,
  allowedOrigins: string[] = [],
): Promise<number> {
  const app = Fastify();
  const scopes = new Set<Scope>(['read']);
  const access = { authenticate: () => ({ tenantId: DEFAULT_TENANT, keyId: null, scopes }) };
  app.setErrorHandler((error, _request, reply) => reply.code(refusalOf(error).refusal.status).send());
  guard(app, { access, ownNames: () => ({ host: 'gateway.lan', isOpenToAll, allowedOrigins }) });
  app.get('/x', { config: { scope: 'read' } }, () => 'ok');
  app.get('/y', { config: { scope: 'admin' } }, () => 'ok');
  const { statusCode } = await app.inject({ url: headers.path ?? '/x', headers });
  await app.close();
  return statusCode;
}

test('a page of another origin is refused, one of our own is not', async () => {
  assert.equal(await statusOf(false, { host: '127.0.0.1:1', origin: 'http://127.0.0.1:1' }), 200);
  assert.equal(await statusOf(false, { host: 'gateway.lan:1', origin: 'http://gateway.lan:1' }), 200);
  for (const origin of [
    'http://evil.example',
    'null',
    'http://127.0.0.1:2',
    'https://127.0.0.1:1',
    'http://x@127.0.0.1:1',
  ]) {
    assert.equal(await statusOf(false, { host: '127.0.0.1:1', origin }), 403, origin);
  }
  assert.equal(await statusOf(false, { host: '127.0.0.1:1', 'sec-fetch-site': 'cross-site' }), 403);
});

test('a foreign name that points here is refused where no credential stands in its way', async () => {
  assert.equal(await statusOf(true, { host: 'rebound.example:1' }), 403);
  assert.equal(await statusOf(true, { host: 'localhost:1' }), 200);
  assert.equal(await statusOf(true, { host: '[::1]:1' }), 200);
  assert.equal(await statusOf(false, { host: 'behind-a-proxy.example' }), 200);
  assert.equal(await statusOf(false, { host: 'rebound.example:1', origin: 'http://rebound.example:1' }), 403);
});

test('an origin that is allowed is that of a proxy before us, under whatever name the proxy asks', async () => {
  const allowed = ['https://meter.example'];
  for (const host of ['127.0.0.1:1', 'meter.example', 'Meter.Example']) {
    for (const isOpenToAll of [false, true]) {
      assert.equal(await statusOf(isOpenToAll, { host, origin: 'https://meter.example' }, allowed), 200, host);
      for (const origin of ['https://evil.example', 'http://meter.example:81', 'https://meter.example.evil', 'null'])
        assert.equal(await statusOf(isOpenToAll, { host, origin }, allowed), 403, origin);
    }
  }
  // A browser names no origin when it only asks.
  assert.equal(await statusOf(true, { host: 'meter.example' }, allowed), 200);
  assert.equal(await statusOf(true, { host: 'example' }, allowed), 403);
});

test('a scope that the credential lacks is refused', async () => {
  assert.equal(await statusOf(false, { host: 'localhost', path: '/y' }), 403);
});
