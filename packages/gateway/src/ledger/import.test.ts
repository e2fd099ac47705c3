/** Moving a ledger from a file to a server: everything is there, a broken import goes on, a changed copy is found. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import { ACCESS_WRITES } from '../access/room.ts';
import type { Database } from '../domain/config.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { PLUGIN_WRITES } from '../plugins/room.ts';
import { SESSION_WRITES } from '../sessions/room.ts';
import { newSession } from '../sessions/session.ts';
import { openReadOnlyStore, openStore } from '../store/open.ts';
import type { Store, Value } from '../store/store.ts';
import { WEBHOOK_WRITES } from '../webhooks/room.ts';
import { IMPORT_WRITES, importLedger, MOVED } from './import.ts';
import { StoredLedger } from './ledger.ts';
import { listDispatches } from './questions.ts';
import { type ReportsRequest, takeIn } from './reports/reports.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { usageAnswer } from './usage-answer.ts';
import { verifyLedger } from './verify.ts';

const ids = new IdSource();

function open(database: Database): Promise<Store> {
  return openStore({
    database,
    durability: 'process',
    rooms: [ACCESS_WRITES, EVENT_WRITES, LEDGER_WRITES, SESSION_WRITES, IMPORT_WRITES, WEBHOOK_WRITES, PLUGIN_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
}

function begin(store: Store): Promise<StoredLedger> {
  const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
  return StoredLedger.begin(deps, ids.next('led'));
}

async function call(ledger: StoredLedger, n: number): Promise<void> {
  const dispatchId = ids.next('dsp');
  await ledger.open({
    dispatchId,
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: n % 2 === 0 ? 'main' : null,
      sessionKey: `agent:main:${n}`,
      sessionId: null,
      endUserId: 'zoë \u{1F600}',
      endUserSource: 'header',
      tags: ['a'],
      metadata: { n },
      traceparent: null,
    },
    provider: 'openai',
    model: `m${n % 3}`,
    requestedModel: 'm',
    api: 'openai-completions',
    stream: true,
    source: 'gateway',
    startedAt: Date.now(),
  });
  if (n % 10 === 9) return;
  await ledger.settle({
    dispatchId,
    tenantId: 'default',
    outcome: 'completed',
    httpStatus: 200,
    errorKind: null,
    stopReason: 'stop',
    serviceTier: null,
    usage: makeUsage({ input: n, output: 1 }),
    usageSource: 'reported',
    rawUsage: '{"prompt_tokens":1}',
    price: null,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs: n,
    timeToFirstTokenMs: 1,
    endedAt: Date.now(),
    providerRequestId: null,
  });
}

const keyRow = (keyId: string, revokedAt: number | null): Value[] => [
  'acme',
  keyId,
  'ci',
  'ab12',
  'dispatch,read',
  null,
  '{}',
  1,
  null,
  2 ** 43,
  revokedAt,
];

const REPORTED: ReportsRequest = {
  records: [{ id: 'call-1', model: 'm1', prompt_tokens: 3, completion_tokens: 4 }],
  idempotencyKey: null,
  by: {
    tenantId: 'default',
    keyId: null,
    isOperator: true,
    now: Date.now(),
    limits: { tagsMax: 1, metadataBytesMax: 1 },
    nextDispatchId: () => ids.next('dsp'),
    priceOf: () => null,
  },
};

const SESSION = { tenantId: 'default', sessionKey: 'agent:main:1', sessionId: 'ses_1', agentId: 'main' };

/** A file with 2,500 calls, a report and two keys, a tenth of the calls cut off by a crash. */
async function filledFile(): Promise<Database> {
  const database = await freshDatabase('sqlite');
  const store = await open(database);
  const ledger = await begin(store);
  await Promise.all(Array.from({ length: 2500 }, (_, n) => call(ledger, n)));
  await store.write('claimFollowers', { tenantId: 'default', name: 'hook', holder: 'x', leaseMs: 1 });
  await store.write('moveCursors', { tenantId: 'default', name: 'hook', fence: 1, seq: 77, now: 1 });
  await store.write('addKeys', keyRow('key_1', null));
  await store.write('addKeys', keyRow('key_2', 2));
  const endpoint = { tenantId: 'default', endpointId: 'whk_1' };
  await store.write('addEndpoints', { ...endpoint, definition: '{}', secrets: '{}', createdBy: null, now: 1, max: 9 });
  await store.write('claimFollowers', { tenantId: 'default', name: 'webhook:whk_1', holder: 'x', leaseMs: 1 });
  await store.write('recordDeliveries', {
    ...endpoint,
    ...{
      fence: 1,
      seq: 5,
      now: 1,
      done: [],
      lastDeliveredAt: null,
      lastFailedAt: 1,
      lastFailure: 'x',
      disabledReason: null,
    },
    failed: [['default', 'whk_1', 'evt_5', '[5]', 5, 'dead', 11, 1, 1, 500, 'status 500']],
    sums: { delivered: 0, failed: 1, dead: 1 },
  });
  const aside = { tenantId: 'default', pluginId: 'recorder', seq: 5, eventId: 'evt_5', type: 'model.usage' };
  await store.write('setPluginEventsAside', { ...aside, failures: 5, reason: 'threw', now: 1 });
  await takeIn({ store, instanceId: 'ins', announce: () => {} }, REPORTED);
  await store.write('openSessions', { ...SESSION, fresh: newSession(SESSION, 1) });
  const said = { role: 'user', text: 'zoë \u{1F600}', messageId: 'msg_1', at: 1, runId: null };
  const turn = { ...SESSION, laneHolder: null, runId: 'run_1', outcome: 'completed', now: 2 };
  await store.write('appendTurns', { ...turn, messages: [said] });
  await store.close();
  return database;
}

