/** A receiver that is away and comes back: nothing is lost, nothing is queued in memory, and what comes keeps its order. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { quotas } from '../../../../test/quotas.ts';
import { ENGINES } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import { WebhookReceiver } from '../../../../test/rig/webhook-receiver.ts';
import { endpointTo, WebhookRoom } from './webhooks.fixture.ts';

const CONCURRENCY = 4;
/** Rows while it is away: those of the failures that opened the breaker, and one for each time somebody looked. */
const ROWS_MAX = 100;
const HEAP_BYTES_MAX = 3 * 1024 * 1024;

for (const engine of ENGINES) {
  describe(`a receiver that is away, on ${engine}`, () => {
    test(`gets all ${quotas.webhookBacklog[engine]} events when it is back, each under one id, in order at first`, async (t) => {
      const count = quotas.webhookBacklog[engine];
      const receiver = await WebhookReceiver.start();
      const seqs: number[] = [];
      const seen = new Set<number>();
      receiver.behaviour = ({ body }) => {
        const { seq } = JSON.parse(body) as { seq: number };
        seqs.push(seq);
        seen.add(seq);
        return {};
      };
      const room = await WebhookRoom.open({ engine });
      t.after(async () => {
        await room.close();
        await receiver.close();
      });
      await receiver.close();
      await room.follow(endpointTo(receiver.url, { concurrency: CONCURRENCY, firstMs: 50, timeoutMs: 30_000 }));
      await appendAll(room, 100);
      await until('the breaker is open', () => room.webhooks!.view(null, 'one')?.isOpen === true);

      const before = heapBytes();
      const ids = await appendAll(room, count - 100);
      // The test's own list of ids is no queue.
      const grown = heapBytes() - before - ids.length * 64;
      assert.ok(grown < HEAP_BYTES_MAX, `the heap grew by ${grown} bytes while ${count} events waited`);
      const rows = await room.rows('deliveries');
      assert.ok(rows.length > 0 && rows.length <= ROWS_MAX, `${rows.length} rows for ${count} events`);

      await receiver.listen();
      await until('all have come', () => seen.size === count, 900_000);
      await until('no row is left', async () => (await room.rows('deliveries')).length === 0);
      await until('the cursor is at the end', async () => (await room.rows('followers'))[0]!.seq === count);
      assert.equal(new Set(receiver.received.map(({ id }) => id)).size, count, 'an event had two ids');
      assert.equal(receiver.received.length, count, 'what was delivered was delivered once');
      const retried = new Set(rows.flatMap(({ seqs: text }) => JSON.parse(String(text)) as number[]));
      assertInOrder(
        seqs.filter((seq) => !retried.has(seq)),
        CONCURRENCY,
      );
      assert.deepEqual(room.bugs, []);
    });
  });
}

test('control: the comparison of orders finds two that changed places', () => {
  assertInOrder([1, 2, 3, 4, 5], 1);
  assertInOrder([2, 1, 4, 3, 5], 2);
  assert.throws(() => assertInOrder([1, 3, 2, 4], 1));
  assert.throws(() => assertInOrder([5, 1, 2, 3, 4], 4));
});

/** At most `atOnce` are on their way at a time, so none comes before more than that many less one of its elders. */
function assertInOrder(seqs: readonly number[], atOnce: number): void {
  const missing = new Set<number>();
  let highest = 0;
  const all = new Set(seqs);
  for (const seq of seqs) {
    for (let elder = highest + 1; elder < seq; elder++) if (all.has(elder)) missing.add(elder);
    highest = Math.max(highest, seq);
    missing.delete(seq);
    assert.ok(missing.size < atOnce, `${seq} came before ${[...missing].join(', ')}`);
  }
}

async function appendAll(room: WebhookRoom, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(...(await room.append(Math.min(500, count - ids.length))));
  return ids;
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
