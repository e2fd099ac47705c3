/** A wrong price, then `reprice`: old entries as they were, and every consumer's sum the right one, on both engines. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeUsage, type RepriceAnswer, type UsageGroup } from '@weighbridge/protocol';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import type { EntrySettlement } from '../domain/entry.ts';
import { type PricePin, pin, type Rates } from '../domain/price.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { costCorrection, lateCorrection } from './correction.ts';
import { csvLines } from './export.ts';
import { Folding } from './folding.ts';
import { StoredLedger } from './ledger.ts';
import { findDispatch, recordsByEntryId, selectEntries, settledAfter } from './questions.ts';
import { reconcile } from './reconcile.ts';
import { type EntryRow, settlementValues } from './record.ts';
import { type PricedEntry, type RepriceQuestion, repricePage } from './reprice.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';
import { usageAnswer } from './usage-answer.ts';
import { verifyLedger } from './verify.ts';

const T0 = Date.parse('2026-11-20T12:00:00.000Z');
const HOUR_MS = 3_600_000;
const ids = new IdSource();
const rates = (input: bigint, output: bigint): Rates => ({ input, output, cacheRead: input });
const WRONG = pin('config', rates(1_000_000n, 1_000_000n));
const RIGHT = pin('config', rates(2_500_000n, 10_000_123n));
const CHEAPER = pin('config', rates(400_000n, 7n));

let store: Store;
let ledger: StoredLedger;
let nowMs = T0;
const clock = { now: () => nowMs, monotonic: () => nowMs };

const call = (over: Partial<EntrySettlement>, tenantId = 'default', model = 'm'): Promise<string> =>
  settledCall(ledger, ids, nowMs, { price: WRONG, ...over }, { tenantId, model });

/** Entries at a wrong price, without one, without usage, of two tenants and two models, over three hours. */
async function fill(): Promise<void> {
  for (let index = 0; index < 60; index++) {
    nowMs = T0 + index * (HOUR_MS / 20);
    const usage = index % 11 === 0 ? null : makeUsage({ input: 1000 + index, output: index * 7, cacheRead: index });
    await call(
      { usage, usageSource: usage ? 'reported' : 'none', price: index % 5 === 0 ? null : WRONG },
      index % 3 === 0 ? 'acme' : 'default',
      index % 2 === 0 ? 'm' : 'n',
    );
  }
  nowMs = T0 + 5 * HOUR_MS;
}

const asked = (over: Partial<RepriceQuestion> = {}): RepriceQuestion => ({
  tenantId: null,
  fromMs: 0,
  toMs: nowMs,
  unpricedOnly: false,
  cursor: null,
  limit: 7,
  ...over,
});