test('a ledger moves from a file to a server with every row, number and cursor, and goes on there', async () => {
  const from = await openReadOnlyStore(await filledFile());
  const to = await open(await freshDatabase('postgres'));
  const steps = new Set<string>();
  const imported = await importLedger(from, to, ({ step, done, total }) => {
    steps.add(step);
    assert.ok(done <= total);
  });
  assert.deepEqual([...steps], ['copying', 'summing', 'comparing']);
  assert.deepEqual(imported.rows, {
    ...{ entries: 2501, events: 2251, followers: 2, instances: 1, keys: 2, reports: 1 },
    ...{ webhooks: 1, deliveries: 1, pluginEventsAside: 1 },
    ...{ sessions: 1, transcripts: 1 },
  });
  assert.deepEqual((await verifyLedger(to)).problems, []);
  const question = { tenantId: 'default', fromMs: 0, toMs: Date.now() + 1, groupBy: ['model' as const], filters: {} };
  assert.deepEqual(await usageAnswer(to, question), await usageAnswer(from, question));
  const page = { tenantId: 'default', limit: 100, cursor: null, filters: {} };
  assert.deepEqual(await listDispatches(to, page), await listDispatches(from, page));

  const ledger = await begin(to);
  assert.equal(ledger.ledgerId, imported.ledgerId);
  assert.equal(await ledger.recoverDead(), 250);
  await call(ledger, 1);
  const claim = await to.write('claimFollowers', { tenantId: 'default', name: 'hook', holder: 'y', leaseMs: 1 });
  assert.deepEqual(claim, { seq: 77, fence: 1 });
  assert.deepEqual((await verifyLedger(to)).problems, []);
  await Promise.all([from.close(), to.close()]);
});

/** Whole tables, and columns of others, that stay behind: made anew, or of a process that is no more. */
const STAYING: Readonly<Record<string, readonly string[] | 'all'>> = {
  rollups: 'all',
  foldedRollups: 'all',
  lanes: 'all',
  probe: 'all',
  // Its numbers and its name are moved by hand.
  ledger: 'all',
  kysely_migration: 'all',
  kysely_migration_lock: 'all',
  followers: ['holder', 'leaseUntil', 'fence'],
  instances: ['leaseUntil'],
};

