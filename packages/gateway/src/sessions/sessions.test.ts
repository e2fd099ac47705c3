/** Sessions on both engines: what is patched is there at once, what is appended stays in order, what is deleted is gone. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import type { Database } from '../domain/config.ts';
import { EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { usageOfRuns, usageOfSessions } from '../ledger/session-usage.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Row, Store } from '../store/store.ts';
import { SESSION_INTENTS, SESSION_WRITES } from './room.ts';
import { Sessions } from './sessions.ts';

const ids = new IdSource();
const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers) await close();
});

interface Opened {
  sessions: Sessions;
  store: Store;
  close(): Promise<void>;
}

async function opened(database: Database, over: { now?: () => number; knownMax?: number } = {}): Promise<Opened> {
  const store = await openStore({
    database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES, SESSION_WRITES],
    intents: [...INTENT_SCRIPTS, ...SESSION_INTENTS],
  });
  const clock = {
    ...systemClock,
    now: over.now ?? (() => systemClock.now()),
    monotonic: () => systemClock.monotonic(),
  };
  const instanceId = ids.next('ins');
  await StoredLedger.begin(
    { store, clock, instanceId, announce: () => {}, report: (error) => assert.fail(error) },
    ids.next('led'),
  );
  const sessions = await Sessions.begin({
    store,
    clock,
    ids,
    usage: {
      ofSessions: (tenantId, asked) => usageOfSessions(store, tenantId, asked),
      ofRuns: (tenantId, runIds) => usageOfRuns(store, tenantId, runIds),
    },
    limits: () => ({ sessionsKnownMax: over.knownMax ?? 100 }),
    announce: () => {},
    report: (error) => assert.fail(error as Error),
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await store.close();
  };
  closers.push(close);
  return { sessions, store, close };
}

const KEY = 'agent:main:s1';
const events = (store: Store) =>
  store.read<Row>(store.queries.selectFrom('events').select(['type', 'payload']).orderBy('seq').compile());
const said = (role: 'user' | 'assistant', text: string) => {
  const runId = ids.next('run');
  return { role, text, messageId: ids.next('msg'), at: 1, runId };
};

const turnIn = (tenantId: string, sessionKey: string, sessionId: string) => ({
  ...{ tenantId, sessionKey, sessionId, laneHolder: null, runId: ids.next('run'), startedAt: Date.now() },
  ...{ outcome: 'completed' as const, messages: [said('user', 'hello')] },
});

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    let shared: Promise<Opened> | null = null;
    let tenants = 0;
    /** A tenant of its own in a database that is made once: making one takes longer than most tests. */
    const another = async (): Promise<{ sessions: Sessions; tenantId: string }> => {
      shared ??= freshDatabase(engine).then((database) => opened(database));
      const { sessions } = await shared;
      return { sessions, tenantId: `tenant-${++tenants}` };
    };

    test('what is patched is what the next snapshot has, also after a restart', async () => {
      const database = await freshDatabase(engine);
      const first = await opened(database);
      const made = await first.sessions.patch('acme', KEY, {
        label: 'mine',
        overrides: { model: 'up/m', thinkingLevel: 'off' },
      });
      assert.equal(made.agentId, 'main');
      await first.sessions.patch('acme', KEY, { outboundHeaders: { 'x-a': '1', 'x-b': '2' } });
      await first.sessions.patch('acme', KEY, { outboundHeaders: { 'x-a': null }, overrides: { thinkingLevel: null } });
      const now = await first.sessions.snapshot('acme', KEY);
      assert.deepEqual({ ...now!.outboundHeaders }, { 'x-b': '2' });
      assert.deepEqual(now!.overrides, { model: 'up/m' });
      assert.equal(await first.sessions.snapshot('other', KEY), null, 'another tenant’s');
      await first.close();
      const again = await (await opened(database)).sessions.snapshot('acme', KEY);
      assert.deepEqual(again, now);
    });

    test('patches that come at once are all laid on each other', async () => {
      const { sessions, tenantId } = await another();
      const names = Array.from({ length: 12 }, (_, i) => `x-h${i}`);
      await Promise.all(names.map((name) => sessions.patch(tenantId, KEY, { outboundHeaders: { [name]: name } })));
      const { outboundHeaders } = (await sessions.snapshot(tenantId, KEY))!;
      assert.deepEqual(Object.keys(outboundHeaders).sort(), names.sort());
    });

    test('each of the patches that come at once gets the session as it left it, also behind a delete', async () => {
      const { sessions, tenantId } = await another();
      const values = Array.from({ length: 12 }, (_, i) => String(i));
      const patched = await Promise.all(
        values.flatMap((value) => [
          sessions.patch(tenantId, KEY, { outboundHeaders: { 'x-mine': value } }),
          ...(value === '6' ? [sessions.delete(tenantId, KEY).then(() => null)] : []),
        ]),
      );
      const mine = patched.flatMap((session) => session?.outboundHeaders['x-mine'] ?? []);
      assert.deepEqual(mine, values);
    });

    test('a change is told with names and without a header’s value', async () => {
      const { sessions, store } = await opened(await freshDatabase(engine));
      await sessions.patch('acme', KEY, { outboundHeaders: { 'x-a': 'geheim' } });
      await sessions.patch('acme', KEY, { outboundHeaders: { 'x-a': 'geheim' } });
      await sessions.patch('acme', KEY, { outboundHeaders: null });
      const told = await events(store);
      assert.deepEqual(
        told.map(({ type, payload }) => [
          type,
          JSON.parse(String(payload)).reason,
          JSON.parse(String(payload)).headers,
        ]),
        [
          ['session.patched', 'create', { set: ['x-a'], cleared: [] }],
          ['session.patched', 'patch', { set: [], cleared: ['x-a'] }],
        ],
        'what changes nothing is not told',
      );
      assert.ok(!JSON.stringify(told).includes('geheim'));
    });

    test('a label is one session’s, and what is refused changes nothing', async () => {
      const { sessions, tenantId } = await another();
      await sessions.patch(tenantId, KEY, { label: 'mine' });
      const refused = { code: 'invalid_request', message: 'label already in use: mine' };
      await assert.rejects(sessions.patch(tenantId, 'agent:main:s2', { label: 'mine' }), refused);
      await sessions.patch(`${tenantId}-other`, 'agent:main:s2', { label: 'mine' });
      const tooMany = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`x-h${i}`, '1']));
      await assert.rejects(sessions.patch(tenantId, KEY, { outboundHeaders: tooMany }), { code: 'invalid_request' });
      assert.deepEqual({ ...(await sessions.snapshot(tenantId, KEY))!.outboundHeaders }, {});
    });

    test('a patch that is refused makes no session, and what comes after it is in one session', async () => {
      const { sessions, tenantId } = await another();
      await sessions.patch(tenantId, KEY, { label: 'mine' });
      const other = 'agent:main:s2';
      await assert.rejects(sessions.patch(tenantId, other, { label: 'mine' }), /in use/);
      const { total } = await sessions.list({ tenantId, limit: 10 });
      assert.equal(total, 1);
      const { sessionId } = await sessions.open(tenantId, other);
      assert.equal((await sessions.append(turnIn(tenantId, other, sessionId))).kind, 'appended');
    });

    test('who is admitted while the patch that makes its session is on its way is in that session', async () => {
      const { sessions, tenantId } = await another();
      for (const patch of [{ label: 'mine' }, { label: 'mine' }, { label: 'other' }]) {
        const key = `agent:main:${ids.next('ses').toLowerCase()}`;
        const patched = sessions.patch(tenantId, key, patch).catch(() => null);
        await new Promise(setImmediate);
        const { sessionId } = await sessions.open(tenantId, key);
        assert.equal((await sessions.append(turnIn(tenantId, key, sessionId))).kind, 'appended');
        const made = await patched;
        if (made !== null) assert.equal(made.sessionId, sessionId);
        assert.equal((await sessions.snapshot(tenantId, key))!.sessionId, sessionId);
      }
    });

    test('of changes that come at once one gets the label and one makes the session', async () => {
      const { sessions, tenantId } = await another();
      const keys = ['agent:main:a', 'agent:main:b', 'agent:main:c'];
      const labelled = await Promise.allSettled(keys.map((key) => sessions.patch(tenantId, key, { label: 'mine' })));
      assert.equal(labelled.filter(({ status }) => status === 'fulfilled').length, 1);
      const made = await Promise.allSettled(keys.map((label) => sessions.create(tenantId, KEY, { label })));
      assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 1);
      await assert.rejects(sessions.create(tenantId, KEY, { outboundHeaders: { 'x-a': '1' } }), /exists already/);
      assert.deepEqual({ ...(await sessions.snapshot(tenantId, KEY))!.outboundHeaders }, {});
    });

    test('messages keep the order of their appends, and one that is written twice is there once', async () => {
      const { sessions, tenantId } = await another();
      const { sessionId } = await sessions.open(tenantId, KEY);
      const turns = Array.from({ length: 20 }, (_, i) => [said('user', `q${i}`), said('assistant', `a${i}`)]);
      const append = (messages: (typeof turns)[number]) =>
        sessions.append({
          tenantId,
          sessionKey: KEY,
          sessionId,
          laneHolder: null,
          runId: messages[0]!.runId,
          startedAt: 1,
          outcome: 'completed',
          messages,
        });
      await Promise.all(turns.map(append));
      await append(turns[3]!);
      const page = await sessions.history(tenantId, KEY, { limit: 100 });
      assert.deepEqual(
        page!.messages.map(({ seq, text }) => [seq, text]),
        turns.flat().map(({ text }, i) => [i + 1, text]),
      );
      const older = await sessions.history(tenantId, KEY, { limit: 4, before: 9 });
      assert.deepEqual(
        older!.messages.map(({ seq }) => seq),
        [5, 6, 7, 8],
      );
      assert.equal(older!.hasMore, true);
      const { length } = JSON.stringify({ text: 'a19' });
      const bounded = async (charsMax: number) => {
        const { messages, hasMore } = (await sessions.history(tenantId, KEY, { limit: 3, charsMax }))!;
        return [messages.map(({ text }) => text), hasMore];
      };
      assert.deepEqual(await bounded(1), [['a19'], true], 'one there is always');
      assert.deepEqual(await bounded(length + 1), [['q19', 'a19'], true]);
      assert.deepEqual(await bounded(10 * length), [['a18', 'q19', 'a19'], true]);
      const all = await sessions.history(tenantId, KEY, { limit: 40, charsMax: 1_000_000 });
      assert.deepEqual([all!.messages.length, all!.hasMore], [40, false]);
    });

    test('a reset leaves a mark and what was said; a delete takes all but the ledger', async () => {
      const { sessions, store } = await opened(await freshDatabase(engine));
      const before = await sessions.patch('acme', KEY, { label: 'mine' });
      const append = (startedAt: number) =>
        sessions.append({
          tenantId: 'acme',
          sessionKey: KEY,
          sessionId: before.sessionId,
          laneHolder: null,
          runId: ids.next('run'),
          startedAt,
          outcome: 'completed',
          messages: [said('user', 'hello')],
        });
      await append(before.createdAt);
      const reset = (await sessions.reset('acme', KEY))!;
      assert.deepEqual([reset.sessionId, reset.label, reset.resetSeq], [before.sessionId, 'mine', 2]);
      await append(reset.usageFrom - 1);
      assert.equal((await sessions.snapshot('acme', KEY))!.lastRunId, null, 'a run from before it is not its last');
      await append(reset.usageFrom);
      const page = await sessions.history('acme', KEY, { limit: 10 });
      assert.deepEqual(
        page!.messages.map(({ role, kind, late }) => [role, kind ?? (late ? 'late' : null)]),
        [
          ['user', null],
          ['system', 'reset'],
          ['user', 'late'],
          ['user', null],
        ],
      );
      assert.equal(await sessions.delete('acme', KEY), true);
      assert.equal(await sessions.delete('acme', KEY), false);
      assert.equal(await sessions.history('acme', KEY, { limit: 10 }), null);
      assert.deepEqual(
        await append(before.createdAt),
        { kind: 'absent' },
        'what a run says after its session’s end is gone',
      );
      const rows = await store.read(store.queries.selectFrom('transcripts').select('seq').compile());
      assert.deepEqual(rows, []);
      const made = await sessions.open('acme', KEY);
      assert.notEqual(made.sessionId, before.sessionId);
    });

    test('old text is swept, and with it sessions on which nobody set anything', async () => {
      let now = 1_000;
      const { sessions } = await opened(await freshDatabase(engine), { now: () => now });
      const put = async (sessionKey: string, label?: string) => {
        const { sessionId } = await sessions.patch('acme', sessionKey, label === undefined ? {} : { label });
        const messages = [said('user', 'x'), said('assistant', 'y')].map((message) => ({ ...message, at: now }));
        await sessions.append({
          tenantId: 'acme',
          sessionKey,
          sessionId,
          laneHolder: null,
          runId: 'run_1',
          startedAt: now,
          outcome: null,
          messages,
        });
      };
      await put('agent:main:old');
      await put('agent:main:kept', 'kept');
      now = 5_000;
      await put('agent:main:new');
      assert.deepEqual(await sessions.sweep(4_000, 1), { messages: 4, sessions: 1 });
      const { sessions: left } = await sessions.list({ tenantId: 'acme', limit: 10 });
      assert.deepEqual(
        left.map(({ sessionKey }) => sessionKey),
        ['agent:main:new', 'agent:main:kept'],
      );
      assert.deepEqual((await sessions.history('acme', 'agent:main:kept', { limit: 9 }))!.messages, []);
      assert.equal(await sessions.snapshot('acme', 'agent:main:old'), null);
    });

    test('lists are by last change, filtered, and paged without a gap', async () => {
      let now = 1_000;
      const { sessions } = await opened(await freshDatabase(engine), { now: () => now++ });
      for (let i = 0; i < 7; i++)
        await sessions.patch('acme', `agent:main:k${i}`, i === 3 ? { label: 'Ünder_score' } : {});
      await sessions.patch('other', 'agent:main:k9', {});
      const keys: string[] = [];
      let behind = null;
      do {
        const page: Awaited<ReturnType<Sessions['list']>> = await sessions.list({ tenantId: 'acme', limit: 3, behind });
        assert.equal(page.total, 7);
        keys.push(...page.sessions.map(({ sessionKey }) => sessionKey));
        behind = page.hasMore ? page.sessions.at(-1)! : null;
      } while (behind !== null);
      assert.deepEqual(
        keys,
        [6, 5, 4, 3, 2, 1, 0].map((i) => `agent:main:k${i}`),
      );
      const found = await sessions.list({ tenantId: 'acme', limit: 3, search: 'DER_SCO' });
      assert.deepEqual(
        found.sessions.map(({ label }) => label),
        ['Ünder_score'],
      );
      assert.equal((await sessions.list({ tenantId: null, limit: 1 })).total, 8);
    });
  });
}

