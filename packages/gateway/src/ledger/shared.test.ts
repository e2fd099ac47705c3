/** Several gateways on one PostgreSQL: numbers in commit order, the dead told from the living, a server that goes away. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeUsage } from '@weighbridge/protocol';
import { sql } from 'kysely';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import { PostgresServer, runOn } from '../../../../test/rig/postgres-server.ts';
import { until } from '../../../../test/rig/until.ts';
import type { Database } from '../domain/config.ts';
import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import { pin } from '../domain/price.ts';
import { holdFollower } from '../events/follower.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource, siblingId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import type { RoomWrites } from '../store/compile.ts';
import { openStore } from '../store/open.ts';
import { asked, type StatementShape } from '../store/statement.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { Heartbeat } from './heartbeat.ts';
import { StoredLedger } from './ledger.ts';
import { findDispatch, recordsByEntryId } from './questions.ts';
import { settlementValues } from './record.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { SLOW_STATEMENTS } from './slow-settle.fixture.ts';
import { verifyLedger } from './verify.ts';

const ids = new IdSource();
const opened: Gateway[] = [];
afterEach(async () => {
  for (const gateway of opened.splice(0)) await gateway.close();
});

/** What of a gateway matters here: store, ledger, log. */
class Gateway {
  readonly store: Store;
  readonly ledger: StoredLedger;
  readonly events: EventLog;
  readonly instanceId: string;
  #closed = false;

  private constructor(store: Store, ledger: StoredLedger, events: EventLog, instanceId: string) {
    this.store = store;
    this.ledger = ledger;
    this.events = events;
    this.instanceId = instanceId;
  }

  static async open(database: Database, over: { statements?: Record<string, StatementShape>; holdMs?: number } = {}) {
    const rooms: RoomWrites[] = [
      { ...EVENT_WRITES, statements: { ...EVENT_WRITES.statements, ...over.statements } },
      LEDGER_WRITES,
      { statements: SLOW_STATEMENTS, scripts: new URL('./slow-settle.fixture.ts', import.meta.url) },
    ];
    const intents = [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS];
    const store = await openStore({ database, durability: 'power', rooms, intents, holdMs: over.holdMs ?? 5000 });
    const instanceId = ids.next('ins');
    const render = (tenantId: string, entryIds: readonly string[]) => recordsByEntryId(store, tenantId, entryIds);
    const events = new EventLog({ store, ledgerId: () => 'led', renderers: { 'model.usage': render } });
    store.onTold((payload) => (payload === null ? events.wake() : events.announce(Number(payload))));
    const announce = (seq: number) => events.announce(seq);
    const report = (error: Error) => assert.fail(error);
    const ledger = await StoredLedger.begin(
      { store, clock: systemClock, instanceId, announce, report },
      ids.next('led'),
    );
    const gateway = new Gateway(store, ledger, events, instanceId);
    opened.push(gateway);
    return gateway;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.ledger.close();
    await this.store.close();
  }

  heartbeat(leaseMs: number): Heartbeat {
    const { store, ledger, instanceId } = this;
    const recoverDead = () => ledger.recoverDead();
    return new Heartbeat({ store, clock: systemClock, instanceId, leaseMs, recoverDead, onRecovered: () => {} });
  }

  async call(model = 'gpt-5'): Promise<EntryIntent> {
    const intent = intentOf(model);
    await this.ledger.open(intent);
    await this.ledger.settle(settlementOf(intent));
    return intent;
  }
}

function intentOf(model = 'gpt-5'): EntryIntent {
  return {
    dispatchId: ids.next('dsp'),
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: null,
      sessionKey: null,
      sessionId: null,
      endUserId: null,
      endUserSource: null,
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider: 'openai',
    model,
    requestedModel: model,
    api: 'openai-completions',
    stream: true,
    source: 'gateway',
    startedAt: Date.now(),
  };
}

