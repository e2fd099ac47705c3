/** Entries with tokens of another model: what they cost, how that is explained, and what a later price makes of them. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeUsage, type RepricedTenant } from '@weighbridge/protocol';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import type { EntrySettlement } from '../domain/entry.ts';
import type { OtherModel } from '../domain/other-models.ts';
import { type PriceBasis, type PricePin, pin } from '../domain/price.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { StoredLedger } from './ledger.ts';
import { findDispatch, selectEntries } from './questions.ts';
import { type EntryRow, pricingOf } from './record.ts';
import { repricePage } from './reprice.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';
import { verifyLedger } from './verify.ts';

const T0 = Date.parse('2026-11-20T12:00:00.000Z');
const clock = { now: () => T0, monotonic: () => T0 };
const ids = new IdSource();

const basisOf = (model: string): PriceBasis => ({
  book: '2026-11-01.0123456789ab',
  provider: 'anthropic',
  model,
  validFrom: null,
  promptAbove: null,
  serviceTier: null,
  published: { input: `who says ${model}`, output: `who says ${model}` },
});
// USD per 1M tokens: 2 and 10, 5 and 25.
const SONNET = pin('book', { input: 2_000_000n, output: 10_000_000n }, basisOf('sonnet'));
const OPUS = pin('book', { input: 5_000_000n, output: 25_000_000n }, basisOf('opus'));
const USAGE = makeUsage({ input: 1760 + 823, output: 531 + 1612 });
const ADVICE = makeUsage({ input: 823, output: 1612 });
/** 1760 x 2 + 531 x 10, and 823 x 5 + 1612 x 25. */
const COST = 3_520_000n + 5_310_000n + 4_115_000n + 40_300_000n;

let store: Store;
let ledger: StoredLedger;

const advised = (price: PricePin | null): OtherModel[] => [{ model: 'opus', usage: ADVICE, price }];
const call = (over: Partial<EntrySettlement>): Promise<string> =>
  settledCall(ledger, ids, T0, { usage: USAGE, price: SONNET, ...over }, { tenantId: 'default', model: 'sonnet' });

/** By a book that knows these models. */
async function reprice(book: Readonly<Record<string, PricePin>>): Promise<RepricedTenant> {
  const page = await repricePage(
    { store, priceOf: ({ model }) => book[model] ?? null, correct: ledger.correct.bind(ledger), now: clock.now },
    { tenantId: 'default', fromMs: 0, toMs: T0 + 1, unpricedOnly: false, cursor: null, limit: 10 },
  );
  return page.tenants[0]!;
}

async function detailOf(dispatchId: string) {
  return (await findDispatch(store, 'default', dispatchId))!;
}

for (const engine of ENGINES) {
  describe(`other models on ${engine}`, () => {
    beforeEach(async () => {
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const announce = () => {};
      const report = (error: Error) => assert.fail(error);
      ledger = await StoredLedger.begin(
        { store, clock, instanceId: ids.next('ins'), announce, report },
        ids.next('led'),
      );
    });
    afterEach(async () => {
      assert.deepEqual((await verifyLedger(store)).problems, []);
      await ledger.close();
      await store.close();
    });

    test('the lines say whose tokens they are and who published each rate, and make the cost', async () => {
      const detail = await detailOf(await call({ otherModels: advised(OPUS) }));
      assert.deepEqual(
        detail.priceLines?.map((line) => [line.bucket, line.units, line.ratePicoUsd, line.source]),
        [
          ['input', 1760, '2000000', 'who says sonnet'],
          ['output', 531, '10000000', 'who says sonnet'],
          ['opus input', 823, '5000000', 'who says opus'],
          ['opus output', 1612, '25000000', 'who says opus'],
        ],
      );
      const sum = detail.priceLines!.reduce((pico, { amountPicoUsd }) => pico + BigInt(amountPicoUsd), 0n);
      assert.equal(sum, COST * 1000n);
      assert.equal(detail.cost?.nanoUsd, COST.toString());
      assert.equal(detail.price?.basis?.model, 'sonnet');
      assert.deepEqual(
        detail.price?.otherModels?.map(({ model, priceId, source, basis }) => [model, priceId, source, basis?.model]),
        [['opus', OPUS.priceId, 'book', 'opus']],
      );
      assert.notEqual(detail.price?.priceId, SONNET.priceId);
      assert.equal(detail.usage?.total, USAGE.total);
    });

    test('an entry without other models says no word of them', async () => {
      const { price, priceLines } = await detailOf(await call({}));
      const { published: _, ...basis } = SONNET.basis!;
      assert.deepEqual(price, { priceId: SONNET.priceId, source: 'book', basis });
      assert.deepEqual(
        priceLines?.map(({ bucket, units }) => [bucket, units]),
        [
          ['input', 2583],
          ['output', 2143],
        ],
      );
    });

    test('without a price for the other model there is no cost, and the reason names it', async () => {
      const detail = await detailOf(await call({ otherModels: advised(null) }));
      assert.deepEqual([detail.cost, detail.priceLines], [null, null]);
      assert.equal(detail.unpriced, 'its price has no rate for opus input, opus output');
      assert.deepEqual(detail.price?.otherModels, []);
    });

    test('a later price is each model’s own, whichever of them had none before', async () => {
      const calls = [
        await call({ otherModels: advised(null) }),
        await call({ otherModels: advised(OPUS), price: null }),
        await call({ otherModels: advised(null), price: null }),
      ];
      // Knowing one of the two is not enough.
      for (const book of [{ sonnet: SONNET }, { opus: OPUS }]) {
        assert.deepEqual([(await reprice(book)).unpriced, (await reprice(book)).priced], [3, 0]);
      }
      assert.equal((await reprice({ sonnet: SONNET, opus: OPUS })).priced, 3);
      for (const dispatchId of calls) {
        const { costNow, corrections } = await detailOf(dispatchId);
        assert.equal(costNow?.nanoUsd, COST.toString());
        assert.deepEqual(
          corrections.map(({ reason }) => reason),
          ['priced'],
        );
      }
    });

    test('a price that was wrong is corrected for each model, never into the price of one, and once', async () => {
      const dispatchId = await call({ otherModels: advised(OPUS) });
      assert.equal((await reprice({ sonnet: SONNET, opus: OPUS })).repriced, 0);
      // The other model is dearer by one USD per 1M of input; the one that served is unknown by now, or knows no other.
      const dearer = pin('config', { input: 6_000_000n, output: 25_000_000n });
      assert.deepEqual([(await reprice({ sonnet: SONNET })).kept, (await reprice({ opus: OPUS })).kept], [1, 1]);
      const tally = await reprice({ sonnet: SONNET, opus: dearer });
      assert.deepEqual([tally.repriced, tally.differenceNanoUsd], [1, '823000']);
      assert.equal((await reprice({ sonnet: SONNET, opus: dearer })).repriced, 0);
      assert.equal((await detailOf(dispatchId)).costNow?.nanoUsd, (COST + 823_000n).toString());
      const [correction] = await store.read<EntryRow>(
        selectEntries(store.queries).where('kind', '=', 'correction').compile(),
      );
      const { otherModels } = pricingOf(correction!.priceRates!);
      assert.deepEqual(otherModels, [{ model: 'opus', usage: ADVICE, price: dearer }]);
    });
  });
}
