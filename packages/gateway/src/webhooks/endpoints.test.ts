/** What endpoints may ask for: signatures, secrets that change, filters, batches, strict order, an end; and who runs them. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { newSigningSecret } from '@weighbridge/protocol/webhook';
import { Webhook } from 'standardwebhooks';
import { ENGINES } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import { type Received, WebhookReceiver } from '../../../../test/rig/webhook-receiver.ts';
import { Secret } from '../lib/secret.ts';
import { definitionText, secretsText } from './stored.ts';
import { endpointTo, type RoomOptions, WebhookRoom } from './webhooks.fixture.ts';

let receiver: WebhookReceiver;
const rooms: WebhookRoom[] = [];
beforeEach(async () => {
  receiver = await WebhookReceiver.start();
});
afterEach(async () => {
  for (const room of rooms.splice(0)) {
    assert.deepEqual(room.bugs, []);
    await room.close();
  }
  await receiver.close();
});

async function open(options: RoomOptions = {}): Promise<WebhookRoom> {
  const room = await WebhookRoom.open(options);
  rooms.push(room);
  return room;
}

const bodyOf = <T = { seq: number; id: string }>({ body }: Received): T => JSON.parse(body) as T;
const held = (text: string, expiresAt: number | null = null) => ({ secret: new Secret(text), expiresAt });
const verifies = (secret: string, { body, headers }: Received): boolean => {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
};

test('every message is signed, retries too, and the reference implementation verifies it', async () => {
  const secret = newSigningSecret();
  const room = await open();
  let failed = 0;
  receiver.behaviour = () => (failed++ < 3 ? { status: 500 } : {});
  await room.follow(endpointTo(receiver.url, { secrets: [held(secret)] }));
  await room.append(10);
  await until('all came', () => receiver.received.length === 13);
  assert.deepEqual(
    receiver.received.filter((message) => !verifies(secret, message)),
    [],
  );
  const [first] = receiver.received;
  assert.equal(first!.headers['webhook-id'], bodyOf(first!).id);
  // Controls: another secret, another body, another id.
  assert.equal(verifies(newSigningSecret(), first!), false);
  assert.equal(verifies(secret, { ...first!, body: `${first!.body} ` }), false);
  assert.equal(verifies(secret, { ...first!, headers: { ...first!.headers, 'webhook-id': 'evt_x' } }), false);
});

test('a secret is changed without a gap: at every moment one who knows either verifies what comes', async () => {
  const [old, young] = [newSigningSecret(), newSigningSecret()];
  const room = await open();
  const webhooks = await room.follow(endpointTo(receiver.url, { secrets: [held(old)] }));
  let appended = 0;
  const feed = async (count: number): Promise<void> => {
    appended += count;
    await room.append(count);
  };
  await feed(5);
  await until('the first came', () => receiver.received.length === appended);
  // The operator's order: both, then the receiver changes, then the old one goes.
  const feeding = setInterval(() => void feed(1), 2);
  await webhooks.use([endpointTo(receiver.url, { secrets: [held(young), held(old)] })]);
  const bothFrom = receiver.received.length;
  await until('some came with both', () => receiver.received.length > bothFrom + 20);
  const bothTo = receiver.received.length;
  await webhooks.use([endpointTo(receiver.url, { secrets: [held(young)] })]);
  const youngFrom = receiver.received.length;
  await until('some came with the new one', () => receiver.received.length > youngFrom + 20);
  clearInterval(feeding);
  await until('all came', () => new Set(receiver.received.map(({ id }) => id)).size === appended);
  assert.ok(receiver.received.every((message) => verifies(old, message) || verifies(young, message)));
  const both = receiver.received.slice(bothFrom, bothTo);
  assert.ok(
    both.every((message) => verifies(old, message) && verifies(young, message)),
    'both sign while both hold',
  );
  assert.ok(receiver.received.slice(youngFrom).every((message) => verifies(young, message) && !verifies(old, message)));
});

test('a secret that ran out signs no more', async () => {
  const [old, young] = [newSigningSecret(), newSigningSecret()];
  const room = await open();
  await room.follow(endpointTo(receiver.url, { secrets: [held(young), held(old, Date.now() - 1)] }));
  await room.append(1);
  await until('it came', () => receiver.received.length === 1);
  assert.equal(verifies(old, receiver.received[0]!), false);
  assert.equal(verifies(young, receiver.received[0]!), true);
});

test('a token goes into its header, and a secret or a token into nothing else', async () => {
  const room = await open();
  const token = 'tok-4711-secret';
  const as = (id: string, tokenHeader: string | null) =>
    endpointTo(receiver.url, { id, tokenHeader, token: new Secret(token) });
  await room.follow(as('a', null), as('b', 'x-hook-token'));
  await room.append(1);
  await until('both came', () => receiver.received.length === 2);
  const sent = receiver.received.map(({ headers }) => headers);
  assert.ok(sent.some((headers) => headers.authorization === `Bearer ${token}`));
  assert.ok(sent.some((headers) => headers['x-hook-token'] === token && headers.authorization === undefined));
  assert.ok(receiver.received.every(({ body }) => !body.includes(token)));
});

test('a filter lets exact matches through and moves the cursor past the others', async () => {
  const room = await open();
  await room.follow(endpointTo(receiver.url, { filter: { tenant: 'acme', outcome: 'failed' } }));
  await room.append(5);
  const wanted = await room.append(2, { tenantId: 'acme', outcome: 'failed' });
  await room.append(3, { tenantId: 'acme' });
  await room.append(3, { tenantId: 'acme', outcome: 'failed' }, 'model.usage.corrected');
  await until('the cursor is at the end', async () => (await room.rows('followers'))[0]!.seq === 13);
  assert.deepEqual(receiver.received.map(({ id }) => id).sort(), wanted.sort());
});

test('an endpoint of one tenant sees no other’s events', async () => {
  const room = await open();
  await room.follow(endpointTo(receiver.url, { tenantId: 'acme' }));
  await room.append(5);
  const ids = await room.append(2, { tenantId: 'acme' });
  await room.append(1, { tenantId: 'acme2' });
  await until('the cursor is at the end', async () => (await room.rows('followers'))[0]!.seq === 8);
  assert.deepEqual(receiver.received.map(({ id }) => id).sort(), ids.sort());
});

test('a batch holds what came, up to its size, and a batch that fails comes again under the same id', async () => {
  const room = await open();
  let failed = false;
  receiver.behaviour = () => {
    if (failed) return {};
    failed = true;
    return { status: 503 };
  };
  await room.follow(endpointTo(receiver.url, { batch: { max: 10, waitMs: 30 }, concurrency: 1 }));
  const ids = await room.append(25);
  const got = (): string[] =>
    receiver.received.slice(1).flatMap((message) => bodyOf<{ id: string }[]>(message).map(({ id }) => id));
  await until('all came', () => got().length >= 25);
  assert.deepEqual(got().sort(), ids.sort());
  assert.ok(receiver.received.every((message) => bodyOf<unknown[]>(message).length <= 10));
  const again = receiver.received.filter(({ id }) => id === receiver.received[0]!.id);
  assert.equal(again.length, 2);
  assert.equal(again[0]!.body, again[1]!.body);
  assert.equal(new Set(receiver.received.map(({ id }) => id)).size, receiver.received.length - 1);
});

test('in strict order nothing passes what failed, and one goes at a time', async () => {
  const room = await open();
  let failures = 0;
  receiver.behaviour = (message) => (bodyOf(message).seq % 5 === 0 && failures++ % 3 < 2 ? { status: 500 } : {});
  await room.follow(endpointTo(receiver.url, { ordered: true, concurrency: 1, firstMs: 5 }));
  await room.append(12);
  await until('the last came', () => receiver.received.some((message) => bodyOf(message).seq === 12));
  const seqs = receiver.received.map((message) => bodyOf(message).seq);
  assert.deepEqual(seqs, [1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 10, 10, 11, 12]);
  assert.equal(receiver.openMax, 1);
});

test('no more attempts are under way than `concurrency` says, and one that hangs holds the others’ slots free', async () => {
  const room = await open();
  const release = Promise.withResolvers<void>();
  let underWayMax = 0;
  receiver.behaviour = async (message) => {
    underWayMax = Math.max(underWayMax, room.webhooks!.view(null, 'one')!.inFlight);
    if (bodyOf(message).seq === 1) await release.promise;
    return {};
  };
  await room.follow(endpointTo(receiver.url, { concurrency: 3, timeoutMs: 30_000 }));
  await room.append(40);
  await until('all came', () => receiver.received.length === 40);
  assert.ok(receiver.openMax <= 3, `${receiver.openMax} at once`);
  assert.ok(underWayMax <= 3, `${underWayMax} were taken out of the log at once`);
  assert.equal((await room.rows('followers'))[0]!.seq, 0, 'the cursor waits for what hangs');
  release.resolve();
  await until('the cursor is at the end', async () => (await room.rows('followers'))[0]!.seq === 40);
  assert.equal(receiver.received.length, 40);
});

test('410 disables the endpoint: nothing more is sent, and when it is enabled what failed comes again', async () => {
  const room = await open();
  receiver.behaviour = () => ({ status: 410 });
  const webhooks = await room.follow(endpointTo(receiver.url, { concurrency: 1 }));
  const ids = await room.append(5);
  await until('it is disabled', async () => (await room.rows('webhooks'))[0]!.disabledAt !== null);
  assert.equal(room.disabled.length, 1);
  await webhooks.refresh();
  await room.append(1);
  assert.equal(receiver.received.length, 1);
  receiver.behaviour = () => ({});
  await room.store.write('setEndpointsDisabled', { tenantId: '*', endpointId: 'one', disabledAt: null, reason: null });
  await webhooks.refresh();
  await until('all came', () => receiver.received.length === 7);
  const came = new Set(receiver.received.map(({ id }) => id));
  assert.deepEqual(
    ids.filter((id) => !came.has(id)),
    [],
  );
});

test('`Retry-After` of a busy receiver stops everything to it until then, and to nobody else', async () => {
  const room = await open();
  const other = await WebhookReceiver.start();
  let asked = 0;
  receiver.behaviour = () => (asked++ === 0 ? { status: 429, headers: { 'retry-after': '1' } } : {});
  await room.follow(
    endpointTo(receiver.url, { id: 'busy', concurrency: 1, firstMs: 1 }),
    endpointTo(other.url, { id: 'other' }),
  );
  await room.append(5);
  await until('the other has all', () => other.received.length === 5);
  assert.equal(receiver.received.length, 1);
  await until('the busy one has all', () => receiver.received.length === 6);
  const [first, second] = receiver.received;
  assert.ok(second!.at - first!.at >= 990, `it came again after ${second!.at - first!.at} ms`);
  await other.close();
});

test('one endpoint that hangs delays no other', async () => {
  const room = await open();
  const other = await WebhookReceiver.start();
  receiver.behaviour = () => null;
  await room.follow(
    endpointTo(receiver.url, { id: 'hangs', timeoutMs: 60_000 }),
    endpointTo(other.url, { id: 'other' }),
  );
  await room.append(50);
  await until('the other has all', () => other.received.length === 50);
  assert.equal(receiver.received.length, 4);
  await other.close();
});

test('an endpoint that was removed is never sent what was before it, whoever notices late', async () => {
  const room = await open();
  const old = await room.append(5);
  const webhooks = await room.follow();
  const endpoint = endpointTo(receiver.url, { origin: 'stored', id: 'whk_1' });
  const made = {
    tenantId: '*',
    endpointId: 'whk_1',
    definition: definitionText(endpoint),
    secrets: secretsText(endpoint),
  };
  await room.store.write('addEndpoints', { ...made, createdBy: null, now: 1, max: 9 });
  await webhooks.refresh();
  await room.append(3);
  await until('three came', () => receiver.received.length === 3);
  // As another gateway does it: here nobody has heard of it yet, and the courier tries to take its place again.
  await room.store.write('removeEndpoints', { tenantId: '*', endpointId: 'whk_1' });
  await room.append(3);
  await until('it has ended', () => !webhooks.wants('model.usage'), 10_000);
  assert.deepEqual(
    receiver.received.map(({ id }) => id).filter((id) => old.includes(id)),
    [],
  );
});

test('an endpoint that is taken out and put back goes on where it stood', async () => {
  const room = await open();
  const webhooks = await room.follow(endpointTo(receiver.url));
  await room.append(3);
  await until('three came', () => receiver.received.length === 3);
  await webhooks.use([]);
  await room.append(2);
  assert.equal(receiver.received.length, 3);
  await webhooks.use([endpointTo(receiver.url)]);
  await until('all came', () => receiver.received.length === 5);
});

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    test('a replay sends what is asked for once more, under the same ids', async () => {
      const room = await open({ engine });
      const webhooks = await room.follow(endpointTo(receiver.url));
      const ids = await room.append(10);
      await until('all came', () => receiver.received.length === 10);
      await room.store.write('replayEndpoints', { tenantId: '*', endpointId: 'one', fromSeq: 7 });
      await webhooks.restart('*', 'one');
      const again = (): string[] => receiver.received.slice(10).map(({ id }) => id);
      await until('they came again', () => new Set(again()).size >= 4);
      await until('the cursor is at the end', async () => (await room.rows('followers'))[0]!.seq === 10);
      // What was delivered a moment ago may not have been recorded yet, and then comes again too.
      const missing = ids.slice(6).filter((id) => !again().includes(id));
      assert.deepEqual(missing, []);
      assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 10);
    });

    test('control: an attempt that is recorded under an old fence changes nothing', async () => {
      const room = await open({ engine });
      await room.follow();
      const name = { tenantId: '*', endpointId: 'one' };
      await room.store.write('addEndpoints', {
        ...name,
        definition: null,
        secrets: null,
        createdBy: null,
        now: 1,
        max: null,
      });
      const record = {
        ...name,
        fence: 7,
        seq: 5,
        now: 1,
        failed: [],
        done: [],
        sums: { delivered: 1, failed: 0, dead: 0 },
      };
      const nothing = { lastDeliveredAt: null, lastFailedAt: null, lastFailure: null, disabledReason: null };
      assert.equal(await room.store.write('recordDeliveries', { ...record, ...nothing }), false);
      assert.equal((await room.rows('followers'))[0]!.seq, 0);
      assert.equal((await room.rows('webhooks'))[0]!.delivered, 0);
    });
  });
}

test('of two gateways on one database one runs an endpoint; the other goes on when it is gone, and nothing is lost', async () => {
  const one = await open({ engine: 'postgres' });
  const two = await open({ database: one.database });
  await one.follow(endpointTo(receiver.url));
  await two.follow(endpointTo(receiver.url));
  const ids = [...(await one.append(20)), ...(await two.append(20))];
  await until('all came', () => receiver.received.length >= 40);
  assert.equal(receiver.received.length, 40, 'both sent');
  const runs = ({ webhooks }: WebhookRoom): boolean => webhooks!.view(null, 'one') !== null;
  assert.equal([one, two].filter(runs).length, 1);
  const [gone, left] = runs(one) ? [one, two] : [two, one];
  rooms.splice(rooms.indexOf(gone), 1);
  await gone.close();
  ids.push(...(await left.append(5)));
  await until('the other goes on', () => receiver.received.length >= 45);
  assert.deepEqual(receiver.received.map(({ id }) => id).sort(), ids.sort());
});
