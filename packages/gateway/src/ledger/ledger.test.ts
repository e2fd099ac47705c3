/** The ledger on a real store: opened, settled once, recovered, corrected; its sums and its event log with it. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { runOn } from '../../../../test/rig/postgres-server.ts';
import type { Database } from '../domain/config.ts';
import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import type { PricePin } from '../domain/price.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource, siblingId } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { uncertainValues } from './columns.ts';
import { StoredLedger } from './ledger.ts';
import { findDispatch, listDispatches } from './questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { usageAnswer } from './usage-answer.ts';
import { verifyLedger } from './verify.ts';

const ids = new IdSource();
const T0 = Date.parse('2026-11-20T12:00:00.000Z');
const price: PricePin = {
  priceId: 'cfg_test',
  source: 'config',
  rates: {
    input: 2_500_000n,
    output: 10_000_000n,
    cacheRead: 1_250_000n,
    cacheWrite: 2_500_000n,
    cacheWrite1h: 5_000_000n,
  },
  basis: null,
};

let database: Database;
let store: Store;
let ledger: StoredLedger;
let nowMs = T0;
const announced: number[] = [];
const IDENTITY = { tenantId: 'default', provider: 'openai', model: 'gpt-5', agentId: 'main', source: 'gateway' };
const clock = { now: () => nowMs, monotonic: () => performance.now() };

async function openAll(): Promise<void> {
  store = await openStore({
    database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  ledger = await StoredLedger.begin(
    {
      store,
      clock,
      instanceId: ids.next('ins'),
      announce: (seq) => announced.push(seq),
      report: (error) => assert.fail(error),
    },
    ids.next('led'),
  );
}

async function closeAll(): Promise<void> {
  await ledger.close();
  await store.close();
}

function intent(over: Partial<EntryIntent> = {}): EntryIntent {
  return {
    dispatchId: ids.next('dsp'),
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: 'main',
      sessionKey: 'agent:main:s1',
      sessionId: null,
      endUserId: 'tenant-42',
      endUserSource: 'header',
      tags: ['a'],
      metadata: { project: 'x' },
      traceparent: null,
    },
    provider: 'openai',
    model: 'gpt-5',
    requestedModel: 'openclaw/main',
    api: 'openai-completions',
    stream: true,
    source: 'gateway',
    startedAt: nowMs,
    ...over,
  };
}

function settlement(of: EntryIntent, over: Partial<EntrySettlement> = {}): EntrySettlement {
  return {
    dispatchId: of.dispatchId,
    tenantId: 'default',
    outcome: 'completed',
    httpStatus: 200,
    errorKind: null,
    stopReason: 'stop',
    serviceTier: null,
    usage: makeUsage({ input: 63, output: 20, cacheRead: 40, reasoning: 5 }),
    usageSource: 'reported',
    rawUsage: '{"prompt_tokens":103,"completion_tokens":20}',
    price: price,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs: 289,
    timeToFirstTokenMs: 120,
    endedAt: nowMs + 289,
    providerRequestId: 'req_1',
    ...over,
  };
}

async function call(over: Partial<EntrySettlement> = {}, intentOver: Partial<EntryIntent> = {}): Promise<EntryIntent> {
  const opened = intent(intentOver);
  await ledger.open(opened);
  await ledger.settle(settlement(opened, over));
  return opened;
}

/** Changes the tables behind the store's back. */
async function tamper(statement: string): Promise<void> {
  if (database.kind === 'postgres') {
    await runOn(database.url.reveal(), statement);
    return;
  }
  const other = new DatabaseSync(database.file);
  other.exec(statement);
  other.close();
}

