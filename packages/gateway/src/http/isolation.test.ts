/**
 * What a key is told holds nothing of another tenant, whatever it asks and wherever; the operator is told of all. The real
 * server over a real ledger with calls of two tenants, whose every name is marked with their owner's.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import { createAccess } from '../access/authenticate.ts';
import { Keys } from '../access/keys.ts';
import { ACCESS_WRITES, KEY_SCRIPTS } from '../access/room.ts';
import { SCOPES } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { recordsByEntryId } from '../ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { settledCall } from '../ledger/settled.fixture.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { buildServer } from './server.ts';

const TOKEN = 'the-operators';
const ids = new IdSource();
const config = {
  host: '127.0.0.1',
  allowedOrigins: [],
  auth: { mode: 'token', rateLimit: { maxAttempts: 1000, windowMs: 60_000, lockoutMs: 60_000, sourcesMax: 10 } },
  endpoints: { chatCompletions: true, responses: false, messages: false, proxy: true },
  agents: { byId: new Map(), defaultId: null },
  limits: { bodyBytesMax: 1 << 16, headTimeoutMs: 5000, requestTimeoutMs: 5000, unreadTimeoutMs: 300, feedsMax: 10 },
} as unknown as GatewayConfig;

let store: Store;
let ledger: StoredLedger;
let keys: Keys;
let app: FastifyInstance;
let base: string;
const closing = new AbortController();
const dispatches = new Map<string, string>();
const texts = new Map<string, string>();
const running = ['acme', 'beta'].map((tenantId, at) => ({ tenantId, runId: `run_${String(at).repeat(26)}` }));

before(async () => {
  store = await openStore({
    database: await freshDatabase('sqlite'),
    durability: 'process',
    rooms: [ACCESS_WRITES, EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS, ...KEY_SCRIPTS],
  });
  const render = (tenantId: string, entryIds: readonly string[]) => recordsByEntryId(store, tenantId, entryIds);
  const events = new EventLog({ store, ledgerId: () => ledger.ledgerId, renderers: { 'model.usage': render } });
  const announce = (seq: number) => events.announce(seq);
  const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce, report: assert.fail };
  ledger = await StoredLedger.begin(deps, ids.next('led'));
  keys = await Keys.begin({ store, clock: systemClock, ids, keysMax: () => 100, holdMs: 1000 }, false);
  for (const { tenantId } of running) {
    const made = await keys.create({
      tenantId,
      name: `${tenantId}-name`,
      scopes: SCOPES,
      agentId: null,
      forced: { attribution: {}, outbound: {} },
      createdBy: null,
      expiresAt: null,
    });
    texts.set(tenantId, made.text);
    const call = { tenantId, model: `${tenantId}-model` };
    dispatches.set(tenantId, await settledCall(ledger, ids, Date.now(), { stopReason: `${tenantId}-stop` }, call));
  }
  app = await buildServer({
    config,
    access: createAccess(config.auth, { token: new Secret(TOKEN), password: null }, systemClock, keys),
    runs: {
      start: async () => {},
      pass: async () => {},
      inFlight: () => running,
      stop: () => assert.fail('nobody’s run may be stopped here'),
      atDoor: () => null,
      draining: false,
    },
    ledger: { available: true },
    store,
    events,
    keys,
    prices: {
      priceOf: () => null,
      correct: () => assert.fail('nothing is corrected here'),
      pricesHash: () => '',
    },
    catalogue: { listed: () => [] },
    clock: systemClock,
    log: pino({ level: 'silent' }),
    closing: closing.signal,
  });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
});

after(async () => {
  closing.abort();
  await app.close();
  await ledger.close();
  keys.close();
  await store.close();
});

async function told(credential: string, path: string, init: RequestInit = {}): Promise<[number, string]> {
  const headers = { authorization: `Bearer ${credential}` };
  const answer = await fetch(base + path, { headers, ...init });
  if (!path.startsWith('/api/v1/events') || !answer.ok) return [answer.status, await answer.text()];
  let text = '';
  // A feed has no end: what is there by the second event, or the first of the two that one may see.
  for await (const bytes of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    if (text.includes('event: ')) break;
  }
  return [answer.status, text];
}

/** Every way to ask that there is, also with the other tenant's names in it. */
function questions(other: string): string[] {
  const foreign = dispatches.get(other)!;
  const filters = ['', `model=${other}-model`, `session=s`, `endUser=u`, 'source=gateway', 'outcome=completed'];
  return [
    ...filters.flatMap((filter) => [
      `/api/v1/usage?from=0&groupBy=tenant,model&${filter}`,
      `/api/v1/usage?from=0&groupBy=session,tenant,model&latency=true&${filter}`,
      `/api/v1/usage/reconciliation?from=0&groupBy=tenant,model&${filter}`,
      `/api/v1/dispatches?${filter}`,
      `/api/v1/dispatches?limit=1&${filter}`,
    ]),
    `/api/v1/usage?bucket=minute&groupBy=tenant,model&to=${Date.now() + 60_000}&from=${Date.now() - 600_000}`,
    `/api/v1/dispatches/${foreign}`,
    `/api/v1/dispatches/${foreign.replace('dsp_', 'ent_')}`,
    '/api/v1/runs',
    '/api/v1/events?after=0',
    '/api/v1/keys',
    '/openapi.json',
    '/v1/models',
  ];
}

