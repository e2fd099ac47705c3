/**
 * What is asked of the ledger against an oracle: the same entries read one by one and added up here, in zones with odd
 * offsets and over changes of the clock, whether the answer came from entries, rollups, or what is folded from them.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { type DispatchRecord, makeUsage, type TimeBucket, USAGE_GROUPS, type UsageGroup } from '@weighbridge/protocol';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import { runOn } from '../../../../test/rig/postgres-server.ts';
import { pick, type Random, seeded } from '../../../../test/rig/random.ts';
import type { Database } from '../domain/config.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { Folding } from './folding.ts';
import { StoredLedger } from './ledger.ts';
import { type DispatchFilters, listDispatches } from './questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from './room.ts';
import { usageAnswer } from './usage-answer.ts';
import { verifyLedger } from './verify.ts';

const SEED = 20261121;
const ENTRIES = 700;
const HOUR_MS = 60 * 60 * 1000;
/** From before the clocks of Berlin and New York go back in 2026 until after both. */
const START_MS = Date.parse('2026-10-20T03:07:00.000Z');
const END_MS = Date.parse('2026-11-05T21:44:00.000Z');
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];
const RATES = { input: 2_500_000n, output: 10_000_000n, cacheRead: 0n, cacheWrite: 0n, cacheWrite1h: 0n };

interface Filled {
  database: Database;
  store: Store;
  records: DispatchRecord[];
  close(): Promise<void>;
}

