/** Pages of dispatches while calls come in: nothing that was there at the beginning is missing or shown twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { StoredLedger } from './ledger.ts';
import { type DispatchFilters, listDispatches } from './questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';

const ids = new IdSource();

for (const engine of ENGINES) {
  test(`on ${engine}, calls that come in between two reads move no page`, async (t) => {
    const store = await openStore({
      database: await freshDatabase(engine),
      durability: 'process',
      rooms: [EVENT_WRITES, LEDGER_WRITES],
      intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
    });
    const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
    const ledger = await StoredLedger.begin(deps, ids.next('led'));
    t.after(async () => {
      await ledger.close();
      await store.close();
    });
    const call = (model: string) => settledCall(ledger, ids, Date.now(), {}, { tenantId: 'default', model });
    const busy = busyStore(store, async () => {
      for (const model of ['a', 'b', 'a']) await call(model);
    });
    for (const [filters, scannedMax] of [
      [{}, 10],
      [{ model: 'a' }, 10],
      [{ model: 'a', source: 'gateway' }, 5],
      [{ agentId: 'main', model: 'b' }, 4],
    ] as [DispatchFilters, number][]) {
      const there: string[] = [];
      for (const model of ['a', 'a', 'b', 'a', 'b', 'a', 'a', 'a']) {
        const id = await call(model);
        if (filters.model === undefined || filters.model === model) there.unshift(id);
      }
      const shown = await pagedIds(busy, filters, scannedMax);
      assert.equal(new Set(shown).size, shown.length, 'shown twice');
      assert.deepEqual(
        there.filter((id) => shown.includes(id)),
        there,
        'left out',
      );
    }
  });
}

/** A store in which something happens after each read. */
function busyStore(store: Store, happen: () => Promise<void>): Store {
  return Object.assign(Object.create(store) as Store, {
    queries: store.queries,
    engine: store.engine,
    read: async (query: Parameters<Store['read']>[0]) => {
      const rows = await store.read(query);
      await happen();
      return rows;
    },
  });
}

async function pagedIds(store: Store, filters: DispatchFilters, scannedMax: number): Promise<string[]> {
  const shown: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await listDispatches(store, { tenantId: 'default', limit: 3, cursor, filters, scannedMax });
    shown.push(...page.data.map(({ dispatchId }) => dispatchId));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return shown;
}
