/** However many events are set aside for a plugin, each comes up for its replay once, oldest first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventEnvelope } from '@weighbridge/protocol';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import { systemClock } from '../lib/clock.ts';
import { openStore } from '../store/open.ts';
import { EventsAside } from './aside.ts';
import { PLUGIN_WRITES } from './room.ts';

const COUNT = 450;

test('more than one page of events set aside is replayed whole, also where each is forgotten as it goes', async (t) => {
  const database = await freshDatabase('sqlite');
  const store = await openStore({ database, durability: 'process', rooms: [PLUGIN_WRITES], intents: [] });
  t.after(() => store.close());
  const aside = new EventsAside(store, systemClock);
  const events = Array.from({ length: COUNT }, (_, n) => eventOf(2 * n + 1));
  await Promise.all(events.map((event) => aside.add('slow', event, 5, 'threw')));
  await aside.add('another', eventOf(1), 5, 'threw');
  assert.equal(await aside.replay('slow'), COUNT);
  const found: number[] = [];
  for await (const page of aside.waiting('slow')) {
    assert.ok(page.length <= 200);
    found.push(...page);
    for (const seq of page) await aside.forget('slow', eventOf(seq));
  }
  assert.deepEqual(
    found,
    events.map(({ seq }) => seq),
  );
  assert.deepEqual([await aside.count('slow'), await aside.count('another')], [0, 1]);
});

function eventOf(seq: number): EventEnvelope {
  return { seq, id: `evt_${seq}`, type: 'model.usage', data: { tenantId: 't' } } as unknown as EventEnvelope;
}