test('where one process writes, snapshots of known sessions need no database; those that memory dropped are read', async () => {
  const { sessions } = await opened(await freshDatabase('sqlite'), { knownMax: 2 });
  for (const key of ['a', 'b', 'c']) await sessions.patch('acme', `agent:main:${key}`, { label: key });
  assert.ok(!(sessions.snapshot('acme', 'agent:main:c') instanceof Promise));
  const dropped = sessions.snapshot('acme', 'agent:main:a');
  assert.ok(dropped instanceof Promise);
  assert.equal((await dropped)!.label, 'a');
  assert.equal(await sessions.snapshot('acme', 'agent:main:never'), null);
});

test('a session that calls bring in is one for all that come at once, and it is in the database before their entries', async () => {
  const database = await freshDatabase('sqlite');
  const first = await opened(database);
  const both = [first.sessions.open('acme', KEY), first.sessions.open('acme', KEY)];
  assert.ok(both.every((session) => !(session instanceof Promise)));
  const [one, two] = await Promise.all(both);
  assert.equal(one!.sessionId, two!.sessionId);
  await first.close();
  const again = await (await opened(database)).sessions.snapshot('acme', KEY);
  assert.equal(again!.sessionId, one!.sessionId);
});

test('two gateways on one database have one session, and each sees what the other patched', async () => {
  const database = await freshDatabase('postgres');
  const [one, two] = await Promise.all([opened(database), opened(database)]);
  const made = await Promise.all([one.sessions.open('acme', KEY), two.sessions.open('acme', KEY)]);
  assert.equal(made[0].sessionId, made[1].sessionId);
  for (let i = 0; i < 20; i++) {
    const [from, to] = i % 2 === 0 ? [one, two] : [two, one];
    await from.sessions.patch('acme', KEY, { outboundHeaders: { 'x-a': String(i) } });
    assert.equal((await to.sessions.snapshot('acme', KEY))!.outboundHeaders['x-a'], String(i));
  }
});
