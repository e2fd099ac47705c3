/** Events to receivers, on both engines: at least once under one id, in order at first, retried on their own schedule. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { ENGINES } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import { type Received, WebhookReceiver } from '../../../../test/rig/webhook-receiver.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Engine } from '../store/store.ts';
import { ATTEMPTS_MAX } from './schedule.ts';
import { endpointTo, type RoomOptions, WebhookRoom } from './webhooks.fixture.ts';

const rooms: WebhookRoom[] = [];
let receiver: WebhookReceiver;
before(async () => {
  receiver = await WebhookReceiver.start();
});
afterEach(async () => {
  for (const room of rooms.splice(0)) {
    assert.deepEqual(room.bugs, []);
    await room.close();
  }
  receiver.received.length = 0;
  receiver.behaviour = () => ({});
  receiver.openMax = 0;
});
after(() => receiver.close());

async function open(engine: Engine, options: RoomOptions = {}): Promise<WebhookRoom> {
  const room = await WebhookRoom.open({ engine, ...options });
  rooms.push(room);
  return room;
}

/** The system's clock, some way ahead. */
class TurnedClock implements Clock {
  #aheadMs = 0;

  turn(ms: number): void {
    this.#aheadMs += ms;
  }

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#aheadMs;
  }
}

const idsOf = (received: readonly Received[]): string[] => received.map(({ id }) => id);
const seqOf = ({ body }: Received): number => (JSON.parse(body) as { seq: number }).seq;

for (const engine of ENGINES) {
  describe(`webhooks on ${engine}`, () => {
    test('an endpoint gets every event from when it was known, and none from before', async () => {
      const room = await open(engine);
      await room.append(3);
      await room.follow(endpointTo(receiver.url));
      const ids = await room.append(20);
      await until('all came', () => receiver.received.length >= 20);
      assert.deepEqual(idsOf(receiver.received).sort(), ids.sort());
      const [row] = await room.rows('webhooks');
      await until('the cursor is recorded', async () => (await room.rows('followers'))[0]!.seq === 23);
      assert.equal(row?.definition, null);
      assert.deepEqual(await room.rows('deliveries'), [], 'what never failed has no row');
    });

    test('what fails is tried again under the same id, on its own schedule, and holds no other back', async () => {
      const room = await open(engine);
      const failures = new Map<string, number>();
      receiver.behaviour = (message) => {
        const failed = failures.get(message.id) ?? 0;
        // Every third fails twice.
        if (seqOf(message) % 3 !== 0 || failed >= 2) return {};
        failures.set(message.id, failed + 1);
        return { status: 500 };
      };
      await room.follow(endpointTo(receiver.url));
      const ids = await room.append(12);
      await until('all were delivered', async () => receiver.received.length === 12 + 8);
      const tries = Map.groupBy(receiver.received, ({ id }) => id);
      assert.deepEqual([...tries.keys()].sort(), ids.sort());
      await until('no row is left', async () => (await room.rows('deliveries')).length === 0);
      const [row] = await room.rows('webhooks');
      assert.equal(Number(row?.delivered), 12);
      assert.equal(Number(row?.failed), 8);
      // The last first attempt came before the first failed one was delivered at last.
      const lastFirst = Math.max(...[...tries.values()].map(([first]) => first!.at));
      assert.ok(lastFirst < tries.get(ids[2]!)!.at(-1)!.at);
    });

    test('the schedule is that of 75 hours; after its last attempt a message is dead, counted and kept', async () => {
      const turned = new TurnedClock();
      const room = await open(engine, { clock: turned });
      receiver.behaviour = () => ({ status: 500 });
      await room.follow(endpointTo(receiver.url, { firstMs: 5000 }));
      const [id] = await room.append(1);
      const waits: number[] = [];
      for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
        await until(`attempt ${attempt} is recorded`, async () => {
          const [row] = await room.rows('deliveries');
          return row?.attempts === attempt;
        });
        const [row] = await room.rows('deliveries');
        waits.push(Number(row!.nextAt) - Number(row!.lastAt));
        turned.turn(waits.at(-1)!);
        // Something that it does not want makes it look at the clock.
        await room.append(1, {}, 'session.patched');
      }
      await until('it is dead', async () => (await room.rows('deliveries'))[0]?.state === 'dead');
      assert.equal(receiver.received.length, ATTEMPTS_MAX);
      assert.deepEqual(room.dead, [id]);
      assert.equal(Number((await room.rows('webhooks'))[0]?.dead), 1);
      const [first, ...others] = waits.map((ms) => Math.round(ms / 5000));
      assert.deepEqual([first, ...others], [1, 12, 60, 360, 1440, 3600, 7200, 10_080, 14_400, 17_280]);
    });
  });
}
