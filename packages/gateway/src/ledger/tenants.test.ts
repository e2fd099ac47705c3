/** One tenant’s entries or everybody’s: every answer about all is the sum of the answers about each, on both engines. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { DispatchRecord } from '@weighbridge/protocol';
import { seed } from '../../../../test/quotas.ts';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { pick, seeded } from '../../../../test/rig/random.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { StoredLedger } from './ledger.ts';
import type { TenantsAtOnce } from './merged-pages.ts';
import { type DispatchFilters, findDispatch, listDispatches } from './questions.ts';
import { reconcile } from './reconcile.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';
import { tenantsOf } from './tenants.ts';
import { usageAnswer } from './usage-answer.ts';

const ids = new IdSource();
const TENANTS = ['acme', 'beta', 'default', 'zeta'];
const CALLS = 60;

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    let store: Store;
    let ledger: StoredLedger;
    const calls: { tenantId: string; dispatchId: string; model: string }[] = [];

    before(async () => {
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      assert.deepEqual(await tenantsOf(store, null), ['default'], 'an empty ledger is somebody’s too');
      const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
      ledger = await StoredLedger.begin(deps, ids.next('led'));
      const random = seeded(seed);
      for (let n = 0; n < CALLS; n++) {
        const [tenantId, model] = [n < TENANTS.length ? TENANTS[n]! : pick(random, TENANTS), pick(random, ['a', 'b'])];
        const providerCost = { nanoUsd: 5n, source: 'usage.cost' };
        const over = { latencyMs: n, ...(n % 3 === 0 ? { providerCost } : {}) } as Parameters<typeof settledCall>[3];
        const dispatchId = await settledCall(ledger, ids, Date.now(), over, { tenantId, model });
        calls.unshift({ tenantId, dispatchId, model });
      }
    });
    after(async () => {
      await ledger.close();
      await store.close();
    });

    const usage = (tenantId: string | null, over: object = {}) =>
      usageAnswer(store, { tenantId, fromMs: 0, toMs: Date.now() + 1, groupBy: [], filters: {}, ...over });

    test('the tenants are those who have entries', async () => {
      assert.deepEqual(await tenantsOf(store, null), TENANTS);
      assert.deepEqual(await tenantsOf(store, 'nobody'), ['nobody']);
    });

    test('sums over all are the sums of each, from rollups and from entries, cut by time and not', async () => {
      for (const over of [{}, { bucket: 'day' }, { filters: { sessionKey: 's' } }, { filters: { model: 'a' } }]) {
        const all = await usage(null, over);
        const each = await Promise.all(TENANTS.map((tenantId) => usage(tenantId, over)));
        const requests = each.reduce((sum, { totals }) => sum + totals.requests, 0);
        assert.equal(all.totals.requests, requests, JSON.stringify(over));
        assert.ok(requests > 0);
        const grouped = await usage(null, { ...over, groupBy: ['tenant'] });
        assert.deepEqual(grouped.totals, all.totals);
        for (const [index, tenantId] of TENANTS.entries()) {
          const own = grouped.rows.filter(({ group }) => group.tenant === tenantId);
          assert.equal(
            own.reduce((sum, row) => sum + row.requests, 0),
            each[index]!.totals.requests,
            tenantId,
          );
        }
      }
    });

    test('pages over all hold every dispatch once, newest first, under any filters and however few are looked at', async () => {
      for (const [filters, scannedMax] of [
        [{}, 5000],
        [{ model: 'a' }, 5000],
        [{ model: 'a', agentId: 'main' }, 3],
        [{ model: 'b', source: 'gateway' }, 5],
      ] as [DispatchFilters, number][]) {
        for (const [tenantId, atOnce] of [
          [null, undefined],
          [null, { step: 1, max: 1 }],
          [null, { step: 2, max: 3 }],
          ['acme', undefined],
        ] as const) {
          const paged = await pagesOf(store, tenantId, filters, scannedMax, atOnce);
          const expected = calls.filter(
            (call) =>
              (tenantId === null || call.tenantId === tenantId) &&
              (filters.model === undefined || call.model === filters.model),
          );
          assert.deepEqual(
            paged.map(({ dispatchId }) => dispatchId),
            expected.map(({ dispatchId }) => dispatchId),
            JSON.stringify([filters, tenantId, atOnce]),
          );
        }
      }
    });

    test('a dispatch is found by its owner and by who asks about all, and by nobody else', async () => {
      for (const { tenantId, dispatchId } of calls.slice(0, 8)) {
        assert.equal((await findDispatch(store, null, dispatchId))?.tenantId, tenantId);
        for (const other of TENANTS) {
          assert.equal(
            (await findDispatch(store, other, dispatchId))?.tenantId,
            other === tenantId ? other : undefined,
          );
        }
      }
    });

    test('what providers said is held against all entries or one tenant’s', async () => {
      const question = { fromMs: 0, toMs: Date.now() + 1, groupBy: [], filters: {} };
      const of = async (tenantId: string | null) =>
        (await reconcile(store, { ...question, tenantId })).totals.dispatches;
      const each = await Promise.all(TENANTS.map(of));
      assert.equal(await of(null), CALLS / 3);
      assert.equal(
        each.reduce((sum, count) => sum + count, 0),
        CALLS / 3,
      );
    });
  });
}

async function pagesOf(
  store: Store,
  tenantId: string | null,
  filters: DispatchFilters,
  scannedMax: number,
  tenantsAtOnce?: TenantsAtOnce,
): Promise<DispatchRecord[]> {
  const records: DispatchRecord[] = [];
  let cursor: string | null = null;
  do {
    const some = tenantsAtOnce === undefined ? {} : { tenantsAtOnce };
    const page = await listDispatches(store, { tenantId, limit: 7, cursor, filters, scannedMax, ...some });
    assert.ok(page.data.length <= 7);
    assert.equal(page.hasMore, page.nextCursor !== null);
    records.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return records;
}