for (const engine of ENGINES) {
  describe(`questions on ${engine}`, () => {
    let filled: Filled;
    before(async () => {
      filled = await fill(engine);
    });
    after(() => filled.close());

    test('buckets of any zone are the sums of their own entries, before folding and after', async (t) => {
      t.diagnostic(`seed ${SEED}`);
      const { store, records } = filled;
      const askAll = async (state: string) => {
        for (const tz of ZONES) {
          for (const bucket of ['15m', 'hour', 'day', 'month'] as const) {
            const groupBy = bucket === 'day' ? (['model', 'outcome'] as const) : [];
            const answer = await ask(store, { bucket, tz, groupBy });
            assert.deepEqual(rowsOf(answer), oracle(records, { bucket, tz, groupBy }), `${state}: ${bucket} in ${tz}`);
          }
        }
        for (const groupBy of USAGE_GROUPS) {
          const answer = await ask(store, { groupBy: [groupBy] });
          assert.deepEqual(rowsOf(answer), oracle(records, { groupBy: [groupBy] }), `${state}: ${groupBy}`);
        }
      };
      await askAll('before');
      const before = await ask(store, { groupBy: ['model'], latency: true });
      await new Folding(store).foldAll();
      await askAll('after');
      assert.deepEqual(await ask(store, { groupBy: ['model'], latency: true }), before);
      assert.deepEqual((await verifyLedger(store)).problems, []);
      await store.write('rebuildRollups', null);
      assert.deepEqual(await ask(store, { groupBy: ['model'], latency: true }), before);
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('percentiles are the same from rollups and from entries', async () => {
      const byModel = await ask(filled.store, { groupBy: ['model'], latency: true });
      const bySession = await ask(filled.store, { groupBy: ['session'], latency: true });
      assert.deepEqual(bySession.totals, byModel.totals);
      const days = await ask(filled.store, { bucket: 'day', latency: true });
      assert.deepEqual(days.totals, byModel.totals);
    });

    test('a page under any filters holds what a look at every entry finds', async () => {
      const newestFirst = filled.records.toSorted((a, b) => (a.entryId < b.entryId ? 1 : -1));
      const random = seeded(SEED + 1);
      for (let round = 0; round < 25; round++) {
        const filters = anyFilters(random, filled.records);
        const expected = newestFirst
          .filter((record) => Object.entries(filters).every(([name, value]) => record[name as never] === value))
          .map(({ entryId }) => entryId);
        // So few are looked at for one page that most pages end before they are full.
        assert.deepEqual(await pagedIds(filled.store, filters, 40), expected, JSON.stringify(filters));
      }
    });

    test('rows beyond the limit are counted, and stay in the totals and their percentiles', async () => {
      for (const groupBy of [['session'], ['endUser', 'model'], ['outcome', 'endUser']] as UsageGroup[][]) {
        const whole = await ask(filled.store, { groupBy, latency: true });
        const cut = await ask(filled.store, { groupBy, latency: true, limit: 3 });
        assert.equal(cut.rows.length, 3);
        assert.equal(cut.rowsOmitted, whole.rows.length - 3);
        assert.deepEqual(cut.rows, whole.rows.slice(0, 3));
        assert.deepEqual(cut.totals, whole.totals);
      }
    });

    test('verification finds a folded sum that was changed, one that is missing, and an event too many', async () => {
      const { store, database } = filled;
      const problemsAfter = async (statement: string) => {
        await tamper(database, statement);
        return (await verifyLedger(store)).problems.join('\n');
      };
      const day = `where tier = 'day' and model = 'm1' and "bucketStart" = (select min("bucketStart") from "foldedRollups" where tier = 'day' and model = 'm1')`;
      assert.match(
        await problemsAfter(`update "foldedRollups" set input = input + 1 ${day}`),
        /folded day .* has input/,
      );
      assert.match(await problemsAfter(`delete from "foldedRollups" ${day}`), /folded day .* is missing/);
      await store.write('rebuildRollups', null);
      assert.deepEqual((await verifyLedger(store)).problems, []);
      const twice = `insert into events (seq, "tenantId", id, type, at, subject, payload)
        select seq + 1, "tenantId", 'evt_TWICE', type, at, subject, payload from events order by seq desc limit 1`;
      assert.match(await problemsAfter(twice), /1 events of usage have no settled entry under their number/);
    });
  });
}

interface Question {
  groupBy?: readonly UsageGroup[];
  bucket?: TimeBucket;
  tz?: string;
  latency?: boolean;
  limit?: number;
}

function ask(store: Store, { groupBy = [], ...question }: Question) {
  return usageAnswer(store, {
    tenantId: 'default',
    fromMs: 0,
    toMs: END_MS + HOUR_MS,
    groupBy,
    filters: {},
    ...question,
  });
}

type Sums = Record<string, { requests: number; input: bigint; output: bigint; cost: bigint }>;

function rowsOf(answer: Awaited<ReturnType<typeof ask>>): Sums {
  const sums: Sums = {};
  for (const row of answer.rows) {
    const name = JSON.stringify([row.bucketStart, ...answer.groupBy.map((group) => row.group[group])]);
    assert.equal(sums[name], undefined, `two rows for ${name}`);
    sums[name] = {
      requests: row.requests,
      input: BigInt(row.input),
      output: BigInt(row.output),
      cost: BigInt(row.costNanoUsd),
    };
  }
  return sorted(sums);
}

const FIELDS = { agent: 'agentId', session: 'sessionKey', tenant: 'tenantId', endUser: 'endUserId' } as const;

function oracle(records: readonly DispatchRecord[], { groupBy = [], bucket, tz = 'UTC' }: Question): Sums {
  const sums: Sums = {};
  for (const record of records) {
    const groups = groupBy.map((group) => record[FIELDS[group as keyof typeof FIELDS] ?? group] ?? null);
    const start = bucket === undefined ? null : bucketStart(bucket, tz, Date.parse(record.settledAt!));
    const name = JSON.stringify([start, ...groups]);
    sums[name] ??= { requests: 0, input: 0n, output: 0n, cost: 0n };
    const sum = sums[name];
    sum.requests += 1;
    sum.input += BigInt(record.usage?.input ?? 0);
    sum.output += BigInt(record.usage?.output ?? 0);
    sum.cost += BigInt(record.cost?.nanoUsd ?? 0);
  }
  return sorted(sums);
}

function sorted(sums: Sums): Sums {
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const QUARTER_MS = 15 * 60 * 1000;
const starts = new Map<string, number>();

/** Walks back quarter by quarter until the wall clock shows another hour, day or month: slow, and plainly right. */
function bucketStart(bucket: TimeBucket, tz: string, ms: number): string {
  let start = Math.floor(ms / QUARTER_MS) * QUARTER_MS;
  const passed: string[] = [];
  while (bucket !== '15m') {
    const key = `${bucket} ${tz} ${start}`;
    const known = starts.get(key);
    passed.push(key);
    if (known !== undefined) {
      start = known;
      break;
    }
    if (wall(bucket, tz, start - QUARTER_MS) !== wall(bucket, tz, start)) break;
    start -= QUARTER_MS;
  }
  for (const key of passed) starts.set(key, start);
  return new Date(start).toISOString();
}

const walls = new Map<string, Intl.DateTimeFormat>();

function wall(bucket: TimeBucket, tz: string, ms: number): string {
  const name = `${bucket} ${tz}`;
  let format = walls.get(name);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone: tz,
      year: 'numeric',
      month: '2-digit',
      ...(bucket === 'month' ? {} : { day: '2-digit' }),
      ...(bucket === 'hour' ? { hour: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset' } : {}),
    });
    walls.set(name, format);
  }
  return format.format(ms);
}

function anyFilters(random: Random, records: readonly DispatchRecord[]): DispatchFilters {
  const names = ['model', 'provider', 'agentId', 'sessionKey', 'endUserId', 'outcome', 'source', 'runId'] as const;
  const like = pick(random, records);
  const filters: Record<string, string> = {};
  for (const name of names) {
    const value = like[name];
    if (value !== null && random() < 0.3) filters[name] = value;
  }
  return filters;
}

async function pagedIds(store: Store, filters: DispatchFilters, scannedMax: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await listDispatches(store, { tenantId: 'default', limit: 7, cursor, filters, scannedMax });
    ids.push(...page.data.map(({ entryId }) => entryId));
    assert.equal(page.hasMore, page.nextCursor !== null);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return ids;
}

/** Changes the tables behind the store's back. */
async function tamper(database: Database, statement: string): Promise<void> {
  if (database.kind === 'postgres') {
    await runOn(database.url.reveal(), statement);
    return;
  }
  const other = new DatabaseSync(database.file);
  other.exec(statement);
  other.close();
}

async function fill(engine: (typeof ENGINES)[number]): Promise<Filled> {
  const database = await freshDatabase(engine);
  const store = await openStore({
    database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const random = seeded(SEED);
  const ids = new IdSource();
  let nowMs = START_MS;
  const ledger = await StoredLedger.begin(
    {
      store,
      clock: { now: () => nowMs, monotonic: () => performance.now() },
      instanceId: ids.next('ins'),
      announce: () => {},
      report: (error) => assert.fail(error),
    },
    ids.next('led'),
  );
  for (let n = 0; n < ENTRIES; n += 7) {
    nowMs = Math.round(START_MS + ((END_MS - START_MS) * n) / ENTRIES + random() * HOUR_MS);
    await Promise.all(Array.from({ length: 7 }, () => enter(ledger, ids, random, nowMs)));
  }
  const records: DispatchRecord[] = [];
  let cursor: string | null = null;
  do {
    const page = await listDispatches(store, { tenantId: 'default', limit: 1000, cursor, filters: {} });
    records.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.equal(records.length, ENTRIES);
  const close = async () => {
    await ledger.close();
    await store.close();
  };
  return { database, store, records, close };
}

const OUTCOMES = ['completed', 'completed', 'completed', 'failed', 'aborted'] as const;

/** One entry with everything that can be asked for drawn at random. */
async function enter(ledger: StoredLedger, ids: IdSource, random: Random, nowMs: number): Promise<void> {
  const dispatchId = ids.next('dsp');
  const outcome = pick(random, OUTCOMES);
  const latencyMs = Math.round(20 + random() ** 4 * 40_000);
  await ledger.open({
    dispatchId,
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: pick(random, [null, 'main', 'coder']),
      sessionKey: pick(random, [null, 's1', 's2', 's3', 's4', 's5']),
      sessionId: null,
      endUserId: pick(random, [null, 'u1', 'u2']),
      endUserSource: null,
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider: pick(random, ['p1', 'p2']),
    model: pick(random, ['m1', 'm2', 'm3']),
    requestedModel: 'x',
    api: 'openai-completions',
    stream: true,
    source: pick(random, ['gateway', 'proxy']),
    startedAt: nowMs,
  });
  await ledger.settle({
    dispatchId,
    tenantId: 'default',
    outcome,
    httpStatus: 200,
    errorKind: null,
    stopReason: null,
    serviceTier: null,
    usage:
      outcome === 'failed'
        ? null
        : makeUsage({ input: Math.round(random() * 9000), output: Math.round(random() * 900) }),
    usageSource: outcome === 'failed' ? 'none' : 'reported',
    rawUsage: null,
    price: random() < 0.2 ? null : { priceId: 'cfg_1', source: 'config', rates: RATES, basis: null },
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs,
    timeToFirstTokenMs: outcome === 'failed' ? null : Math.round(latencyMs / 3),
    endedAt: nowMs + latencyMs,
    providerRequestId: null,
  });
}