function settlementOf(intent: EntryIntent): EntrySettlement {
  return {
    dispatchId: intent.dispatchId,
    tenantId: 'default',
    outcome: 'completed',
    httpStatus: 200,
    errorKind: null,
    stopReason: 'stop',
    serviceTier: null,
    usage: makeUsage({ input: 10, output: 5 }),
    usageSource: 'reported',
    rawUsage: null,
    price: null,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs: 100,
    timeToFirstTokenMs: 10,
    endedAt: Date.now(),
    providerRequestId: null,
  };
}

/** Two gateways; the first takes its number and is slow to commit. Gives what a follower saw, in the order it saw it. */
async function slowCommitterAndFollower(statements: Record<string, StatementShape>): Promise<string[]> {
  const database = await freshDatabase('postgres');
  const url = database.kind === 'postgres' ? database.url.reveal() : '';
  await runOn(url, 'create sequence numbers');
  const slow = await Gateway.open(database, { statements });
  const quick = await Gateway.open(database, { statements });
  const seen: string[] = [];
  const stop = new AbortController();
  const following = (async () => {
    const question = { afterSeq: 0, tenantId: 'default', types: null, signal: stop.signal };
    for await (const event of quick.events.follow(question)) seen.push((event.data as { model: string }).model);
  })();
  const intent = intentOf('slow');
  await slow.ledger.open(intent);
  const slowly = slow.store.write('slowSettle', {
    identity: { tenantId: 'default', provider: 'openai', model: 'slow', agentId: null, source: 'gateway' },
    entryId: siblingId(intent.dispatchId, 'ent'),
    eventId: siblingId(intent.dispatchId, 'evt'),
    now: Date.now(),
    values: settlementValues(settlementOf(intent), null),
  });
  await until('the slow one has its number and sleeps', async () => {
    const rows = await runOn(
      url,
      `select 1 from pg_stat_activity where query like '%pg_sleep%' and wait_event = 'PgSleep'`,
    );
    return rows.length > 0;
  });
  await quick.call('quick');
  await slowly;
  await quick.call('last');
  await until('the follower has seen the last', () => seen.includes('last'));
  stop.abort();
  await following;
  return seen;
}

