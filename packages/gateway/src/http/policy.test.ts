/** Which pages of a browser may ask: names and origins, with a credential and in the mode that needs none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { DEFAULT_TENANT, type Scope } from '../domain/caller.ts';
import { refusalOf } from './errors.ts';
import { guard } from './policy.ts';

async function statusOf(isOpenToAll: boolean, headers: Record<string, string>): Promise<number> {
  const app = Fastify();
  const scopes = new Set<Scope>(['read']);
  const access = { authenticate: () => ({ tenantId: DEFAULT_TENANT, keyId: null, scopes }) };
  app.setErrorHandler((error, _request, reply) => reply.code(refusalOf(error).refusal.status).send());
  guard(app, { access, host: 'gateway.lan', isOpenToAll });
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

test('a scope that the credential lacks is refused', async () => {
  assert.equal(await statusOf(false, { host: 'localhost', path: '/y' }), 403);
});
