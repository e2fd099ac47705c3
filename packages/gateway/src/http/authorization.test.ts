/**
 * One table of every route and the scope that it takes, tried with every kind of credential there is. A route that the
 * table does not know fails here: who adds one says in the table who may use it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SCOPES, type Scope } from '../domain/caller.ts';
import { Door, TOKEN } from './door.fixture.ts';

interface Row {
  scope: Scope | 'open';
  /** Not for keys. */
  operatorOnly?: boolean;
  /** As somebody asks, where the route's own path cannot be asked. */
  path?: string;
  body?: string;
  /** Taken from our own page only: asked as it asks. */
  fromPage?: boolean;
}

const ID = '0'.repeat(26);
const CHAT = JSON.stringify({ model: 'p/m', messages: [{ role: 'user', content: 'hi' }] });

const ROUTES: Readonly<Record<string, Row>> = {
  'GET /': { scope: 'open' },
  'GET /models': { scope: 'open' },
  'GET /models/assets/:name': { scope: 'open', path: '/models/assets/none.js' },
  'POST /models/sign-in': { scope: 'open', fromPage: true },
  'POST /models/sign-out': { scope: 'open', fromPage: true },
  'POST /api/v1/sign-in-links': { scope: 'read' },
  'GET /health': { scope: 'open' },
  'GET /healthz': { scope: 'open' },
  'GET /startup': { scope: 'open' },
  'GET /startupz': { scope: 'open' },
  'GET /ready': { scope: 'open' },
  'GET /readyz': { scope: 'open' },
  'POST /v1/chat/completions': { scope: 'dispatch', body: CHAT },
  'POST /v1/embeddings': { scope: 'dispatch', body: CHAT },
  'POST /v1/responses': { scope: 'dispatch', body: CHAT },
  'POST /v1/messages': { scope: 'dispatch', body: CHAT },
  'POST /v1/messages/count_tokens': { scope: 'dispatch', body: CHAT },
  'GET /v1/models': { scope: 'dispatch' },
  'GET /v1/models/*': { scope: 'dispatch', path: '/v1/models/p/m' },
  'GET /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/models' },
  'POST /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/chat/completions', body: CHAT },
  'PUT /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/files/1', body: 'x' },
  'PATCH /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/files/1', body: 'x' },
  'DELETE /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/files/1' },
  'OPTIONS /proxy/*': { scope: 'dispatch', path: '/proxy/p/v1/files/1' },
  'GET /api/v1/usage': { scope: 'read' },
  'GET /api/v1/usage/reconciliation': { scope: 'read' },
  'GET /api/v1/dispatches': { scope: 'read' },
  'GET /api/v1/dispatches/:id': { scope: 'read', path: `/api/v1/dispatches/dsp_${ID}` },
  'GET /api/v1/runs': { scope: 'read' },
  'GET /api/v1/events': { scope: 'read' },
  'GET /metrics': { scope: 'metrics' },
  'GET /openapi.json': { scope: 'read' },
  'POST /api/v1/runs/:id/stop': { scope: 'admin', path: `/api/v1/runs/run_${ID}/stop` },
  'POST /api/v1/prices/reprice': { scope: 'admin', operatorOnly: true, path: '/api/v1/prices/reprice?from=2026-01-01' },
  'POST /api/v1/ingest/model_usage': { scope: 'admin', body: '[]' },
  'POST /api/v1/reload': { scope: 'admin', operatorOnly: true },
  'GET /api/v1/plugins': { scope: 'admin', operatorOnly: true },
  'GET /api/v1/plugins/:id': { scope: 'admin', operatorOnly: true, path: '/api/v1/plugins/x' },
  'POST /api/v1/plugins/:id/replay': {
    scope: 'admin',
    operatorOnly: true,
    path: '/api/v1/plugins/x/replay',
    body: '{}',
  },
  'GET /api/v1/webhooks': { scope: 'admin' },
  'POST /api/v1/webhooks': { scope: 'admin', body: '{}' },
  'GET /api/v1/webhooks/:id': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}` },
  'DELETE /api/v1/webhooks/:id': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}` },
  'POST /api/v1/webhooks/:id/enable': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/enable` },
  'POST /api/v1/webhooks/:id/disable': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/disable` },
  'POST /api/v1/webhooks/:id/test': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/test` },
  'POST /api/v1/webhooks/:id/rotate': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/rotate`, body: '{}' },
  'POST /api/v1/webhooks/:id/replay': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/replay`, body: '{}' },
  'GET /api/v1/webhooks/:id/deliveries': { scope: 'admin', path: `/api/v1/webhooks/whk_${ID}/deliveries` },
  'GET /api/v1/sessions': { scope: 'read' },
  'GET /api/v1/sessions/:key': { scope: 'read', path: '/api/v1/sessions/none' },
  'PATCH /api/v1/sessions/:key': { scope: 'dispatch', path: '/api/v1/sessions/none', body: '{}' },
  'DELETE /api/v1/sessions/:key': { scope: 'admin', path: '/api/v1/sessions/none' },
  'GET /api/v1/sessions/:key/transcript': { scope: 'admin', path: '/api/v1/sessions/none/transcript' },
  'GET /api/v1/keys': { scope: 'admin' },
  'POST /api/v1/keys': { scope: 'admin', body: '{}' },
  'POST /api/v1/keys/:id/revoke': { scope: 'admin', path: `/api/v1/keys/key_${ID}/revoke` },
};

/** What the router makes of others: a GET has its HEAD; methods that no test can send. */
function rowOf(method: string, url: string): Row | undefined {
  return ROUTES[`${method} ${url}`] ?? (method === 'HEAD' ? ROUTES[`GET ${url}`] : undefined);
}

interface Credential {
  headers: Record<string, string>;
  query?: string;
  /** Null: it is nobody. */
  scopes: readonly Scope[] | null;
  isOperators?: boolean;
}

const door = new Door();
const credentials = new Map<string, Credential>();

before(async () => {
  await door.open({ everything: true });
  for (const [name, headers] of Object.entries(everyHeader(TOKEN))) {
    credentials.set(`the operator’s token as ${name}`, { headers, scopes: SCOPES, isOperators: true });
  }
  for (const scopes of subsets(SCOPES)) {
    const text = await key(scopes);
    credentials.set(`a key of ${scopes.join('+')}`, { headers: { authorization: `Bearer ${text}` }, scopes });
  }
  const everything = await key(SCOPES);
  // A cookie is its credential, but that it calls no model.
  for (const [name, credential] of [['the operator’s', TOKEN] as const, ['a key’s', everything] as const]) {
    const headers = { cookie: await door.cookieOf(credential), origin: door.base };
    const scopes = SCOPES.filter((scope) => scope !== 'dispatch');
    credentials.set(`${name} cookie`, { headers, scopes, isOperators: credential === TOKEN });
  }
  for (const [name, headers] of Object.entries(everyHeader(everything))) {
    credentials.set(`a key of everything as ${name}`, { headers, scopes: SCOPES });
  }
  const revoked = await door.keys.create(order(SCOPES));
  await door.keys.revoke(null, revoked.record.keyId);
  const nobody = (name: string, headers: Record<string, string>, query?: string) =>
    credentials.set(name, { headers, scopes: null, ...(query === undefined ? {} : { query }) });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  nobody('nothing', {});
  nobody('a wrong token', bearer(`${TOKEN}x`));
  nobody('an empty key', { 'x-weighbridge-key': 'x', ...bearer(TOKEN) });
  nobody('a revoked key', bearer(revoked.text));
  nobody('a key that ran out', bearer(await key(SCOPES, Date.now() + 1)));
  nobody('a key but for its last character', bearer(everything.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))));
  nobody('a key in lower case', bearer(everything.toLowerCase()));
  nobody('a key’s id alone', bearer(everything.slice(0, 30)));
  nobody('a key as basic authentication', { authorization: `Basic ${btoa(`:${everything}`)}` });
  nobody('a key in a cookie', { cookie: `key=${everything}` });
  nobody('a key in the query', {}, `key=${everything}`);
  const cookie = await door.cookieOf(TOKEN);
  const fromPage = { origin: door.base };
  nobody('a cookie but for its last character', {
    cookie: cookie.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A')),
    ...fromPage,
  });
  nobody('a cookie of another gateway', { cookie: cookie.replace(/^weighbridge-\d+/, 'weighbridge-1') });
  nobody('a cookie of a revoked key', { cookie: await cookieOfRevoked(), ...fromPage });
  nobody('scopes that the caller claims', { 'x-weighbridge-scopes': SCOPES.join(), 'x-openclaw-scopes': 'admin' });
});
after(() => door.close());

function everyHeader(credential: string): Record<string, Record<string, string>> {
  return {
    'x-weighbridge-key': { 'x-weighbridge-key': credential, authorization: 'Bearer sk-the-callers-own' },
    authorization: { authorization: `bearer ${credential}` },
    'x-api-key': { 'x-api-key': credential },
    'x-goog-api-key': { 'x-goog-api-key': credential },
    'api-key': { 'api-key': credential },
  };
}

function order(scopes: readonly Scope[], expiresAt: number | null = null) {
  const forced = { attribution: {}, outbound: {} };
  return { tenantId: 'acme', name: '', scopes, agentId: null, forced, createdBy: null, expiresAt };
}

async function cookieOfRevoked(): Promise<string> {
  const { text, record } = await door.keys.create(order(SCOPES));
  const cookie = await door.cookieOf(text);
  await door.keys.revoke(null, record.keyId);
  return cookie;
}

async function key(scopes: readonly Scope[], expiresAt: number | null = null): Promise<string> {
  return (await door.keys.create(order(scopes, expiresAt))).text;
}

function subsets(scopes: readonly Scope[]): Scope[][] {
  return Array.from({ length: 2 ** scopes.length - 1 }, (_, bits) =>
    scopes.filter((_scope, at) => ((bits + 1) >> at) & 1),
  );
}

/** What a credential may see of a route: let in, whatever the route then says, or how it is refused. */
function expected({ scope, operatorOnly = false }: Row, { scopes, isOperators = false }: Credential): 'in' | 401 | 403 {
  if (scope === 'open') return 'in';
  if (scopes === null) return 401;
  return scopes.includes(scope) && (isOperators || !operatorOnly) ? 'in' : 403;
}

async function outcome(method: string, path: string, { body, fromPage }: Row, credential: Credential) {
  const { query } = credential;
  const headers = { ...credential.headers, ...(fromPage ? { origin: door.base } : {}) };
  const url = door.base + path + (query === undefined ? '' : `${path.includes('?') ? '&' : '?'}${query}`);
  const answer = await fetch(url, {
    method,
    headers,
    redirect: 'manual',
    ...(body === undefined || method === 'HEAD' ? {} : { body }),
  });
  await answer.arrayBuffer();
  return answer.status === 401 || answer.status === 403 ? answer.status : 'in';
}

describe('the table of routes', () => {
  test('it has every route that the server has, with the scope that the server asks for, and no other', () => {
    const sendable = door.routes.filter(({ method, url }) => url !== '/proxy/*' || rowOf(method, url) !== undefined);
    const wrong = sendable.filter(({ method, url, scope, operatorOnly }) => {
      const row = rowOf(method, url);
      return row?.scope !== scope || (row.operatorOnly ?? false) !== operatorOnly;
    });
    assert.deepEqual(wrong, []);
    const served = new Set(door.routes.map(({ method, url }) => `${method} ${url}`));
    assert.deepEqual(
      Object.keys(ROUTES).filter((route) => !served.has(route)),
      [],
    );
    // The pass-through takes any method; those that are not tried ask for what the others ask for.
    assert.deepEqual(
      new Set(door.routes.filter(({ url }) => url === '/proxy/*').map(({ scope }) => scope)),
      new Set(['dispatch']),
    );
  });

  test('every route lets in exactly the credentials that it should, in every header they may come in', async () => {
    const wrong: string[] = [];
    let tried = 0;
    for (const { method, url } of door.routes) {
      const row = rowOf(method, url);
      if (row === undefined) continue;
      // A HEAD is its GET without a body: some of them are enough.
      const tries = [...credentials].filter((_, at) => method !== 'HEAD' || at % 5 === 0);
      await Promise.all(
        tries.map(async ([name, credential]) => {
          const [is, should] = [await outcome(method, row.path ?? url, row, credential), expected(row, credential)];
          if (is !== should) wrong.push(`${method} ${url} with ${name}: ${is}, not ${should}`);
          tried++;
        }),
      );
    }
    assert.deepEqual(wrong, []);
    assert.ok(tried >= 200, `only ${tried} combinations`);
  });

  test('what is refused says nothing of why a credential is nobody', async () => {
    const answers = new Set<string>();
    for (const { headers, scopes, query } of credentials.values()) {
      if (scopes !== null || query !== undefined) continue;
      const answer = await fetch(`${door.base}/api/v1/usage`, { headers });
      answers.add(`${answer.status} ${await answer.text()}`);
    }
    assert.equal(answers.size, 1, [...answers].join('\n'));
  });
});
