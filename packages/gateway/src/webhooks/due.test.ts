/** A failure that is recorded while the table is being read must not be forgotten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../store/store.ts';
import { DueMessages } from './due.ts';
import { endpointTo, WebhookRoom } from './webhooks.fixture.ts';

test('a row that is written while somebody looks is found by that look', async (t) => {
  const room = await WebhookRoom.open();
  t.after(() => room.close());
  const { store } = room;
  await room.follow();
  const [id] = await room.append(1);
  const name = { tenantId: '*', endpointId: 'one' };
  await store.write('addEndpoints', { ...name, definition: null, secrets: null, createdBy: null, now: 1, max: null });
  await store.write('claimFollowers', { tenantId: '*', name: 'webhook:one', holder: 'x', leaseMs: 60_000 });

  // The first answer is that of before the write, and comes after it.
  const wasRead = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  let reads = 0;
  const slow = {
    queries: store.queries,
    read: async (query: Parameters<Store['read']>[0]) => {
      const rows = await store.read(query);
      if (reads++ === 0) {
        wasRead.resolve();
        await mayAnswer.promise;
      }
      return rows;
    },
  } as unknown as Store;
  const endpoint = endpointTo('http://127.0.0.1:9/', { ordered: true, concurrency: 1 });
  const due = new DueMessages({ store: slow, log: room.log, endpoint, tenantId: '*', now: () => Date.now() });
  const looking = due.next();
  await wasRead.promise;
  due.noteFailure(id!, 1);
  await store.write('recordDeliveries', {
    ...name,
    ...{
      fence: 1,
      seq: 1,
      now: 1,
      done: [],
      lastDeliveredAt: null,
      lastFailedAt: 1,
      lastFailure: 'x',
      disabledReason: null,
    },
    failed: [['*', 'one', id!, '[1]', 1, 'pending', 1, 1, 1, 500, 'status 500']],
    sums: { delivered: 0, failed: 1, dead: 0 },
  });
  due.recorded([id!]);
  mayAnswer.resolve();
  assert.equal((await looking)?.id, id);
  assert.equal(due.holdsOthers, true, 'nothing passes it');
});
