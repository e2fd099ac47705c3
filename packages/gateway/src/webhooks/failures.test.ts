/** What fails beside a courier (a question, a record) must not end an endpoint: it begins anew, and nothing is lost. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../../../../test/rig/until.ts';
import { WebhookReceiver } from '../../../../test/rig/webhook-receiver.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { endpointTo, WebhookRoom } from './webhooks.fixture.ts';

/** Answers what a courier records with an error, as long as there is one. */
interface Refusing {
  error: Error | null;
}

async function opened(t: TestContext): Promise<{ room: WebhookRoom; receiver: WebhookReceiver; refusing: Refusing }> {
  const receiver = await WebhookReceiver.start();
  const refusing: Refusing = { error: null };
  const deps = {};
  const room = await WebhookRoom.open({ deps });
  Object.assign(deps, { store: refusingRecords(room.store, refusing) });
  t.after(async () => {
    await room.close();
    await receiver.close();
  });
  return { room, receiver, refusing };
}

function refusingRecords(store: Store, refusing: Refusing): Store {
  return new Proxy(store, {
    get: (_store, name) => {
      if (name !== 'write') {
        const value = Reflect.get(store, name) as unknown;
        return typeof value === 'function' ? (value.bind(store) as unknown) : value;
      }
      return (script: string, input: unknown) =>
        script === 'recordDeliveries' && refusing.error !== null
          ? Promise.reject(refusing.error)
          : store.write(script, input);
    },
  });
}

test('a question that fails is asked again: the endpoint goes on, and its event comes', async (t) => {
  const { room, receiver } = await opened(t);
  await room.follow(endpointTo(receiver.url));
  await room.append(1);
  await until('the first came', () => receiver.received.length === 1);
  const { log } = room;
  const page = log.page.bind(log);
  let failed = 0;
  log.page = (...asked) => (failed++ === 0 ? Promise.reject(new Error('the question was too large')) : page(...asked));
  const ids = await room.append(2);
  await until('they came', () => receiver.received.length >= 3);
  assert.deepEqual(
    receiver.received.slice(1).map(({ id }) => id),
    ids,
  );
  assert.equal(room.bugs.length, 1);
});

test('a record that is refused for good ends no process and no endpoint: what it was of comes again', async (t) => {
  const { room, receiver, refusing } = await opened(t);
  await room.follow(endpointTo(receiver.url));
  refusing.error = new Error('it cannot be written');
  const ids = await room.append(1);
  await until('the refusal was told', () => room.bugs.length > 0);
  refusing.error = null;
  await until('it came again', () => receiver.received.length >= 2);
  assert.deepEqual(new Set(receiver.received.map(({ id }) => id)), new Set(ids));
  await until('it is recorded', async () => Number((await room.rows('webhooks'))[0]?.delivered) === 1);
});

test('a 410 that could not be recorded is forgotten, not half believed: the endpoint is asked again', async (t) => {
  const { room, receiver, refusing } = await opened(t);
  receiver.behaviour = () => ({ status: 410 });
  await room.follow(endpointTo(receiver.url));
  refusing.error = new StoreUnavailable('away');
  await room.append(1);
  await until('it was asked again', () => receiver.received.length >= 2);
  assert.equal((await room.rows('webhooks'))[0]?.disabledAt, null);
});
