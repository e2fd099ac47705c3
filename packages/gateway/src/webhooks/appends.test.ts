/** Who is told that the log has grown: whoever may want it at once, the others too, but in their turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../../test/rig/until.ts';
import { Appends } from './appends.ts';
import { WebhookRoom } from './webhooks.fixture.ts';

test('an event wakes those that may want it; the others are told once, a few at a time, so that their cursors move', async (t) => {
  const room = await WebhookRoom.open();
  t.after(() => room.close());
  const appends = new Appends(room.log);
  t.after(() => appends.close());
  const told: string[] = [];
  const usage = ['model.usage'];
  const watch = (name: string, tenantId: string | null, events = usage) =>
    appends.watch({ tenantId, events }, () => told.push(name));
  watch('patches', null, ['session.patched']);
  for (let n = 0; n < 7; n++) watch(`other ${n}`, `other-${n}`);
  watch('acme', 'acme');
  watch('all', null);
  await until('where the log ends is known', () => told.length === 10);
  told.length = 0;
  await room.append(1, { tenantId: 'acme' });
  await until('all were told', () => told.length === 10);
  assert.deepEqual(told.slice(0, 2), ['acme', 'all']);
  assert.equal(new Set(told).size, 10, 'each was told once');
});

test('where nobody watches the log is not read; whoever watches then is told once, and of what comes after', async (t) => {
  const room = await WebhookRoom.open();
  t.after(() => room.close());
  const asked: string[] = [];
  const appends = new Appends({
    kinds: (cursor) => {
      asked.push('kinds');
      return room.log.kinds(cursor);
    },
    lastSeq: () => {
      asked.push('lastSeq');
      return room.log.lastSeq();
    },
    watch: (listener) => room.log.watch(listener),
  });
  t.after(() => appends.close());
  await room.append(3);
  assert.deepEqual(asked, []);
  let told = 0;
  const stop = appends.watch({ tenantId: null, events: ['model.usage'] }, () => told++);
  await until('it was told where the log ends', () => told === 1);
  await room.append(1);
  await until('it was told of an event', () => told === 2);
  stop();
  asked.length = 0;
  await room.append(3);
  assert.deepEqual(asked, []);
  assert.equal(told, 2);
  appends.watch({ tenantId: null, events: ['model.usage'] }, () => told++);
  await until('the next one was told where the log ends', () => told === 3);
  assert.equal(asked[0], 'lastSeq', 'it was told where the log ends, not of what came before');
});