for (const engine of ENGINES) {
  describe(`the ledger on ${engine}`, () => {
    beforeEach(async () => {
      database = await freshDatabase(engine);
      nowMs = T0;
      announced.length = 0;
      await openAll();
    });
    afterEach(closeAll);

    test('a dispatch opened and settled is one entry with its attribution, usage and pinned cost', async () => {
      const opened = await call();
      const detail = await findDispatch(store, 'default', opened.dispatchId);
      assert.ok(detail);
      assert.equal(detail.outcome, 'completed');
      assert.equal(detail.usage?.total, 123);
      assert.equal(detail.usage?.reasoning, 5);
      // 63 x 2.5 + 20 x 10 + 40 x 1.25 USD per 1M tokens = 407.5 millionths of a dollar, in nano-USD.
      assert.equal(detail.cost?.nanoUsd, '407500');
      assert.equal(detail.cost?.usd, '0.0004075');
      assert.deepEqual(
        detail.priceLines?.map(({ bucket, units, amountPicoUsd }) => [bucket, units, amountPicoUsd]),
        [
          ['input', 63, '157500000'],
          ['output', 20, '200000000'],
          ['cacheRead', 40, '50000000'],
        ],
      );
      assert.deepEqual(detail.rawUsage, { prompt_tokens: 103, completion_tokens: 20 });
      assert.equal(detail.endUserId, 'tenant-42');
      assert.deepEqual(announced, [1]);
    });

    test('an entry of another tenant is not found', async () => {
      const opened = await call();
      assert.equal(await findDispatch(store, 'other', opened.dispatchId), null);
      assert.equal(
        (await listDispatches(store, { tenantId: 'other', limit: 10, cursor: null, filters: {} })).data.length,
        0,
      );
    });

    test('an open entry is listed with a null outcome, and counts in no sum', async () => {
      await ledger.open(intent());
      const list = await listDispatches(store, {
        tenantId: 'default',
        limit: 10,
        cursor: null,
        filters: { outcome: 'open' },
      });
      assert.equal(list.data[0]?.outcome, null);
      const usage = await usageAnswer(store, {
        tenantId: 'default',
        fromMs: T0,
        toMs: T0 + 1,
        groupBy: [],
        filters: {},
      });
      assert.equal(usage.totals.requests, 0);
    });

    test('a second settlement of the same dispatch changes nothing and makes no event', async () => {
      const opened = await call();
      // The compare-and-set in the store, asked directly: the ledger itself refuses earlier.
      const again = { identity: IDENTITY, entryId: siblingId(opened.dispatchId, 'ent'), eventId: 'evt_x', now: T0 };
      assert.equal(await store.write('settleEntries', { ...again, values: uncertainValues() }), 'settled');
      await assert.rejects(ledger.settle(settlement(opened)), /settled without being opened, or twice/);
      assert.deepEqual(announced, [1]);
      assert.equal((await findDispatch(store, 'default', opened.dispatchId))?.usage?.input, 63);
      assert.equal((await verifyLedger(store)).ok, true);
    });

    test('zero is a number and missing is not zero', async () => {
      const zero = await call({ usage: makeUsage({}), usageSource: 'reported' });
      const none = await call({ usage: null, usageSource: 'none', rawUsage: null });
      const first = await findDispatch(store, 'default', zero.dispatchId);
      const second = await findDispatch(store, 'default', none.dispatchId);
      assert.equal(first?.usage?.total, 0);
      assert.equal(first?.cost?.nanoUsd, '0');
      assert.equal(second?.usage, null);
      assert.equal(second?.cost, null);
      const { totals } = await usageAnswer(store, {
        tenantId: 'default',
        fromMs: T0,
        toMs: T0 + 1,
        groupBy: [],
        filters: {},
      });
      assert.deepEqual(totals.composition, {
        reported: 1,
        partial: 0,
        estimated: 0,
        none: 1,
        unpriced: 0,
        uncertain: 0,
      });
    });

    test('an unpriced usage has a null cost and is counted as unpriced, never as 0', async () => {
      const opened = await call({ price: null });
      assert.equal((await findDispatch(store, 'default', opened.dispatchId))?.cost, null);
      const { totals } = await usageAnswer(store, {
        tenantId: 'default',
        fromMs: T0,
        toMs: T0 + 1,
        groupBy: [],
        filters: {},
      });
      assert.equal(totals.composition.unpriced, 1);
      assert.equal(totals.costNanoUsd, '0');
    });

    test('semantics 2: seq is given in commit order and settledAt never decreases when the clock goes back', async () => {
      await call();
      nowMs = T0 - 3_600_000;
      const late = await call();
      assert.deepEqual(announced, [1, 2]);
      assert.equal((await findDispatch(store, 'default', late.dispatchId))?.settledAt, new Date(T0).toISOString());
      assert.equal((await verifyLedger(store)).ok, true);
    });

    test('semantics 3: open entries of a dead instance become uncertain, those of this instance stay open', async () => {
      const left = intent();
      await ledger.open(left);
      await closeAll();
      await openAll();
      const mine = intent();
      await ledger.open(mine);
      assert.equal(await ledger.recoverDead(), 1);
      const recovered = await findDispatch(store, 'default', left.dispatchId);
      assert.equal(recovered?.outcome, 'uncertain');
      assert.equal(recovered?.usage, null);
      assert.equal((await findDispatch(store, 'default', mine.dispatchId))?.outcome, null);
      assert.equal(await ledger.recoverDead(), 0);
      assert.equal((await verifyLedger(store)).ok, true);
    });

    test('rollups kept equal rollups rebuilt, over many keys, outcomes and buckets', async () => {
      let random = 12345;
      const next = (below: number): number => {
        random = (random * 1103515245 + 12345) % 2147483648;
        return random % below;
      };
      const calls: Promise<EntryIntent>[] = [];
      for (let index = 0; index < 300; index++) {
        nowMs = T0 + next(10) * 400_000;
        const outcome = (['completed', 'failed', 'aborted'] as const)[next(3)]!;
        const usage = next(5) === 0 ? null : makeUsage({ input: next(1e6), output: next(1e5), reasoning: next(100) });
        calls.push(
          call(
            {
              outcome,
              usage,
              usageSource: usage ? 'reported' : 'none',
              price: next(3) === 0 ? null : price,
              latencyMs: next(60_000),
              endedAt: nowMs,
            },
            { model: `m${next(4)}` },
          ),
        );
      }
      await Promise.all(calls);
      const kept = await verifyLedger(store);
      assert.deepEqual(kept.problems, []);
      assert.equal(kept.entries, 300);
      assert.equal(kept.events, 300);
      const { rollups } = kept;
      assert.equal(await store.write('rebuildRollups', null), rollups);
      assert.deepEqual((await verifyLedger(store)).problems, []);
      // However few it may hold in memory: what was written is added to.
      const rows = async () =>
        (await store.read(store.queries.selectFrom('rollups').selectAll().compile()))
          .map((row) => JSON.stringify(row))
          .sort();
      const written = await rows();
      assert.equal(await store.write('rebuildRollups', { rollupsHeldMax: 3 }), rollups);
      assert.deepEqual((await verifyLedger(store)).problems, []);
      assert.deepEqual(await rows(), written);
    });

    test('verification finds a rollup that was changed behind its back', async () => {
      await call();
      await tamper('update rollups set input = input + 1');
      const { ok, problems } = await verifyLedger(store);
      assert.equal(ok, false);
      assert.match(problems[0]!, /has input 64, its entries give 63/);
    });

    test('sums past 2^53 stay exact, from rollups and from entries alike', async () => {
      const huge = 2 ** 53 - 1;
      const rich = { ...price, rates: { ...price.rates, input: 100_000n } };
      for (let index = 0; index < 3; index++) await call({ usage: makeUsage({ input: huge }), price: rich });
      const question = { tenantId: 'default', fromMs: T0, toMs: T0 + 1, filters: {} };
      const expected = (3n * BigInt(huge)).toString();
      const cost = (3n * ((BigInt(huge) * 100_000n) / 1000n)).toString();
      for (const groupBy of [['model'], ['session']] as const) {
        const answer = await usageAnswer(store, { ...question, groupBy: [...groupBy] });
        assert.equal(answer.rows[0]?.input, expected);
        assert.equal(answer.totals.costNanoUsd, cost);
      }
      await store.write('rebuildRollups', null);
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('every grouping sums to the same totals', async () => {
      for (let index = 0; index < 20; index++) {
        await call({}, { model: `m${index % 3}`, provider: `p${index % 2}` });
      }
      const question = { tenantId: 'default', fromMs: T0, toMs: T0 + 1, filters: {}, latency: true };
      const plain = await usageAnswer(store, { ...question, groupBy: [] });
      for (const group of [
        'model',
        'provider',
        'agent',
        'session',
        'tenant',
        'endUser',
        'source',
        'outcome',
      ] as const) {
        const answer = await usageAnswer(store, { ...question, groupBy: [group] });
        assert.deepEqual(answer.totals, plain.totals, group);
        assert.equal(
          answer.rows.reduce((sum, row) => sum + row.requests, 0),
          20,
        );
      }
    });

    test('pages of dispatches are newest first, without gap or repeat', async () => {
      const made: string[] = [];
      for (let index = 0; index < 25; index++) made.push((await call()).dispatchId);
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await listDispatches(store, { tenantId: 'default', limit: 10, cursor, filters: {} });
        seen.push(...page.data.map((record) => record.dispatchId));
        cursor = page.nextCursor;
      } while (cursor !== null);
      assert.deepEqual(seen, made.reverse());
    });

    test('one refused record does not take down those that wait beside it', async () => {
      const good = intent();
      const bad = intent({ requestedModel: null as never });
      const results = await Promise.allSettled([ledger.open(bad), ledger.open(good)]);
      assert.deepEqual(
        results.map((result) => result.status),
        ['rejected', 'fulfilled'],
      );
      assert.equal(store.available, true);
    });
  });
}
