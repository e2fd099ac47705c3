/** Lanes across gateways on one database: one holder at a time, whoever waits gets it, whoever lost it appends nothing. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import type { Database } from '../domain/config.ts';
import { EVENT_WRITES } from '../events/room.ts';
import { LEDGER_WRITES } from '../ledger/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { SessionLeases } from './leases.ts';
import { SESSION_INTENTS, SESSION_WRITES } from './room.ts';
import type { Appended } from './scripts.ts';
import { newSession } from './session.ts';

const ids = new IdSource();
const NAME = { tenantId: 'acme', sessionKey: 'agent:main:s' };
const NEVER = new AbortController().signal;
const stores: Store[] = [];
after(() => Promise.all(stores.map((store) => store.close())));

async function opened(database: Database): Promise<Store> {
  const rooms = [EVENT_WRITES, LEDGER_WRITES, SESSION_WRITES];
  const store = await openStore({ database, durability: 'process', rooms, intents: SESSION_INTENTS });
  stores.push(store);
  return store;
}

test('two gateways take turns, one at a time, and nobody is forgotten', async () => {
  const database = await freshDatabase('postgres');
  const leases = (await Promise.all([opened(database), opened(database)])).map(
    (store) => new SessionLeases({ store, ids }),
  );
  let running = 0;
  const order: number[] = [];
  await Promise.all(
    [0, 1].map(async (gateway) => {
      for (let turn = 0; turn < 6; turn++) {
        const lease = await leases[gateway]!.hold(NAME, NEVER);
        assert.equal(++running, 1);
        await new Promise(setImmediate);
        order.push(gateway);
        running--;
        await lease.release();
      }
    }),
  );
  assert.equal(order.length, 12);
});

test('what a gateway that vanished held falls to another; when the first comes back it has lost it and appends nothing', async () => {
  const database = await freshDatabase('postgres');
  const [store, other] = await Promise.all([opened(database), opened(database)]);
  const session = newSession({ ...NAME, sessionId: 'ses_1', agentId: 'main' }, 1);
  await store.write('openSessions', { ...NAME, fresh: session });
  // Its own renewals never come: as if it stood still.
  const stalled = { tenantId: NAME.tenantId, sessionKey: NAME.sessionKey, holder: 'lan_stalled', leaseMs: 300 };
  assert.equal(await store.write('claimLanes', stalled), true);
  const next = await new SessionLeases({ store: other, ids, leaseMs: 5000 }).hold(NAME, NEVER);
  assert.equal(await store.write('claimLanes', stalled), false, 'a renewal tells');
  const append = (laneHolder: string | null, text: string): Promise<Appended> =>
    store.write('appendTurns', {
      ...NAME,
      ...{ sessionId: 'ses_1', laneHolder, runId: ids.next('run'), startedAt: 1, outcome: 'completed', now: 2 },
      messages: [{ role: 'user', text, messageId: ids.next('msg'), at: 1, runId: null }],
    });
  assert.deepEqual(await append('lan_stalled', 'late'), { kind: 'lane_lost' });
  assert.equal((await append(next.holder, 'next')).kind, 'appended');
  await next.release();
});

test('who no longer wants to wait does not', async () => {
  const database = await freshDatabase('postgres');
  const [one, two] = await Promise.all([opened(database), opened(database)]);
  const held = await new SessionLeases({ store: one, ids }).hold(NAME, NEVER);
  const end = new AbortController();
  const waiting = new SessionLeases({ store: two, ids }).hold(NAME, end.signal);
  end.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  await held.release();
});

test('where nobody else writes the database, nothing is held', async () => {
  const store = await opened(await freshDatabase('sqlite'));
  const leases = new SessionLeases({ store, ids });
  const both = await Promise.all([leases.hold(NAME, NEVER), leases.hold(NAME, NEVER)]);
  assert.deepEqual(
    both.map(({ holder }) => holder),
    [null, null],
  );
});

test('a lane that is given up while its lease is renewed is free', async () => {
  const store = await opened(await freshDatabase('postgres'));
  const gate = Promise.withResolvers<void>();
  const renewal = Promise.withResolvers<void>();
  let claims = 0;
  // The second claim, which renews, is kept on its way.
  const slow = new Proxy(store, {
    get(real, name) {
      const own: unknown = Reflect.get(real, name, real);
      if (name !== 'write') return typeof own === 'function' ? own.bind(real) : own;
      return async (script: string, input: unknown) => {
        if (script === 'claimLanes' && ++claims === 2) {
          renewal.resolve();
          await gate.promise;
        }
        return real.write(script, input);
      };
    },
  });
  const lease = await new SessionLeases({ store: slow, ids, leaseMs: 600 }).hold(NAME, NEVER);
  await renewal.promise;
  const released = lease.release();
  await new Promise((resolve) => setTimeout(resolve, 50));
  gate.resolve();
  await released;
  assert.equal(await store.write('claimLanes', { ...NAME, holder: 'lan_next', leaseMs: 1_000 }), true);
});