test('a key is told nothing of another tenant, wherever it asks and whomever it names', async () => {
  for (const [own, other] of [
    ['acme', 'beta'],
    ['beta', 'acme'],
  ] as const) {
    let seen = 0;
    for (const path of questions(other)) {
      const [status, text] = await told(texts.get(own)!, path);
      const withoutQuestion = text.replaceAll(dispatches.get(other)!, '').replaceAll(`model=${other}-model`, '');
      assert.ok(!withoutQuestion.includes(other), `${own} asked ${path}: ${text}`);
      if (status === 200 && text.includes(own)) seen++;
    }
    assert.ok(seen > 15, `${own} saw its own only ${seen} times`);
  }
});

test('the page of a key comes with its own tenant’s sums', async () => {
  const requestsOf = async (credential: string): Promise<number> => {
    const form = { method: 'POST', headers: { origin: base }, body: new URLSearchParams({ credential }) };
    const answer = await fetch(`${base}/models/sign-in`, { ...form, redirect: 'manual' });
    const page = await fetch(`${base}/models`, {
      headers: { cookie: answer.headers.get('set-cookie')!.split(';')[0]! },
    });
    const [, facts] = /data-facts="([^"]*)"/.exec(await page.text())!;
    return JSON.parse(facts!.replaceAll('&#34;', '"')).sums.totals.requests;
  };
  assert.equal(await requestsOf(texts.get('acme')!), 1);
  assert.equal(await requestsOf(TOKEN), 2);
});

test('naming another tenant is refused, naming its own is not', async () => {
  for (const path of ['usage', 'usage/reconciliation', 'dispatches', 'events']) {
    const separator = path === 'events' ? '?after=0&' : '?';
    assert.equal((await told(texts.get('acme')!, `/api/v1/${path}${separator}tenant=beta`))[0], 403, path);
    assert.equal((await told(texts.get('acme')!, `/api/v1/${path}${separator}tenant=acme`))[0], 200, path);
  }
});

test('a key ends nothing of another tenant, and corrects nothing there', async () => {
  const post = (path: string, body?: string) =>
    told(texts.get('acme')!, path, {
      method: 'POST',
      headers: { authorization: `Bearer ${texts.get('acme')}` },
      ...(body === undefined ? {} : { body }),
    });
  const [foreignKey] = await keys.list('beta');
  assert.equal((await post(`/api/v1/keys/${foreignKey!.keyId}/revoke`))[0], 404);
  assert.equal((await post(`/api/v1/runs/${running[1]!.runId}/stop`))[0], 404);
  assert.equal((await post('/api/v1/prices/reprice?from=0'))[0], 403);
  assert.equal((await post('/api/v1/keys', JSON.stringify({ tenantId: 'beta', scopes: ['read'] })))[0], 403);
});

test('the operator is told of every tenant, or of the one that is named', async () => {
  for (const path of ['usage?from=0&groupBy=tenant', 'dispatches?limit=10', 'runs', 'keys']) {
    const [, text] = await told(TOKEN, `/api/v1/${path}`);
    for (const { tenantId } of running) assert.ok(text.includes(tenantId), `${path}: ${text}`);
  }
  const [, named] = await told(TOKEN, '/api/v1/usage?from=0&groupBy=tenant&tenant=beta');
  assert.ok(named.includes('beta') && !named.includes('acme'), named);
  const [, feed] = await told(TOKEN, '/api/v1/events?after=0&tenant=beta');
  assert.ok(feed.includes('beta') && !feed.includes('acme'), feed);
  for (const dispatchId of dispatches.values()) {
    assert.equal((await told(TOKEN, `/api/v1/dispatches/${dispatchId}`))[0], 200);
  }
});
