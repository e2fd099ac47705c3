/** What others counted, taken in on both engines: AgentWatch's shape, ours, once each, all or nothing, priced truly. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../../test/rig/databases.ts';
import { GatewayError } from '../../domain/errors.ts';
import { type PricePin, pin } from '../../domain/price.ts';
import { EventLog } from '../../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../../events/room.ts';
import { IdSource } from '../../lib/ids.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { StoredLedger } from '../ledger.ts';
import { LedgerTotals } from '../metric-totals.ts';
import { findDispatch, recordsByEntryId, settledAfter } from '../questions.ts';
import { reconcile } from '../reconcile.ts';
import { repricePage } from '../reprice.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../room.ts';
import { usageOfRuns } from '../session-usage.ts';
import { usageAnswer } from '../usage-answer.ts';
import { verifyLedger } from '../verify.ts';
import type { Reporter } from './record.ts';
import { takeIn } from './reports.ts';

const T0 = Date.parse('2026-11-20T12:00:00.000Z');
const DAY_MS = 24 * 60 * 60 * 1000;
const PRICE: PricePin = pin('book', { input: 1_000_000n, output: 2_000_000n, cacheRead: 100_000n });
const AGENTWATCH = {
  model: 'gpt-4o',
  prompt_tokens: 100,
  completion_tokens: 50,
  cost_usd: 0.00123,
  latency_ms: 850.4,
  agent_name: 'openclaw',
};
const IMAGE = { model: 'dall-e-3', cost_usd: 0.5, latency_ms: 900, agent_name: 'main' };

const ids = new IdSource();

function reporter(over: Partial<Reporter> = {}): Reporter {
  return {
    tenantId: 'default',
    keyId: null,
    isOperator: true,
    now: T0,
    limits: { tagsMax: 4, metadataBytesMax: 200 },
    nextDispatchId: () => ids.next('dsp'),
    priceOf: ({ provider, model }) => (provider === 'openai' && model === 'gpt-4o' ? PRICE : null),
    ...over,
  };
}

for (const engine of ENGINES) {
  describe(`reports on ${engine}`, () => {
    let store: Store;
    let ledger: StoredLedger;
    const announced: number[] = [];

    before(async () => {
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const clock = { now: () => T0, monotonic: () => performance.now() };
      const announce = (): void => {};
      const report = (error: Error): never => assert.fail(error);
      const instanceId = ids.next('ins');
      ledger = await StoredLedger.begin({ store, clock, instanceId, announce, report }, ids.next('led'));
    });
    after(async () => {
      await ledger.close();
      await store.close();
    });

    const send = (records: readonly unknown[], idempotencyKey: string | null = null, by = reporter()) =>
      takeIn(
        { store, instanceId: 'ins_test', announce: (seq) => announced.push(seq) },
        { records, idempotencyKey, by },
      );
    const found = async (dispatchId: string, tenantId = 'default') => {
      const detail = await findDispatch(store, tenantId, dispatchId);
      assert.ok(detail, `${dispatchId} is not in the ledger`);
      return detail;
    };
    const entries = async (): Promise<number> => {
      const query = { tenantId: null, fromMs: 0, toMs: T0 * 2, groupBy: [], filters: {}, bucket: null, tz: 'UTC' };
      const answer = await usageAnswer(store, { ...query, latency: false, limit: 10 });
      return Number(answer.totals.requests);
    };

    test('AgentWatch’s record, as it is, is an entry with its tokens, its latency and the cost it says', async () => {
      const { ingested, ids: given, results } = await send([AGENTWATCH]);
      assert.equal(ingested, 1);
      assert.equal(given[0], results[0]!.dispatchId);
      const entry = await found(given[0]!);
      assert.equal(entry.source, 'api');
      assert.equal(entry.model, 'gpt-4o');
      assert.equal(entry.agentId, 'openclaw');
      assert.deepEqual([entry.usage?.input, entry.usage?.output, entry.usage?.total], [100, 50, 150]);
      assert.deepEqual([entry.cost?.usd, entry.cost?.source], ['0.001230', 'reported']);
      assert.equal(entry.latencyMs, 850);
      assert.equal(entry.outcome, 'completed');
      assert.equal(entry.unpriced, null);
      assert.equal(entry.priceLines, null);
      const seq = announced.at(-1)!;
      const render = (tenantId: string, of: readonly string[]) => recordsByEntryId(store, tenantId, of);
      const log = new EventLog({ store, ledgerId: () => 'led', renderers: { 'model.usage': render } });
      const { events } = await log.page({ tenantId: 'default', types: ['model.usage'] }, seq - 1);
      assert.equal((events[0]?.data as { dispatchId: string }).dispatchId, given[0]);
    });

    test('a trace is kept where it is one, and refuses no record where it is not', async () => {
      const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const { ids: given } = await send([
        { ...AGENTWATCH, traceparent: trace },
        { ...AGENTWATCH, traceparent: `${trace}\nx` },
      ]);
      assert.equal((await found(given[0]!)).traceparent, trace);
      assert.equal((await found(given[1]!)).traceparent, null);
    });

    test('its hook event `model:used` is the same in camelCase', async () => {
      const event = { type: 'model:used', model: 'gpt-4o', promptTokens: 7, completionTokens: 3, conversationId: 'C1' };
      const { ids: given } = await send([{ ...event, costUsd: null, latencyMs: null, agentName: 'openclaw' }]);
      const entry = await found(given[0]!);
      assert.deepEqual([entry.usage?.input, entry.usage?.output], [7, 3]);
      assert.equal(entry.sessionKey, 'c1');
      assert.equal(entry.latencyMs, null);
      assert.equal(entry.cost, null, 'its provider is not known, so no price is');
    });

    test('null is not zero: without tokens it is uncounted, with a cost of 0 it is free, without one our price holds', async () => {
      const priced = { model: 'gpt-4o', provider: 'openai', prompt_tokens: 100, completion_tokens: 10 };
      const { ids: given } = await send([
        { model: 'gpt-4o', prompt_tokens: null, completion_tokens: null, cost_usd: 0.5 },
        { ...AGENTWATCH, cost_usd: 0 },
        { ...priced, cache_read_tokens: 40 },
        { ...priced, total_tokens: 130, reasoning_tokens: 20 },
      ]);
      const [uncounted, free, ours, outside] = await Promise.all(given.map((id) => found(id)));
      assert.deepEqual([uncounted!.usage, uncounted!.usageSource, uncounted!.unpriced], [null, 'none', null]);
      assert.deepEqual([uncounted!.cost?.usd, uncounted!.cost?.source], ['0.500000', 'reported']);
      assert.equal(uncounted!.providerCost?.usd, '0.500000');
      assert.equal(free!.cost?.nanoUsd, '0');
      assert.deepEqual([ours!.usage?.input, ours!.usage?.cacheRead], [60, 40]);
      // 60 x 1 + 40 x 0.1 + 10 x 2 USD per 1M tokens.
      assert.deepEqual([ours!.cost?.nanoUsd, ours!.cost?.source], ['84000', 'book']);
      assert.deepEqual([outside!.usage?.output, outside!.usage?.reasoning], [30, 20], 'semantics 10');
    });

    test('what a call without tokens cost is in every sum: by rollups, by entries, in metrics, in an export', async () => {
      const image = { ...IMAGE, session_id: 's', run_id: 'r' };
      const { ids: given } = await send([image, { ...image, cost_usd: 0 }, { ...image, cost_usd: null }]);
      const filters = { model: 'dall-e-3' };
      const question = { tenantId: 'default', fromMs: 0, toMs: T0 * 2, filters, bucket: null, tz: 'UTC', limit: 10 };
      for (const groupBy of [['model'], ['session']] as const) {
        const { totals, rows } = await usageAnswer(store, { ...question, groupBy, latency: false });
        for (const sums of [totals, rows[0]!]) {
          assert.deepEqual([sums.requests, sums.costNanoUsd, sums.total], [3, '500000000', '0']);
          assert.deepEqual([sums.composition.none, sums.composition.unpriced], [3, 0], 'nothing there to be priced');
        }
      }
      const used = (await usageOfRuns(store, 'default', ['r'])).get('r')!;
      assert.deepEqual([used.costNanoUsd, used.unpriced], ['500000000', 0]);
      const metrics = await new LedgerTotals(store, null, () => 100).read();
      const images = metrics.filter(({ model }) => model === 'dall-e-3');
      assert.deepEqual([images.length, images[0]!.big.costNanoUsd, images[0]!.sums.unpriced], [1, 500_000_000n, 0]);
      const exported = await settledAfter(store, { seq: 0, fromMs: 0, toMs: T0 * 2, limit: 1000 });
      const costs = given.map((id) => exported.find(({ dispatchId }) => dispatchId === id)!.cost?.usd ?? null);
      assert.deepEqual(costs, ['0.500000', '0.000000', null]);
      const { totals } = await reconcile(store, { tenantId: 'default', fromMs: 0, toMs: T0 * 2, groupBy: [], filters });
      assert.deepEqual([totals.dispatches, totals.differing, totals.unpriced], [2, 0, 0]);
    });

    test('a record counts once by its id; another content under it is refused, and nothing of that request is taken', async () => {
      const record = { ...AGENTWATCH, id: 'call-1' };
      const first = await send([record]);
      const before = await entries();
      const again = await send([{ ...AGENTWATCH, agent_name: 'openclaw', id: 'call-1' }, record]);
      assert.deepEqual([again.ingested, again.duplicates], [0, 2]);
      assert.equal(again.results[0]!.dispatchId, first.results[0]!.dispatchId);
      await assert.rejects(
        send([
          { ...AGENTWATCH, id: 'call-2' },
          { ...record, prompt_tokens: 101 },
        ]),
        (error) => error instanceof GatewayError && error.code === 'report_conflict' && error.param === 'records[1].id',
      );
      assert.equal(await entries(), before);
      assert.equal((await send([{ ...AGENTWATCH, id: 'call-2' }])).ingested, 1, 'it was not taken before');
      assert.equal((await send([record], null, reporter({ tenantId: 'acme' }))).ingested, 1, 'another tenant’s id');
      assert.equal((await send([AGENTWATCH, AGENTWATCH])).ingested, 2, 'without an id each counts');
    });

    test('an idempotency key makes ids for a whole request', async () => {
      const sent = await Promise.all([send([AGENTWATCH, AGENTWATCH], 'k'), send([AGENTWATCH, AGENTWATCH], 'k')]);
      assert.deepEqual(sent.map(({ ingested }) => ingested).toSorted(), [0, 2]);
      assert.deepEqual(sent[0]!.ids, ['k#0', 'k#1']);
    });

    test('moments are as they were sent: of a clock a little ahead too, and a start that lies ahead of our clock ends no earlier', async () => {
      const ahead = T0 + 60_000;
      const { ids: given } = await send([
        { ...AGENTWATCH, timestamp: '2024-02-29T23:59:59.5+0530', started_at: '2024-02-29T18:29:59.500Z' },
        { ...AGENTWATCH, timestamp: T0 + DAY_MS, latency_ms: null },
        { ...AGENTWATCH, started_at: ahead },
      ]);
      const [leap, skewed, early] = await Promise.all(given.map((id) => found(id)));
      assert.deepEqual([leap!.startedAt, leap!.endedAt], ['2024-02-29T18:29:59.500Z', '2024-02-29T18:29:59.500Z']);
      assert.equal(Date.parse(skewed!.endedAt!), T0 + DAY_MS);
      assert.deepEqual(
        [early!.startedAt, early!.endedAt].map((at) => Date.parse(at!)),
        [ahead, ahead],
      );
    });

    test('one record that cannot be refuses all, and its field is named', async () => {
      const before = await entries();
      const wrong: [object, string][] = [
        [{ ...AGENTWATCH, model: '' }, 'model'],
        [{ ...AGENTWATCH, prompt_tokens: -1 }, 'prompt_tokens'],
        [{ ...AGENTWATCH, prompt_tokens: 1.5 }, 'prompt_tokens'],
        [{ ...AGENTWATCH, prompt_tokens: '100' }, 'prompt_tokens'],
        [{ ...AGENTWATCH, completion_tokens: 1e10 }, 'completion_tokens'],
        [{ ...AGENTWATCH, total_tokens: 151 }, 'total_tokens'],
        [{ ...AGENTWATCH, cache_read_tokens: 101 }, 'prompt_tokens'],
        [{ ...AGENTWATCH, reasoning_tokens: 51 }, 'reasoning_tokens'],
        [{ ...AGENTWATCH, cost_usd: -0.1 }, 'cost_usd'],
        [{ ...AGENTWATCH, cost_usd: 'free' }, 'cost_usd'],
        [{ ...AGENTWATCH, cost_usd: '1e12' }, 'cost_usd'],
        [{ ...AGENTWATCH, latency_ms: 'soon' }, 'latency_ms'],
        [{ ...AGENTWATCH, time_to_first_token_ms: 900 }, 'time_to_first_token_ms'],
        [{ ...AGENTWATCH, timestamp: 1_763_640_000 }, 'timestamp'],
        [{ ...AGENTWATCH, timestamp: '2026-11-20' }, 'timestamp'],
        [{ ...AGENTWATCH, timestamp: '2026-02-30T12:00:00Z' }, 'timestamp'],
        [{ ...AGENTWATCH, ts: '2026-11-20T12:61:00+00:00' }, 'ts'],
        [{ ...AGENTWATCH, timestamp: '2126-11-20T12:00:00Z' }, 'timestamp'],
        [{ ...AGENTWATCH, endedAt: T0 + DAY_MS + 1 }, 'endedAt'],
        [{ ...AGENTWATCH, started_at: T0 + DAY_MS + 1 }, 'started_at'],
        [{ ...AGENTWATCH, started_at: T0 - 4999, timestamp: T0 - 5000 }, 'started_at'],
        [{ ...AGENTWATCH, outcome: 'constructor' }, 'outcome'],
        [{ ...AGENTWATCH, agent_name: 7 }, 'agent_name'],
        [{ ...AGENTWATCH, agent_name: 'a\0b' }, 'agent_name'],
        [{ ...AGENTWATCH, id: '\ud800' }, 'id'],
        [{ ...AGENTWATCH, tags: ['a', 'b', 'c', 'd', 'e'] }, 'tags'],
        [{ ...AGENTWATCH, metadata: { x: 'y'.repeat(200) } }, 'metadata'],
        [{ ...AGENTWATCH, usage: { input: 1 } }, 'usage'],
        [{ model: 'm', usage: { input: 1, total: 3 } }, 'usage.total'],
        [{ ...AGENTWATCH, type: 'message:sent' }, 'type'],
      ];
      for (const [record, field] of wrong) {
        await assert.rejects(
          send([AGENTWATCH, record]),
          (error) => error instanceof GatewayError && error.param === `records[1].${field}`,
          `${JSON.stringify(record)} was not refused for its ${field}`,
        );
      }
      await assert.rejects(send([AGENTWATCH, 'x']), { param: 'records[1]' });
      await assert.rejects(send([{ ...AGENTWATCH, tenant_id: 'b' }], null, reporter({ isOperator: false })), {
        code: 'forbidden',
      });
      assert.equal(await entries(), before);
    });

    test('what was taken in agrees with the rollups, and repricing leaves reported costs alone', async () => {
      assert.deepEqual((await verifyLedger(store)).problems, []);
      const deps = { store, priceOf: () => PRICE, correct: null, now: () => T0 };
      const question = { tenantId: 'default', fromMs: 0, toMs: T0 * 2, unpricedOnly: false, cursor: null, limit: 1000 };
      const { tenants } = await repricePage(deps, question);
      // Only the hook event had no cost, and what our own price gave is as it was.
      assert.deepEqual([tenants[0]!.priced, tenants[0]!.repriced], [1, 0]);
    });
  });
}