test('every table and column of the database is moved, or known to stay', async () => {
  const database = await freshDatabase('sqlite');
  await (await open(database)).close();
  const file = new DatabaseSync((database as { file: string }).file, { readOnly: true });
  const tables = file.prepare(`select name from sqlite_master where type = 'table'`).all() as { name: string }[];
  for (const { name } of tables) {
    if (STAYING[name] === 'all') continue;
    const there = file
      .prepare(`select name from pragma_table_info('${name}')`)
      .all()
      .map((column) => column.name);
    const moved: readonly string[] = MOVED[name as keyof typeof MOVED]?.columns ?? [];
    assert.deepEqual(new Set([...moved, ...(STAYING[name] ?? [])]), new Set(there), name);
  }
  file.close();
});

test('an import that breaks off goes on where it was, and no gateway starts on half a ledger', async () => {
  const from = await openReadOnlyStore(await filledFile());
  const to = await open(await freshDatabase('postgres'));
  const broken = importLedger(from, to, ({ done }) => {
    if (done >= 2000) throw new Error('broken off');
  });
  await assert.rejects(broken, /broken off/);
  await assert.rejects(begin(to), /an import into this database is not finished/);
  const imported = await importLedger(from, to, () => {});
  assert.equal(imported.found, 2000);
  assert.equal(imported.rows.entries, 2501);
  assert.deepEqual((await verifyLedger(to)).problems, []);
  await Promise.all([from.close(), to.close()]);
});

test('a key that was revoked between a broken import and its end is revoked in the copy', async () => {
  const database = await freshDatabase('sqlite');
  const source = await open(database);
  await begin(source);
  await source.write('addKeys', keyRow('key_1', null));
  await source.write('addKeys', keyRow('key_2', null));
  const to = await open(await freshDatabase('postgres'));
  const broken = importLedger(source, to, ({ step }) => {
    if (step === 'summing') throw new Error('broken off');
  });
  await assert.rejects(broken, /broken off/);
  await source.write('revokeKeys', { tenantId: 'acme', keyId: 'key_1', revokedAt: 5 });
  await importLedger(source, to, () => {});
  const keys = to.queries.selectFrom('keys').select(['keyId', 'revokedAt']).orderBy('keyId');
  assert.deepEqual(await to.read(keys.compile()), [
    { keyId: 'key_1', revokedAt: 5 },
    { keyId: 'key_2', revokedAt: null },
  ]);
  await Promise.all([source.close(), to.close()]);
});

test('a copy that differs is never taken for the ledger', async () => {
  const from = await openReadOnlyStore(await filledFile());
  const to = await open(await freshDatabase('postgres'));
  let isComparing = false;
  // One token more in the second reading, as if somebody had written to the source meanwhile.
  const changed: Store = {
    ...from,
    read: async (query) => {
      const rows = await from.read<Record<string, unknown>>(query);
      if (isComparing && typeof rows[0]?.input === 'number') rows[0].input += 1;
      return rows as never;
    },
  };
  const differing = importLedger(changed, to, ({ step }) => {
    isComparing = step !== 'copying';
  });
  await assert.rejects(differing, /the copy differs from its source/);
  await assert.rejects(begin(to), /an import into this database is not finished/);
  await Promise.all([from.close(), to.close()]);
});

test('a database that holds a ledger is not written over', async () => {
  const from = await openReadOnlyStore(await filledFile());
  const to = await open(await freshDatabase('postgres'));
  await begin(to);
  await assert.rejects(
    importLedger(from, to, () => {}),
    /holds the ledger led_.* already/,
  );
  await Promise.all([from.close(), to.close()]);
});