/** All pages, as a client asks for them. */
async function reprice(
  priceOf: (entry: PricedEntry) => PricePin | null,
  { isDry = false, ...over }: Partial<RepriceQuestion> & { isDry?: boolean } = {},
) {
  const sums: Record<string, Record<string, bigint>> = {};
  let cursor: string | null = null;
  let total: number | null = null;
  do {
    const correct = isDry ? null : ledger.correct.bind(ledger);
    const page: RepriceAnswer = await repricePage(
      { store, priceOf, correct, now: clock.now },
      asked({ ...over, cursor }),
    );
    total ??= page.total;
    for (const { tenantId, ...tally } of page.tenants) {
      const sum = sums[tenantId] ?? {};
      sums[tenantId] = sum;
      for (const [name, value] of Object.entries(tally)) sum[name] = (sum[name] ?? 0n) + BigInt(value);
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { sums, total };
}

async function rowsOf(kind: 'usage' | 'correction'): Promise<EntryRow[]> {
  return store.read<EntryRow>(selectEntries(store.queries).where('kind', '=', kind).orderBy('entryId').compile());
}

/** What each consumer gives as the sum of all costs of a tenant. */
async function sumsOf(tenantId: string): Promise<Record<string, bigint>> {
  const question = { tenantId, fromMs: T0, toMs: nowMs + HOUR_MS, filters: {} };
  const sums: Record<string, bigint> = {};
  for (const group of ['model', 'session', 'endUser', 'tenant', 'outcome'] as UsageGroup[]) {
    const { rows, totals } = await usageAnswer(store, { ...question, groupBy: [group] });
    sums[`usage by ${group}`] = BigInt(totals.costNanoUsd);
    sums[`rows by ${group}`] = rows.reduce((sum, row) => sum + BigInt(row.costNanoUsd), 0n);
  }
  const { rows: days } = await usageAnswer(store, { ...question, groupBy: [], bucket: 'day' });
  sums['usage by day'] = days.reduce((sum, row) => sum + BigInt(row.costNanoUsd), 0n);
  const exported = await settledAfter(store, { seq: 0, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 1000 });
  sums.export = total(exported.filter((record) => record.tenantId === tenantId));
  const render = (tenant: string, entryIds: readonly string[]) => recordsByEntryId(store, tenant, entryIds);
  const log = new EventLog({
    store,
    ledgerId: () => ledger.ledgerId,
    renderers: { 'model.usage': render, 'model.usage.corrected': render },
  });
  const { events } = await log.page({ tenantId, types: null }, 0);
  sums.events = total(events.map(({ data }) => data as { cost: { nanoUsd: string } | null }));
  const usages = (await rowsOf('usage')).filter((row) => row.tenantId === tenantId);
  const details = await Promise.all(usages.map(({ dispatchId }) => findDispatch(store, tenantId, dispatchId)));
  sums['each dispatch with its corrections'] = total(details.flatMap((detail) => [detail!, ...detail!.corrections]));
  return sums;
}

function total(records: readonly { cost: { nanoUsd: string } | null }[]): bigint {
  return records.reduce((sum, { cost }) => sum + BigInt(cost?.nanoUsd ?? 0), 0n);
}

/** By another way than the price path: decimal text, rounded half to even for each entry. */
function expectedCost(entries: readonly EntryRow[], { rates: at }: PricePin): bigint {
  return entries.reduce((sum, entry) => {
    if (entry.input === null) return sum;
    const pico = BigInt(entry.input + entry.cacheRead!) * at.input! + BigInt(entry.output!) * at.output!;
    const [whole, rest] = [pico / 1000n, pico % 1000n];
    return sum + whole + (rest > 500n || (rest === 500n && whole % 2n === 1n) ? 1n : 0n);
  }, 0n);
}

for (const engine of ENGINES) {
  describe(`repricing on ${engine}`, () => {
    beforeEach(async () => {
      nowMs = T0;
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const deps = {
        store,
        clock,
        instanceId: ids.next('ins'),
        announce: () => {},
        report: (e: Error) => assert.fail(e),
      };
      ledger = await StoredLedger.begin(deps, ids.next('led'));
    });
    afterEach(async () => {
      await ledger.close();
      await store.close();
    });

    test('a wrong price, then reprice: old entries unchanged, and every consumer’s sum equals the ledger’s', async () => {
      await fill();
      const before = await rowsOf('usage');
      const dry = await reprice(() => RIGHT, { isDry: true });
      assert.deepEqual(await rowsOf('correction'), []);
      const wet = await reprice(() => RIGHT);
      assert.deepEqual(wet, dry);
      assert.deepEqual(await rowsOf('usage'), before);
      assert.equal(wet.total, 60);
      for (const tenantId of ['default', 'acme']) {
        const own = before.filter((row) => row.tenantId === tenantId);
        const right = expectedCost(own, RIGHT);
        assert.equal(wet.sums[tenantId]?.afterNanoUsd, right);
        assert.equal(
          wet.sums[tenantId]?.beforeNanoUsd,
          expectedCost(
            own.filter((row) => row.costNanoUsd !== null),
            WRONG,
          ),
        );
        assert.equal(
          wet.sums[tenantId]?.priced,
          BigInt(own.filter((row) => row.input !== null && row.priceId === null).length),
        );
        for (const [consumer, sum] of Object.entries(await sumsOf(tenantId))) {
          assert.equal(sum, right, `${consumer} of ${tenantId}`);
        }
        const { totals } = await usageAnswer(store, {
          tenantId,
          fromMs: T0,
          toMs: nowMs + 1,
          groupBy: [],
          filters: {},
        });
        assert.equal(totals.composition.unpriced, 0);
        assert.equal(totals.requests, own.length);
      }
      const whole = (await lines()).filter((line) => line.includes('correction')).length;
      assert.equal(whole, (await rowsOf('correction')).length);
      assert.deepEqual((await verifyLedger(store)).problems, []);
      await new Folding(store).foldAll();
      assert.deepEqual((await verifyLedger(store)).problems, []);
      await store.write('rebuildRollups', null);
      for (const sum of Object.values(await sumsOf('acme'))) assert.equal(sum, wet.sums.acme?.afterNanoUsd);
    });

    test('again at the same price nothing is written, and at another one only the difference', async () => {
      await fill();
      await reprice(() => RIGHT);
      const once = (await rowsOf('correction')).length;
      const again = await reprice(() => RIGHT);
      assert.deepEqual(
        [again.sums.acme?.repriced, again.sums.acme?.priced, again.sums.acme?.differenceNanoUsd],
        [0n, 0n, 0n],
      );
      assert.equal((await rowsOf('correction')).length, once);
      await reprice(() => CHEAPER);
      const own = (await rowsOf('usage')).filter((row) => row.tenantId === 'acme');
      for (const [consumer, sum] of Object.entries(await sumsOf('acme'))) {
        assert.equal(sum, expectedCost(own, CHEAPER), consumer);
      }
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('two that reprice at once write each correction once', async () => {
      await fill();
      await Promise.all([
        reprice(() => RIGHT),
        reprice(() => RIGHT, { limit: 11 }),
        reprice(() => RIGHT, { limit: 500 }),
      ]);
      const own = (await rowsOf('usage')).filter((row) => row.tenantId === 'default');
      for (const sum of Object.values(await sumsOf('default'))) assert.equal(sum, expectedCost(own, RIGHT));
    });

    test('a correction that comes twice in one batch is one entry, one event and one sum', async () => {
      await call({});
      const [entry] = await rowsOf('usage');
      const correction = costCorrection({
        entry: entry!,
        corrections: 0,
        price: RIGHT,
        otherModels: [],
        differenceNanoUsd: 60_001n,
        wasUnpriced: false,
        now: nowMs,
      });
      const settled = await Promise.all([ledger.correct(correction), ledger.correct(correction)]);
      assert.deepEqual(settled.map((place) => typeof place).sort(), ['object', 'string']);
      for (const [consumer, sum] of Object.entries(await sumsOf('default'))) assert.equal(sum, 75_001n, consumer);
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('a cost is never taken away, and what nobody has a price for stays unpriced', async () => {
      await fill();
      const { sums } = await reprice(() => null);
      assert.deepEqual(await rowsOf('correction'), []);
      assert.ok(sums.acme!.kept! > 0n && sums.acme!.unpriced! > 0n);
      assert.equal(sums.acme?.differenceNanoUsd, 0n);
    });

    test('it can be kept to a model, to a time, to a tenant, and to what is unpriced', async () => {
      await fill();
      const corrected = async () => (await rowsOf('correction')).length;
      await reprice(() => RIGHT, { tenantId: 'acme', model: 'n', unpricedOnly: true });
      const few = await rowsOf('correction');
      assert.ok(
        few.length > 0 && few.every((row) => row.tenantId === 'acme' && row.model === 'n' && row.reason === 'priced'),
      );
      await reprice(() => RIGHT, { fromMs: T0 + 4 * HOUR_MS });
      assert.equal(await corrected(), few.length);
      await reprice(() => RIGHT, { fromMs: T0 + 2 * HOUR_MS, provider: 'other' });
      assert.equal(await corrected(), few.length);
    });

    test('usage that came late, by a correction, is counted as unpriced until it is priced', async () => {
      const late = await call({ usage: null, usageSource: 'none', outcome: 'uncertain', price: null });
      const [row] = await rowsOf('usage');
      await ledger.correct(lateInput(row!));
      assert.equal(row!.dispatchId, late);
      nowMs += 1;
      // Of rollups, and of entries.
      const unpriced = async (groupBy: UsageGroup[]) =>
        (await usageAnswer(store, { tenantId: 'default', fromMs: T0, toMs: nowMs + 1, groupBy, filters: {} })).totals
          .composition.unpriced;
      assert.deepEqual([await unpriced([]), await unpriced(['session'])], [1, 1]);
      const { sums } = await reprice(({ servedModel, serviceTier }) => {
        // Only what came late knows these.
        assert.deepEqual([servedModel, serviceTier], ['m-1', 'us-inference']);
        return RIGHT;
      });
      assert.equal(sums.default?.priced, 1n);
      const { totals } = await usageAnswer(store, {
        tenantId: 'default',
        fromMs: T0,
        toMs: nowMs + 1,
        groupBy: [],
        filters: {},
      });
      assert.deepEqual([await unpriced([]), await unpriced(['session'])], [0, 0]);
      assert.equal(BigInt(totals.costNanoUsd), sums.default?.afterNanoUsd);
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('a provider’s own cost stands beside ours, corrections included, and differences are found', async () => {
      const said = (nanoUsd: bigint) => ({ providerCost: { nanoUsd, source: 'usage' } });
      // 10 input and 5 output at the wrong price are 15 000 nano-USD, at the right one 75 001.
      await call(said(15_000n));
      await call(said(15_001n));
      const apart = await call(said(75_001n), 'default', 'n');
      const unpriced = await call({ ...said(500n), price: null }, 'default', 'n');
      await call({});
      await call(said(1n), 'acme');
      nowMs += 1;
      const question = { tenantId: 'default', fromMs: T0, toMs: nowMs, groupBy: ['model'] as const, filters: {} };
      const before = await reconcile(store, question);
      assert.deepEqual(
        before.rows.map(({ group, dispatches, differing, differenceNanoUsd }) => [
          group.model,
          dispatches,
          differing,
          differenceNanoUsd,
        ]),
        [
          ['n', 2, 1, '-60001'],
          ['m', 2, 0, '-1'],
        ],
      );
      assert.deepEqual([before.totals.dispatches, before.totals.unpriced, before.totals.costNanoUsd], [4, 1, '45000']);
      assert.deepEqual(
        before.furthest.map(({ dispatchId, nanoUsd, differenceNanoUsd }) => [dispatchId, nanoUsd, differenceNanoUsd]),
        [
          [apart, '15000', '-60001'],
          [unpriced, null, null],
        ],
      );
      assert.deepEqual((await reconcile(store, { ...question, filters: { model: 'm' } })).totals.dispatches, 2);
      await reprice(({ model }) => (model === 'n' ? RIGHT : null), { tenantId: 'default', model: 'n' });
      const after = await reconcile(store, { ...question, groupBy: [] });
      assert.deepEqual(
        after.furthest.map(({ dispatchId }) => dispatchId),
        [unpriced],
      );
      assert.deepEqual([after.rows.length, after.totals.unpriced, after.totals.differing], [1, 0, 1]);
    });

    test('a correction says what it corrects, why, and by how much', async () => {
      const dispatchId = await call({});
      nowMs += 1;
      await reprice(() => CHEAPER);
      const detail = await findDispatch(store, 'default', dispatchId);
      const [correction] = detail!.corrections;
      assert.equal(correction?.corrects, detail?.entryId);
      assert.equal(correction?.reason, 'repriced');
      assert.equal(correction?.usage, null);
      assert.equal(correction?.cost?.priceId, CHEAPER.priceId);
      assert.equal(BigInt(detail!.cost!.nanoUsd) + BigInt(correction!.cost!.nanoUsd), 4_000n);
      assert.equal(detail?.reason, undefined);
    });
  });
}

async function lines(): Promise<string[]> {
  const all: string[] = [];
  for await (const line of csvLines(store, { fromMs: 0, toMs: null }, () => {})) all.push(...line.split('\r\n'));
  return all;
}

/** As a gateway writes it that others held for dead. */
function lateInput(row: EntryRow) {
  const intent = {
    ...row,
    attribution: { ...row, endUserSource: null, tags: [], metadata: {} },
    stream: false,
    source: 'gateway' as const,
  };
  const values = settlementValues(
    {
      ...(row as unknown as EntrySettlement),
      usage: makeUsage({ input: 1000, output: 10 }),
      usageSource: 'reported',
      servedModel: 'm-1',
      serviceTier: 'us-inference',
      price: null,
      otherModels: [],
      providerCost: null,
    },
    null,
  );
  const identity = {
    tenantId: row.tenantId,
    provider: row.provider,
    model: row.model,
    agentId: row.agentId,
    source: 'gateway',
  };
  return lateCorrection(intent, { identity, entryId: row.entryId, eventId: '', now: nowMs, values }, row.instanceId)!;
}
