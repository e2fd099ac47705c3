/** Keys on both engines: made once, known by hash, each its own identity, and gone everywhere when they are revoked. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { PostgresServer } from '../../../../test/rig/postgres-server.ts';
import { until } from '../../../../test/rig/until.ts';
import type { Database } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { type KeyOrder, Keys } from './keys.ts';
import { ACCESS_WRITES, KEY_SCRIPTS } from './room.ts';

/** What a machine that does much else may add to a second. */
const BUSY_MS = 2000;

const ids = new IdSource();
const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers) await close();
});

interface Over {
  clock?: { now(): number; monotonic(): number };
  keysMax?: number;
  holdMs?: number;
  /** Between the keys and the database. */
  wrap?: (store: Store) => Store;
}

async function opened(database: Database, { wrap = (store) => store, ...over }: Over = {}): Promise<Keys> {
  const options = { database, durability: 'process', rooms: [ACCESS_WRITES], intents: KEY_SCRIPTS } as const;
  const store = await openStore(options);
  const keys = await Keys.begin(
    {
      store: wrap(store),
      clock: over.clock ?? systemClock,
      ids,
      keysMax: () => over.keysMax ?? 100,
      holdMs: over.holdMs ?? 5000,
    },
    true,
  );
  closers.push(async () => {
    keys.close();
    await store.close();
  });
  return keys;
}

const order = (over: Partial<KeyOrder> = {}): KeyOrder => ({
  tenantId: 'acme',
  name: 'ci',
  scopes: ['dispatch'],
  agentId: null,
  forced: { attribution: { 'x-weighbridge-end-user-id': 'u-1' }, outbound: {} },
  createdBy: null,
  expiresAt: null,
  ...over,
});

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    test('a key is its tenant’s, with its scopes and terms, also after a restart', async () => {
      const database = await freshDatabase(engine);
      const first = await openStore({ database, durability: 'process', rooms: [ACCESS_WRITES], intents: KEY_SCRIPTS });
      const deps = { store: first, clock: systemClock, ids, keysMax: () => 100, holdMs: 1000 };
      const { text } = await (await Keys.begin(deps, false)).create(
        order({ agentId: 'main', expiresAt: 2 ** 43, noOutboundHeaders: true }),
      );
      await first.close();
      const caller = await (await opened(database)).callerOf(text);
      assert.equal(caller?.tenantId, 'acme');
      assert.deepEqual([...caller.scopes], ['dispatch']);
      assert.equal(caller.terms?.agentId, 'main');
      assert.equal(caller.terms.expiresAt, 2 ** 43);
      assert.deepEqual(caller.terms.forced, order().forced);
      assert.equal(caller.terms.noOutboundHeaders, true);
    });

    test('neither the key nor its secret part is in the database', async () => {
      let store: Store | undefined;
      const keys = await opened(await freshDatabase(engine), { wrap: (real) => (store = real) });
      const { text, record } = await keys.create(order());
      const rows = JSON.stringify(await store!.read(store!.queries.selectFrom('keys').selectAll().compile()));
      assert.ok(rows.includes(record.keyId));
      assert.ok(!rows.includes(text.slice(-43)));
    });

    test('a revoked key is nobody at once, stays listed, and what hangs on it is told', async () => {
      const keys = await opened(await freshDatabase(engine));
      const { text, record } = await keys.create(order());
      const caller = await keys.callerOf(text);
      assert.equal(await keys.revoke('other', record.keyId), null, 'a key of another tenant is not found');
      assert.equal(caller?.terms?.ended.aborted, false);
      const revoked = await keys.revoke('acme', record.keyId);
      assert.equal(await keys.callerOf(text), null);
      assert.equal(caller.terms.ended.aborted, true);
      assert.deepEqual(await keys.list(null), [revoked]);
      assert.deepEqual(await keys.list('other'), []);
      assert.deepEqual(await keys.revoke(null, record.keyId), revoked, 'the first revocation stands');
      assert.equal(await keys.revoke(null, 'key_00000000000000000000000000'), null);
    });

    test('a key that ran out is nobody, and what hangs on it is told', async () => {
      const start = Date.now();
      let nowMs = start;
      const clock = { now: () => nowMs, monotonic: () => performance.now() };
      const keys = await opened(await freshDatabase(engine), { clock });
      const { text } = await keys.create(order({ expiresAt: start + 1000 }));
      const caller = await keys.callerOf(text);
      nowMs = start + 999;
      assert.ok(await keys.callerOf(text));
      nowMs = start + 1000;
      assert.equal(await keys.callerOf(text), null);
      await until('the key has ended', () => caller!.terms!.ended.aborted);
    });

    test('only so many keys may be in force; revoked ones do not count', async () => {
      const keys = await opened(await freshDatabase(engine), { keysMax: 2 });
      const { record } = await keys.create(order());
      await keys.create(order());
      await assert.rejects(keys.create(order()), GatewayError);
      await keys.revoke(null, record.keyId);
      await keys.create(order());
    });
  });
}

