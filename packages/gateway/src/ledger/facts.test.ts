/** Facts that other rooms append stand in one row of numbers with the entries, on both engines. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import { StoredLedger } from './ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';

const T0 = Date.parse('2026-11-20T12:00:00.000Z');

for (const engine of ENGINES) {
  describe(`facts beside entries on ${engine}`, () => {
    test('semantics 2: they are numbered in commit order, their time never goes back, and they are read back whole', async () => {
      const ids = new IdSource();
      let nowMs = T0;
      const store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const log = new EventLog({ store, ledgerId: () => 'led', renderers: {} });
      const clock = { now: () => nowMs, monotonic: () => performance.now() };
      const announce = (seq: number): void => log.announce(seq);
      const report = (error: Error): never => assert.fail(error);
      const instanceId = ids.next('ins');
      const ledger = await StoredLedger.begin({ store, clock, instanceId, announce, report }, ids.next('led'));
      const fact = (n: number) => ({
        tenantId: 'default',
        id: ids.next('evt'),
        type: 'session.patched',
        subject: `s${n}`,
        payload: JSON.stringify({ n }),
        now: nowMs,
      });
      try {
        const places = await Promise.all([log.append(fact(1)), log.append(fact(2))]);
        nowMs = T0 - 60_000;
        const late = await log.append(fact(3));
        assert.deepEqual(
          [...places, late].map(({ seq }) => seq),
          [1, 2, 3],
        );
        assert.equal(late.settledAt, T0, 'the commit’s time went back with the clock');
        const { events } = await log.page({ tenantId: 'default', types: null }, 0);
        assert.deepEqual(
          events.map(({ type, data }) => [type, data]),
          [1, 2, 3].map((n) => ['session.patched', { n }]),
        );
        assert.equal(await log.lastSeq(), 3);
      } finally {
        await ledger.close();
        await store.close();
      }
    });
  });
}

test('a ledger that is closed under a dispatch in flight refuses its settlement once, and does not try again for ever', async () => {
  const ids = new IdSource();
  const database = await freshDatabase('sqlite');
  const rooms = [EVENT_WRITES, LEDGER_WRITES];
  const store = await openStore({
    database,
    durability: 'process',
    rooms,
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const clock = { now: () => T0, monotonic: () => performance.now() };
  const deps = { store, clock, instanceId: ids.next('ins'), announce: () => {}, report: () => {} };
  const ledger = await StoredLedger.begin(deps, ids.next('led'));
  let writes = 0;
  const write = store.write.bind(store);
  const settlementSent = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  store.write = async (script, input) => {
    writes++;
    if (script === 'settleEntries') {
      settlementSent.resolve();
      await closed.promise;
    }
    return write(script, input);
  };
  const settling = settledCall(ledger, ids, T0, {}, { tenantId: 'default', model: 'm' });
  await settlementSent.promise;
  await ledger.close();
  await store.close();
  closed.resolve();
  await assert.rejects(settling);
  const after = writes;
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  assert.ok(writes - after <= 1, `${writes - after} writes to a store that is closed`);
});
