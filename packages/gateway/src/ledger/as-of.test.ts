/** A follower starts from an answer and adds the events after its number: the answer must hold exactly those up to it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import { StoredLedger } from './ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { settledCall } from './settled.fixture.ts';
import { usageAnswer } from './usage-answer.ts';

const QUESTIONS = 24;
const AT_ONCE = 8;

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    test('an answer given while calls settle holds every event up to its number and none after', async () => {
      const store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const ids = new IdSource();
      const clock = { now: () => Date.now(), monotonic: () => performance.now() };
      const report = (error: Error): never => assert.fail(error);
      const deps = { store, clock, instanceId: ids.next('ins'), announce: () => {}, report };
      const ledger = await StoredLedger.begin(deps, ids.next('led'));
      let isAsking = true;
      try {
        const settling = Promise.all(
          Array.from({ length: AT_ONCE }, async () => {
            while (isAsking) {
              const model = `m${ids.next('dsp').charCodeAt(28) % 5}`;
              await settledCall(ledger, ids, Date.now(), {}, { tenantId: 'default', model });
            }
          }),
        );
        const seen: number[] = [];
        const fromMs = Date.now() - 3_600_000;
        for (let round = 0; round < QUESTIONS; round++) {
          const groupBy = [[], ['model'], ['session', 'model'], ['model', 'outcome']][round % 4] as [];
          const toMs = Date.now() + 3_600_000;
          // Of a session's models one is shown, and all of them added up.
          const limit = round % 4 === 2 ? 1 : undefined;
          const bucket = limit === undefined && round % 3 === 0 ? ('hour' as const) : null;
          const { totals, asOfSeq } = await usageAnswer(store, {
            tenantId: null,
            fromMs,
            toMs,
            groupBy,
            bucket,
            filters: {},
            ...(limit === undefined ? {} : { limit }),
          });
          assert.equal(totals.requests, asOfSeq, `${groupBy} by ${bucket}, at most ${limit}`);
          seen.push(asOfSeq);
        }
        isAsking = false;
        await settling;
        assert.ok(new Set(seen).size > 5, `the answers were of ${new Set(seen).size} moments only`);
      } finally {
        isAsking = false;
        await ledger.close();
        await store.close();
      }
    });
  });
}
