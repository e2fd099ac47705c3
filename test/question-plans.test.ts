/**
 * No question that is asked while calls run may cost more the more the ledger holds. What a whole gateway asks SQLite while
 * it is used in every way is gathered, and the plan of each question is read. One that walks a table that grows without end,
 * or all that a tenant has in it, is a fault, or stands here with the reason why it may. SQLite plans without knowing
 * how many rows there are, so the plans of an empty ledger are those of a full one.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { CompiledQuery } from 'kysely';
import { SqliteStore } from '../packages/gateway/src/store/sqlite/sqlite-store.ts';
import { allMethods, type MethodsDeps } from '../packages/gateway/src/ws/methods/list.ts';
import { WireClient } from './wire/client.ts';
import { startWireRig, type WireRig } from './wire/gateway.ts';

/** `e`: the entries, as usage questions call them. */
const WALK = /^(SCAN|SEARCH) (entries|e|events|transcripts|deliveries)\b/;
/** A search that is narrowed by no more than the tenant. */
const WHOLE_TENANT = /\((tenantId=\?)?\)$/;

/** Where one of these is asked for, its index has to be used: a tenant or a period beside it narrows next to nothing. */
const NARROWS: readonly [column: RegExp, index: string][] = [
  [/"sessionKey" (=|in)/, 'entries_of_session'],
  [/"runId" (=|in)/, 'entries_of_run'],
  [/"endUserId" (=|in)/, 'entries_of_end_user'],
];
/** Questions without which nothing was shown. */
const MUST_BE_ASKED = [
  /from "entries".*"runId" in/s,
  /entries.*"sessionKey" = /s,
  /entries.*"endUserId" = /s,
  /from "events"/,
];

/** Texts of questions that may walk, and why. */
const MAY_WALK: readonly [question: RegExp, why: string][] = [
  [
    /^select "tenantId", "endpointId", count\(\*\) as "rows" from "deliveries" where "state" = \?/,
    'what waits, counted',
  ],
];
const GROUPS = ['model', 'provider', 'agent', 'session', 'tenant', 'endUser', 'source', 'outcome'];
const BUCKETS = ['', 'minute', '15m', 'hour', 'day', 'month'];
const DAYS = [0.01, 1, 30, 90];
const DAY_MS = 86_400_000;
const SESSIONS = ['agent:main:a', 'agent:main:b'];

test('no question of a gateway in use walks what grows with the calls', async (t) => {
  const asked = new Map<string, CompiledQuery>();
  const { read } = SqliteStore.prototype;
  t.mock.method(SqliteStore.prototype, 'read', function (this: SqliteStore, query: CompiledQuery, ...rest: []) {
    asked.set(query.sql, query);
    return read.call(this, query, ...rest);
  });
  const nobody = { url: 'http://127.0.0.1:9/', allowPrivate: true, retry: { firstMs: 1000 } };
  const rig = await startWireRig(t, { extra: { webhooks: [nobody] } });
  await takeTurns(rig);
  await askOverSockets(rig);
  await askOverHttp(rig);
  await rig.stop();
  for (const question of MUST_BE_ASKED)
    assert.ok(
      [...asked.keys()].some((sql) => question.test(sql)),
      `${question}`,
    );
  const db = new DatabaseSync(join(rig.stateDir, 'weighbridge.sqlite'), { readOnly: true });
  t.after(() => db.close());
  const walks = [...asked.values()].flatMap((query) => walksOf(db, query));
  assert.deepEqual(walks, []);
});

function walksOf(db: DatabaseSync, { sql, parameters }: CompiledQuery): string[] {
  if (MAY_WALK.some(([question]) => question.test(sql))) return [];
  const plan = db.prepare(`explain query plan ${sql}`).all(...(parameters as string[])) as { detail: string }[];
  const onGrowing = plan.map(({ detail }) => detail).filter((detail) => WALK.test(detail));
  const walks = onGrowing.filter((detail) => isAside(sql, detail) || (isWhole(detail) && !isNewestFirst(sql, detail)));
  return walks.map((detail) => `${detail}: ${sql}`);
}

function isAside(sql: string, detail: string): boolean {
  const isOfEntries = /^S\w+ (entries|e)\b/.test(detail);
  return isOfEntries && NARROWS.some(([column, index]) => column.test(sql) && !detail.includes(index));
}

function isWhole(detail: string): boolean {
  return detail.startsWith('SCAN') || WHOLE_TENANT.test(detail);
}

/** A page of a table in the order of its own index ends with its limit, where nothing else is asked of the rows. */
function isNewestFirst(sql: string, detail: string): boolean {
  return / limit \?$/.test(sql) && !/ and /.test(sql) && !detail.includes('TEMP B-TREE');
}

async function takeTurns(rig: WireRig): Promise<void> {
  const client = await WireClient.connect(rig.url, { token: rig.token });
  for (const sessionKey of SESSIONS) {
    await client.final('agent', { message: 'one', sessionKey, idempotencyKey: sessionKey });
  }
  await client.request('chat.send', { sessionKey: SESSIONS[0], message: 'two', idempotencyKey: 'two' });
  await client.close();
}

/** Each method in each of the ways in which a session can be named. */
async function askOverSockets(rig: WireRig): Promise<void> {
  const client = await WireClient.connect(rig.url, { token: rig.token });
  const [key] = SESSIONS;
  for (const name of allMethods({} as MethodsDeps).keys()) {
    for (const params of [{}, { sessionKey: key }, { key }, { keys: SESSIONS }]) {
      // What a method does not take it refuses; the plans are what counts.
      await client.request(name, params).catch(() => {});
    }
  }
  await client.close();
}

async function askOverHttp({ url, token }: WireRig): Promise<void> {
  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
    return answer.headers.get('content-type')?.startsWith('application/json') ? answer.json() : answer.text();
  };
  const { paths } = (await get('/openapi.json')) as { paths: Record<string, object> };
  const { data } = (await get('/api/v1/dispatches')) as { data: Record<string, string>[] };
  const { dispatchId, sessionKey } = data[0]!;
  for (const [path, methods] of Object.entries(paths)) {
    // The feed has no end.
    if (!('get' in methods) || path === '/api/v1/events') continue;
    await get(path.replace('{key}', encodeURIComponent(sessionKey!)).replace('{id}', dispatchId!));
  }
  for (const [name, value] of Object.entries(data[0]!)) {
    if (typeof value === 'string') await get(`/api/v1/dispatches?${name}=${encodeURIComponent(value)}`);
  }
  const now = Date.now();
  for (const period of DAYS) {
    const from = new Date(now - period * DAY_MS).toISOString();
    const to = new Date(now).toISOString();
    for (const filter of [`session=${encodeURIComponent(sessionKey!)}`, 'endUser=somebody', 'agent=main']) {
      for (const group of GROUPS) await get(`/api/v1/usage?from=${from}&to=${to}&groupBy=${group}&${filter}`);
      await get(`/api/v1/dispatches?from=${from}&to=${to}&${filter}`);
    }
    for (const group of GROUPS) {
      for (const bucket of BUCKETS) {
        await get(
          `/api/v1/usage?from=${from}&to=${to}&groupBy=${group}${bucket === '' ? '' : `&bucket=${bucket}&tz=Asia/Kathmandu`}`,
        );
      }
    }
  }
}
