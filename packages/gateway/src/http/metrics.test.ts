/** Metrics: they equal the ledger on both engines, survive restarts, keep their labels bounded, and a key sees its own. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { pin } from '../domain/price.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { LedgerTotals } from '../ledger/metric-totals.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { settledCall } from '../ledger/settled.fixture.ts';
import { usageAnswer } from '../ledger/usage-answer.ts';
import { exposition } from '../lib/exposition.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { Door } from './door.fixture.ts';
import { ledgerFamilies } from './metric-families.ts';

const T0 = Date.parse('2026-11-20T12:00:00.000Z');
const price = pin('config', { input: 1_000_000n, output: 2_000_000n });

/** The value of each sample, by its line's beginning. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function sumOf(samples: ReadonlyMap<string, number>, name: string, label = ''): number {
  return [...samples].reduce(
    (sum, [key, value]) => (key.startsWith(`${name}{`) && key.includes(label) ? sum + value : sum),
    0,
  );
}

for (const engine of ENGINES) {
  describe(`metrics on ${engine}`, () => {
    const ids = new IdSource();
    let nowMs = T0;
    let store: Store;
    let ledger: StoredLedger;

    before(async () => {
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const clock = { now: () => nowMs, monotonic: () => performance.now() };
      const report = (error: Error): never => assert.fail(error);
      const deps = { store, clock, instanceId: ids.next('ins'), announce: () => {}, report };
      ledger = await StoredLedger.begin(deps, ids.next('led'));
    });
    after(async () => {
      await ledger.close();
      await store.close();
    });

    test('over quarters of an hour, kept ones and the present one, they are the ledger’s own sums', async () => {
      const totals = new LedgerTotals(store, null, () => 3);
      const scrape = async () => samplesOf(exposition(ledgerFamilies(await totals.read())));
      assert.equal(sumOf(await scrape(), 'weighbridge_dispatches_total'), 0);
      for (let quarter = 0; quarter < 4; quarter++) {
        for (let n = 0; n < 6; n++) {
          const usage = makeUsage({ input: 100 + n, output: 10, cacheRead: n });
          const outcome = n === 5 ? ('failed' as const) : ('completed' as const);
          const of = { tenantId: n % 2 === 0 ? 'default' : 'acme', model: `m${n}` };
          await settledCall(
            ledger,
            ids,
            nowMs,
            { usage, price, latencyMs: 40 + n * 100, outcome, tenantId: of.tenantId },
            of,
          );
        }
        const samples = await scrape();
        const question = { tenantId: null, fromMs: 0, toMs: T0 * 2, groupBy: [], filters: {} };
        const { totals: asked } = await usageAnswer(store, question);
        assert.equal(sumOf(samples, 'weighbridge_dispatches_total'), asked.requests);
        assert.equal(sumOf(samples, 'weighbridge_tokens_total'), Number(asked.total));
        assert.equal(sumOf(samples, 'weighbridge_tokens_total', 'bucket="cacheRead"'), Number(asked.cacheRead));
        assert.equal(Math.round(sumOf(samples, 'weighbridge_cost_usd') * 1e9), Number(asked.costNanoUsd));
        assert.equal(sumOf(samples, 'weighbridge_dispatch_duration_seconds_count'), (quarter + 1) * 5);
        // 40, 140 and 240 ms are at or below a quarter of a second.
        assert.equal(sumOf(samples, 'weighbridge_dispatch_duration_seconds_bucket', 'le="0.25"'), (quarter + 1) * 3);
        assert.equal(sumOf(samples, 'weighbridge_dispatches_total', '_other'), (quarter + 1) * 3, 'labels are bounded');
        assert.ok((await totals.read()).length <= 5, 'what has no label of its own takes no memory of its own');
        nowMs += 15 * 60 * 1000;
      }
      const anew = exposition(ledgerFamilies(await new LedgerTotals(store, null, () => 3).read()));
      assert.equal(sumOf(samplesOf(anew), 'weighbridge_dispatches_total'), 24, 'after a restart they are the same');
    });

    test('the busiest are told apart, whatever the order of their names, and all others are one', async () => {
      await settledCall(ledger, ids, nowMs, {}, { tenantId: 'default', model: 'm9' });
      const named = (await new LedgerTotals(store, null, () => 2).read()).map(({ model }) => model);
      assert.deepEqual(new Set(named), new Set(['_other', 'm0', 'm1']), 'm9 has one dispatch, the others four each');
      const busy = Array.from({ length: 9 }, () =>
        settledCall(ledger, ids, nowMs, {}, { tenantId: 'default', model: 'm9' }),
      );
      await Promise.all(busy);
      const anew = (await new LedgerTotals(store, null, () => 1).read()).map(({ model }) => model);
      assert.deepEqual(new Set(anew), new Set(['_other', 'm9']));
    });

    test('a tenant’s are its own', async () => {
      const families = ledgerFamilies(await new LedgerTotals(store, 'acme', () => 9).read());
      assert.equal(sumOf(samplesOf(exposition(families)), 'weighbridge_dispatches_total'), 12);
    });
  });
}

test('no name of a caller’s can end a label or begin a line', async () => {
  const totals = await namedTotals('x"} 9\nweighbridge_losses_total{class="');
  const text = exposition(ledgerFamilies(totals));
  assert.ok(!text.split('\n').some((line) => line.startsWith('weighbridge_losses_total')), text);
});

async function namedTotals(model: string) {
  const store = await openStore({
    database: await freshDatabase('sqlite'),
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const ids = new IdSource();
  const clock = { now: () => T0, monotonic: () => performance.now() };
  const deps = { store, clock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
  const ledger = await StoredLedger.begin(deps, ids.next('led'));
  await settledCall(ledger, ids, T0, {}, { tenantId: 'default', model });
  const totals = await new LedgerTotals(store, null, () => 9).read();
  await ledger.close();
  await store.close();
  return totals;
}

test('a key of the scope sees no metric of the process, another key sees none at all', async () => {
  const door = await new Door().open({ everything: true });
  try {
    const answers = await Promise.all(
      (['metrics', 'read'] as const).map(async (scope) => {
        const forced = { attribution: {}, outbound: {} };
        const order = { tenantId: 'acme', name: '', agentId: null, forced, createdBy: null, expiresAt: null };
        const { text } = await door.keys.create({ ...order, scopes: [scope] });
        return fetch(`${door.base}/metrics`, { headers: { authorization: `Bearer ${text}` } });
      }),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 403],
    );
    assert.match(answers[0]!.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.ok(!(await answers[0]!.text()).includes('process_'));
    await answers[1]!.text();
  } finally {
    await door.close();
  }
});