/** A store that passes on what is written and asked, until it is told not to, and never hears a notice. */
function deaf(store: Store): { store: Store; cutOff: () => void } {
  let isCutOff = false;
  return {
    cutOff: () => {
      isCutOff = true;
    },
    store: {
      engine: store.engine,
      queries: store.queries,
      available: true,
      exclusive: store.exclusive,
      oldestWaitMs: 0,
      unanswered: 0,
      write: (script, input) => (isCutOff ? new Promise(() => {}) : store.write(script, input)),
      read: (query) => store.read(query),
      onAvailability: () => {},
      onTold: () => {},
      close: () => store.close(),
    },
  };
}

test('a revocation holds within a second in every gateway on the database, also where the notice of it is lost', async () => {
  const database = await freshDatabase('postgres');
  const [here, there, hearsNothing] = [
    await opened(database),
    await opened(database),
    await opened(database, { wrap: (store) => deaf(store).store }),
  ];
  for (let round = 0; round < 3; round++) {
    const { text, record } = await here.create(order());
    for (const keys of [there, hearsNothing]) {
      await until('the key is known', async () => (await keys.callerOf(text)) !== null);
    }
    await here.revoke(null, record.keyId);
    const revokedAt = performance.now();
    for (const keys of [there, hearsNothing]) {
      await until('the key is gone', async () => (await keys.callerOf(text)) === null);
    }
    assert.ok(performance.now() - revokedAt < 1000 + BUSY_MS);
  }
});

test('a gateway that cannot read revocations lets nobody in on an old list: callers wait, then are refused', async () => {
  const database = await freshDatabase('postgres');
  let lapse = () => {};
  const keys = await opened(database, {
    holdMs: 300,
    wrap: (real) => {
      const { store, cutOff } = deaf(real);
      lapse = cutOff;
      return store;
    },
  });
  const { text } = await keys.create(order());
  assert.ok(keys.callerOf(text));
  lapse();
  let waiting: ReturnType<Keys['callerOf']> = null;
  const waits = (): boolean => {
    waiting = keys.callerOf(text);
    return waiting instanceof Promise;
  };
  await until('the list is old', waits, 2000);
  await assert.rejects(async () => await waiting, StoreUnavailable);
  assert.equal(keys.callerOf('not a key'), null, 'what is no key waits for nothing');
});

test('a server that restarts makes callers wait; none of them is taken for nobody', async (t) => {
  const server = await PostgresServer.start();
  t.after(async () => {
    await closers.pop()?.();
    await server.end();
  });
  const database = { kind: 'postgres', url: new Secret(await server.createDatabase()) } as const;
  const keys = await opened(database, { holdMs: 20_000 });
  const { text, record } = await keys.create(order());
  let isOver = false;
  let waited = 0;
  const asking = (async () => {
    while (!isOver) {
      const found = keys.callerOf(text);
      if (found instanceof Promise) waited++;
      assert.equal((await found)?.keyId, record.keyId);
      await sleep(20);
    }
  })();
  // Not a crash: these commits do not wait for the disk.
  await server.stop('fast');
  await until('callers wait', () => waited > 0);
  await server.startAgain();
  await until('they are let in again', () => !(keys.callerOf(text) instanceof Promise));
  isOver = true;
  await asking;
});

test('keys that somebody deletes from the table are nobody too', async () => {
  const database = await freshDatabase('postgres');
  let store: Store | undefined;
  const rooms = [
    ACCESS_WRITES,
    {
      statements: { 'test.deleteKeys': { kind: 'ask', build: () => sql`delete from keys` } as const },
      scripts: new URL('./delete-keys.fixture.ts', import.meta.url),
    },
  ];
  store = await openStore({ database, durability: 'process', rooms, intents: KEY_SCRIPTS });
  closers.push(() => store!.close());
  const keys = await opened(database);
  const { text } = await keys.create(order());
  await store.write('deleteKeys', null);
  await until('the key is gone', async () => (await keys.callerOf(text)) === null);
});
