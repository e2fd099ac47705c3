/** The asking API over a real store: what it refuses, what it passes on, and who may stop whose run. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import type { Scope } from '../domain/caller.ts';
import { EVENT_WRITES } from '../events/room.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { asking } from './asking.ts';
import { refusalOf } from './errors.ts';
import { guard } from './policy.ts';

const OWN = 'run_00000000000000000000000001';
const FOREIGN = 'run_00000000000000000000000002';
const GONE = 'run_00000000000000000000000003';

let app: FastifyInstance;
let store: Store;
let base: string;
const stopped: string[] = [];

before(async () => {
  store = await openStore({
    database: await freshDatabase('sqlite'),
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS],
  });
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => reply.code(refusalOf(error).refusal.status).send());
  guard(app, {
    access: {
      authenticate: ({ authorization }) => ({
        tenantId: 'default',
        // `operator` beside the scopes: the operator's own credential; else a key.
        keyId: String(authorization).includes('operator') ? null : 'key_1',
        scopes: new Set(String(authorization).split(' ') as Scope[]),
      }),
    },
    ownNames: () => ({ host: '127.0.0.1', isOpenToAll: false, allowedOrigins: [] }),
  });
  asking(app, {
    store,
    clock: systemClock,
    runs: {
      inFlight: () => [
        { runId: OWN, tenantId: 'default' },
        { runId: GONE, tenantId: 'default' },
        { runId: FOREIGN, tenantId: 'other' },
      ],
      // It ended between the list and the stop.
      stop: (runId) => runId !== GONE && stopped.push(runId) > 0,
    },
  });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
});

after(async () => {
  await app.close();
  await store.close();
});

const get = (path: string) => fetch(base + path, { headers: { authorization: 'read' } });

test('a question that means nothing is refused', async () => {
  const wrong = [
    'usage?groupBy=colour',
    'usage?bucket=week',
    'usage?bucket=day&tz=Mars/Olympus',
    'usage?from=yesterday',
    'usage?from=tomorrow%205',
    'usage?from=2026-02-31',
    'usage?from=2026-01-01T00:00:00+01:00',
    'usage?tz=%2B05:37',
    'usage?from=2026-02-01&to=2026-01-01',
    'usage?limit=0',
    'usage?limit=10001',
    'usage?latency=perhaps',
    'usage?outcome=open',
    'usage?source=thin-air',
    'usage?agent=',
    'dispatches?limit=1001',
    'dispatches?cursor=ent_1',
    'dispatches/dsp_1',
  ];
  for (const path of wrong) assert.equal((await get(`/api/v1/${path}`)).status, 400, path);
});

test('an answer says what was asked: the groups, the bucket, the zone, the rounded period', async () => {
  const answer = await get(
    '/api/v1/usage?groupBy=model,outcome,model&bucket=day&tz=Asia/Kathmandu&from=2026-01-01T00:07:00Z&to=2026-01-01T00:08:00Z&limit=5&latency=true&run=run_1&source=proxy&outcome=failed',
  );
  assert.equal(answer.status, 200);
  const { groupBy, bucket, tz, from, to, rows, rowsOmitted } = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual(
    { groupBy, bucket, tz, from, to, rows, rowsOmitted },
    {
      groupBy: ['model', 'outcome'],
      bucket: 'day',
      tz: 'Asia/Kathmandu',
      from: '2026-01-01T00:00:00.000Z',
      to: '2026-01-01T00:15:00.000Z',
      rows: [],
      rowsOmitted: 0,
    },
  );
});

test('a run is stopped by an admin of its own tenant, once, and by nobody else', async () => {
  const stop = async (runId: string, scope: string) =>
    (await fetch(`${base}/api/v1/runs/${runId}/stop`, { method: 'POST', headers: { authorization: scope } })).status;
  assert.equal(await stop(OWN, 'read'), 403);
  assert.equal(await stop(OWN, 'dispatch'), 403);
  assert.equal(await stop(FOREIGN, 'admin'), 404);
  assert.equal(await stop(GONE, 'admin'), 404);
  assert.equal(await stop('run_x', 'admin'), 400);
  assert.deepEqual(stopped, []);
  assert.equal(await stop(OWN, 'admin'), 200);
  assert.deepEqual(stopped, [OWN]);
});

test('the list of runs is the tenant’s own', async () => {
  const { data } = (await (await get('/api/v1/runs')).json()) as { data: { runId: string }[] };
  assert.deepEqual(
    data.map(({ runId }) => runId),
    [OWN, GONE],
  );
});

test('the operator sees every tenant’s runs and may stop them', async () => {
  const headers = { authorization: 'operator read admin' };
  const { data } = (await (await fetch(`${base}/api/v1/runs`, { headers })).json()) as { data: object[] };
  assert.equal(data.length, 3);
  assert.equal((await fetch(`${base}/api/v1/runs/${FOREIGN}/stop`, { method: 'POST', headers })).status, 200);
});