describe('several gateways on one PostgreSQL', () => {
  test('semantics 2: with a slow committer beside it, a follower misses nothing', async () => {
    assert.deepEqual(await slowCommitterAndFollower({}), ['slow', 'quick', 'last']);
  });

  test('control: without the commit-order lock the follower misses the slow one', async () => {
    const seen = await slowCommitterAndFollower({
      'events.lockCounters': asked((db) =>
        db.selectNoFrom([sql`nextval('numbers') * 10 + ${0} * 0`.as('lastSeq'), sql`0`.as('lastSettledAt')]),
      ),
      'events.advanceCounters': asked((db) =>
        db.selectNoFrom(sql`${0}::bigint + ${0}::bigint + ${0}::bigint`.as('advanced')),
      ),
    });
    assert.deepEqual(seen, ['quick', 'last']);
  });

  test('semantics 3: the open entries of a gateway are recovered once its lease has run out, and not before', async () => {
    const database = await freshDatabase('postgres');
    const dying = await Gateway.open(database);
    const living = await Gateway.open(database);
    const leaseMs = 600;
    const [its, mine] = [intentOf(), intentOf()];
    await dying.ledger.open(its);
    await living.ledger.open(mine);
    const [dyingBeats, beats] = [dying.heartbeat(leaseMs), living.heartbeat(leaseMs)];
    await Promise.all([dyingBeats.start(), beats.start()]);
    await sleep(leaseMs * 2);
    const outcome = async (intent: EntryIntent) =>
      (await findDispatch(living.store, 'default', intent.dispatchId))?.outcome;
    assert.equal(await outcome(its), null, 'it was taken for dead while it lived');
    await dyingBeats.stop();
    await until('it is taken for dead', async () => (await outcome(its)) === 'uncertain');
    assert.equal(await outcome(mine), null);
    await beats.stop();
    assert.deepEqual((await verifyLedger(living.store)).problems, []);
  });

  test('who was held for dead and lives adds what it knows as a correction', async () => {
    const database = await freshDatabase('postgres');
    const paused = await Gateway.open(database);
    const other = await Gateway.open(database);
    const intent = intentOf();
    await paused.ledger.open(intent);
    assert.equal(await other.ledger.recoverDead(), 1);
    const price = pin('config', { input: 1_000_000n, output: 2_000_000n });
    await paused.ledger.settle({ ...settlementOf(intent), price });
    const detail = await findDispatch(other.store, 'default', intent.dispatchId);
    assert.equal(detail?.outcome, 'uncertain');
    assert.equal(detail?.usage, null);
    const [late] = detail!.corrections;
    assert.equal(late?.usage?.total, 15);
    // It explains itself like any other: its lines are those of what came late.
    const lines = detail!.priceLines!.map(({ amountPicoUsd }) => BigInt(amountPicoUsd));
    assert.equal(lines.reduce((sum, each) => sum + each) / 1000n, BigInt(late!.cost!.nanoUsd));
    assert.deepEqual([detail!.price?.priceId, detail!.costNow?.nanoUsd], [late!.cost!.priceId, late!.cost!.nanoUsd]);
    assert.deepEqual((await verifyLedger(other.store)).problems, []);
  });

  test('the log has no hole where some of a batch were settled by others', async () => {
    const database = await freshDatabase('postgres');
    const paused = await Gateway.open(database);
    const other = await Gateway.open(database);
    const [first, dead, alsoDead] = [intentOf(), intentOf(), intentOf()];
    for (const intent of [first, dead, alsoDead]) await paused.ledger.open(intent);
    assert.equal(await other.ledger.recoverDead(), 3);
    const living = [intentOf(), intentOf()];
    for (const intent of living) await paused.ledger.open(intent);
    // Who comes while the first is on its way goes in one batch.
    const batch = [first, dead, living[0]!, alsoDead, living[1]!];
    await Promise.all(batch.map((intent) => paused.ledger.settle(settlementOf(intent))));
    if (database.kind !== 'postgres') assert.fail();
    const seqs = await runOn(
      database.url.reveal(),
      `select events.seq::int as event, entries.seq::int as entry
       from events left join entries on "entryId" = subject order by events.seq`,
    );
    // Three by recovery, then two of the batch and what it adds to the three.
    assert.deepEqual(
      seqs,
      Array.from({ length: 8 }, (_, i) => ({ event: i + 1, entry: i + 1 })),
    );
    assert.deepEqual((await verifyLedger(other.store)).problems, []);
  });

  test('a follower is run by one gateway at a time; when that one is gone another goes on where it stood', async () => {
    const database = await freshDatabase('postgres');
    const [a, b] = [await Gateway.open(database), await Gateway.open(database)];
    const received: { by: string; seq: number }[] = [];
    const stops = { a: new AbortController(), b: new AbortController() };
    const run = (by: 'a' | 'b', { store, events, instanceId: holder }: Gateway) => {
      const name = { tenantId: 'default', name: 'webhook' };
      const onFailure = (error: unknown) => assert.fail(error as Error);
      return holdFollower(
        { store, holder },
        { ...name, leaseMs: 300, signal: stops[by].signal, onFailure },
        async (hold) => {
          const { seq: afterSeq, fence, signal } = hold;
          for await (const { seq } of events.follow({ afterSeq, tenantId: 'default', types: null, signal })) {
            received.push({ by, seq });
            if (!(await store.write('moveCursors', { ...name, fence, seq, now: 0 }))) return;
          }
        },
      );
    };
    const first = run('a', a);
    for (let i = 0; i < 3; i++) await b.call();
    await until('a has received three', () => received.length === 3);
    const second = run('b', b);
    for (let i = 0; i < 3; i++) await b.call();
    await until('a has received six', () => received.length === 6);
    assert.ok(
      received.every(({ by }) => by === 'a'),
      'two received at once',
    );
    stops.a.abort();
    await first;
    await b.call();
    await until('b goes on', () => received.length === 7);
    stops.b.abort();
    await second;
    assert.deepEqual(received.at(-1), { by: 'b', seq: 7 });
    assert.deepEqual(
      received.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6, 7],
    );
  });

  test('a holder whose lease went to another moves the cursor no more', async () => {
    const database = await freshDatabase('postgres');
    const { store } = await Gateway.open(database);
    const follower = { tenantId: 'default', name: 'hook' };
    const old = await store.write<{ fence: number }>('claimFollowers', { ...follower, holder: 'old', leaseMs: 1 });
    await sleep(20);
    const young = await store.write<{ fence: number }>('claimFollowers', {
      ...follower,
      holder: 'young',
      leaseMs: 5000,
    });
    assert.equal(await store.write('claimFollowers', { ...follower, holder: 'old', leaseMs: 5000 }), null);
    assert.equal(await store.write('moveCursors', { ...follower, fence: old.fence, seq: 9, now: 0 }), false);
    assert.equal(await store.write('moveCursors', { ...follower, fence: young.fence, seq: 5, now: 0 }), true);
  });
});

describe('a PostgreSQL server that goes away', () => {
  for (const mode of ['fast', 'immediate'] as const) {
    test(`nothing is lost or doubled when it is restarted (${mode}) under load`, async (t) => {
      const server = await PostgresServer.start();
      t.after(() => server.end());
      const database: Database = { kind: 'postgres', url: new Secret(await server.createDatabase()) };
      const gateway = await Gateway.open(database, { holdMs: 20_000 });
      let stopped = false;
      const made: string[] = [];
      const callers = Array.from({ length: 8 }, async () => {
        while (!stopped) made.push((await gateway.call()).dispatchId);
      });
      for (let restart = 0; restart < 3; restart++) {
        const before = made.length;
        await until('calls go on', () => made.length > before + 50);
        await server.restart(mode);
      }
      const before = made.length;
      await until('calls go on', () => made.length > before + 50);
      stopped = true;
      await Promise.all(callers);
      const verification = await verifyLedger(gateway.store);
      assert.deepEqual(verification.problems, []);
      assert.deepEqual([verification.entries, verification.open], [made.length, 0]);
      await gateway.close();
    });
  }

  test('it is waited for only so long; then calls are refused, and taken again when it is back', async (t) => {
    const server = await PostgresServer.start();
    t.after(() => server.end());
    const database: Database = { kind: 'postgres', url: new Secret(await server.createDatabase()) };
    const gateway = await Gateway.open(database, { holdMs: 200 });
    const said: (string | null)[] = [];
    gateway.store.onAvailability((reason) => said.push(reason));
    const inFlight = intentOf();
    await gateway.ledger.open(inFlight);
    await server.stop('fast');
    await assert.rejects(gateway.ledger.open(intentOf()), { code: 'ledger_unavailable' });
    await assert.rejects(gateway.ledger.settle(settlementOf(inFlight)), { code: 'ledger_unavailable' });
    assert.equal(gateway.store.available, false);
    await assert.rejects(
      gateway.store.read(gateway.store.queries.selectFrom('ledger').selectAll().compile()),
      StoreUnavailable,
    );
    await server.startAgain();
    await until('it is taken again', () => gateway.store.available && gateway.ledger.keptSettlements === 0);
    assert.equal((await findDispatch(gateway.store, 'default', inFlight.dispatchId))?.outcome, 'completed');
    await gateway.call();
    assert.equal(typeof said[0], 'string');
    assert.equal(said.at(-1), null);
    await gateway.close();
  });

  test('an entry that a fail-over lost is made again by its settlement', async () => {
    const database = await freshDatabase('postgres');
    const gateway = await Gateway.open(database);
    const intent = intentOf();
    await gateway.ledger.open(intent);
    if (database.kind === 'postgres') await runOn(database.url.reveal(), 'delete from entries');
    await gateway.ledger.settle(settlementOf(intent));
    assert.equal((await findDispatch(gateway.store, 'default', intent.dispatchId))?.usage?.total, 15);
    assert.deepEqual((await verifyLedger(gateway.store)).problems, []);
  });
});
