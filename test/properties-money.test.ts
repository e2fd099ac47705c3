/**
 * Money and counts from the first number to the last answer, on both engines: lines are exact, totals are their sum rounded
 * once, sums of any grouping are the sums of their entries, rebuilt is kept, and no number on the way is a float (design,
 * semantics 8). The oracle adds up what was put in, in decimal text and BigInt, and shares no code with the ledger.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type DispatchDetail,
  makeUsage,
  USAGE_BUCKETS,
  type Usage,
  type UsageGroup,
  type UsageSums,
} from '@weighbridge/protocol';
import fc from 'fast-check';
import { type PricePin, pin, type Rates } from '../packages/gateway/src/domain/price.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../packages/gateway/src/events/room.ts';
import { Folding } from '../packages/gateway/src/ledger/folding.ts';
import { StoredLedger } from '../packages/gateway/src/ledger/ledger.ts';
import { findDispatch, listDispatches } from '../packages/gateway/src/ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../packages/gateway/src/ledger/room.ts';
import { usageAnswer } from '../packages/gateway/src/ledger/usage-answer.ts';
import { verifyLedger } from '../packages/gateway/src/ledger/verify.ts';
import { IdSource } from '../packages/gateway/src/lib/ids.ts';
import { openStore } from '../packages/gateway/src/store/open.ts';
import type { Store } from '../packages/gateway/src/store/store.ts';
import { quotas, seed } from './quotas.ts';
import { ENGINES, freshDatabase } from './rig/databases.ts';

const T0 = Date.parse('2026-03-29T00:00:00.000Z');
const HOUR_MS = 3_600_000;
const GROUPINGS: readonly (readonly UsageGroup[])[] = [
  [],
  ['model'],
  ['agent', 'outcome'],
  ['session'],
  ['endUser', 'provider'],
];

interface Call {
  model: string;
  provider: string;
  agent: string | null;
  session: string | null;
  endUser: string | null;
  outcome: 'completed' | 'failed' | 'aborted';
  /** All of it; null: nothing was reported. */
  usage: Usage | null;
  /** What the model that served used of it. Null rates: unpriced. */
  own: Priced | null;
  /** What another model used of it, on the way. */
  other: Priced | null;
  /** What the provider says it charged. */
  providerNanoUsd: bigint | null;
  /** Hours after the call before. */
  gapHours: number;
}

interface Priced {
  usage: Usage;
  rates: Rates | null;
}

/** Small, large, and the edges of both. */
const count = fc.oneof(
  fc.integer({ min: 0, max: 20_000 }),
  fc.integer({ min: 0, max: 1_000_000_000 }),
  fc.constantFrom(0, 1, 999_999_999),
);
/** Pico-USD for one unit; odd ones, so that most totals must be rounded, and halves, so that some are ties. */
const rate = fc.oneof(
  fc.bigInt({ min: 0n, max: 1_000_000_000n }),
  fc.constantFrom(0n, 1n, 500n, 999n, 1_500n, 2_500_000n),
);
/** Mostly all that is needed; parts and tools have rates of their own or none. */
const rates: fc.Arbitrary<Rates> = fc
  .record(
    {
      input: rate,
      output: rate,
      cacheRead: rate,
      cacheWrite: rate,
      cacheWrite1h: rate,
      audioInput: rate,
      imageOutput: rate,
      reasoning: rate,
      'tool.*': rate,
    },
    { requiredKeys: ['input', 'output', 'cacheRead', 'cacheWrite'] },
  )
  .map((given) => given as Rates);
const share = fc.constantFrom(0, 0, 0.1, 0.4, 1);
const usage: fc.Arbitrary<Usage> = fc
  .record({
    input: count,
    output: count,
    cacheRead: count,
    cacheWrite: count,
    cacheWrite1h: fc.oneof(fc.constant(0), count),
    audioShare: share,
    imageShare: share,
    reasoningShare: fc.option(share),
    searches: fc.constantFrom(0, 0, 3),
  })
  .map(({ audioShare, imageShare, reasoningShare, searches, ...known }) =>
    makeUsage({
      ...known,
      audioInput: Math.floor(known.input * audioShare),
      imageOutput: Math.floor(known.output * imageShare),
      reasoning: reasoningShare === null ? null : Math.floor(known.output * reasoningShare),
      serverTools: searches === 0 ? {} : { web_search: searches },
    }),
  );
/** Of another model nothing is told but tokens. */
const tokens = fc
  .record({ input: count, output: count, cacheRead: count, cacheWrite: count, cacheWrite1h: count })
  .map((counts) => makeUsage(counts));
const someRates = fc.option(rates, { freq: 4 });
const used = fc
  .record({
    own: fc.option(fc.record({ usage, rates: someRates }), { freq: 4 }),
    advisor: fc.option(fc.record({ usage: tokens, rates: someRates }), { freq: 2 }),
  })
  .map(({ own, advisor }) => {
    const other = own === null ? null : advisor;
    return { own, other, usage: own === null || other === null ? (own?.usage ?? null) : bothOf(own, other) };
  });
const calls: fc.Arbitrary<Call[]> = fc.array(
  fc
    .record({
      model: fc.constantFrom('m', 'm"\'2', 'ünï'),
      provider: fc.constantFrom('p1', 'p2'),
      agent: fc.constantFrom(null, 'a1', 'a2'),
      session: fc.constantFrom(null, 's1', 's2'),
      endUser: fc.constantFrom(null, 'u1', "u'2"),
      outcome: fc.constantFrom('completed', 'completed', 'failed', 'aborted'),
      used,
      providerNanoUsd: fc.option(fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) })),
      gapHours: fc.constantFrom(0, 0, 0, 0.2, 5, 26),
    })
    .map(({ used: parts, ...rest }) => ({ ...rest, ...parts })),
  { minLength: 1, maxLength: 14 },
);

function bothOf(own: Priced, other: Priced): Usage {
  const counts = USAGE_BUCKETS.map((bucket) => [bucket, own.usage[bucket] + other.usage[bucket]] as const);
  return makeUsage({ ...own.usage, ...Object.fromEntries(counts) });
}

for (const engine of ENGINES) {
  describe(`money on ${engine}`, () => {
    const ids = new IdSource();
    let nowMs = T0;
    let store: Store;
    let ledger: StoredLedger;
    before(async () => {
      store = await openStore({
        database: await freshDatabase(engine),
        durability: 'process',
        rooms: [EVENT_WRITES, LEDGER_WRITES],
        intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
      });
      const clock = { now: () => nowMs, monotonic: () => performance.now() };
      const report = (error: Error) => assert.fail(error);
      ledger = await StoredLedger.begin(
        { store, clock, instanceId: ids.next('ins'), announce: () => {}, report },
        ids.next('led'),
      );
    });
    after(async () => {
      await ledger.close();
      await store.close();
    });

    /** Each list of calls is of a tenant of its own, so that its sums are known. Calls without a gap come together. */
    async function enter(tenantId: string, list: readonly Call[]): Promise<string[]> {
      const dispatchIds = list.map(() => ids.next('dsp'));
      const under: Promise<void>[] = [];
      for (const [place, call] of list.entries()) {
        if (call.gapHours > 0) {
          await Promise.all(under.splice(0));
          nowMs += call.gapHours * HOUR_MS;
        }
        under.push(enterOne(tenantId, dispatchIds[place]!, call));
      }
      await Promise.all(under);
      return dispatchIds;
    }

    async function enterOne(tenantId: string, dispatchId: string, call: Call): Promise<void> {
      await ledger.open(intentOf(call, { tenantId, dispatchId, runId: ids.next('run'), startedAt: nowMs }));
      await ledger.settle(settlementOf(call, { tenantId, dispatchId, endedAt: nowMs }));
    }

    test('lines are exact, totals rounded once, sums the sums of their entries, and nothing is a float', async (t) => {
      t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} tries the same calls`);
      let tenants = 0;
      const property = fc.asyncProperty(calls, async (list) => {
        const tenantId = `t${++tenants}`;
        const dispatchIds = await enter(tenantId, list);
        for (const [place, dispatchId] of dispatchIds.entries()) {
          judgeDetail((await findDispatch(store, tenantId, dispatchId))!, list[place]!);
        }
        refuseFloats(await listDispatches(store, { tenantId, limit: 1000, cursor: null, filters: {} }));
        await judgeSums(store, tenantId, list, nowMs);
      });
      await fc.assert(property, { seed, numRuns: quotas.moneyRuns[engine] });
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });

    test('folding and rebuilding change no sum', async (t) => {
      t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} tries the same calls`);
      const lists = fc.sample(calls, { seed, numRuns: 6 });
      for (const [place, list] of lists.entries()) await enter(`f${place}`, list);
      await new Folding(store).foldAll();
      for (const [place, list] of lists.entries()) await judgeSums(store, `f${place}`, list, nowMs);
      await store.write('rebuildRollups', null);
      for (const [place, list] of lists.entries()) await judgeSums(store, `f${place}`, list, nowMs);
      assert.deepEqual((await verifyLedger(store)).problems, []);
    });
  });
}

function intentOf(
  { model, provider, agent, session, endUser }: Call,
  ids: { tenantId: string; dispatchId: string; runId: string; startedAt: number },
): Parameters<StoredLedger['open']>[0] {
  const { tenantId, ...rest } = ids;
  return {
    ...rest,
    attempt: 1,
    attribution: {
      tenantId,
      keyId: null,
      agentId: agent,
      sessionKey: session,
      sessionId: null,
      endUserId: endUser,
      endUserSource: null,
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider,
    model,
    requestedModel: model,
    api: 'openai-completions',
    stream: true,
    source: 'gateway',
  };
}

function settlementOf(
  { outcome, usage: given, own, other, providerNanoUsd }: Call,
  ids: { tenantId: string; dispatchId: string; endedAt: number },
): Parameters<StoredLedger['settle']>[0] {
  return {
    ...ids,
    outcome,
    httpStatus: 200,
    errorKind: null,
    stopReason: null,
    serviceTier: null,
    usage: given,
    usageSource: given === null ? 'none' : 'reported',
    rawUsage: null,
    price: pinned(own),
    otherModels: other === null ? [] : [{ model: 'advisor', usage: other.usage, price: pinned(other) }],
    servedModel: null,
    providerCost: providerNanoUsd === null ? null : { nanoUsd: providerNanoUsd, source: 'usage.cost' },
    latencyMs: 7,
    timeToFirstTokenMs: null,
    providerRequestId: null,
  };
}

function pinned(part: Priced | null): PricePin | null {
  return part === null || part.rates === null ? null : pin('config', part.rates);
}

function judgeDetail(detail: DispatchDetail, call: Call): void {
  refuseFloats(detail);
  assert.deepEqual(detail.usage, call.usage);
  const pico = picoOf(call);
  const lines = detail.priceLines?.map(({ amountPicoUsd }) => BigInt(amountPicoUsd)) ?? null;
  assert.equal(lines === null ? null : lines.reduce((sum, part) => sum + part, 0n), pico);
  for (const { units, ratePicoUsd, amountPicoUsd } of detail.priceLines ?? []) {
    assert.equal(BigInt(units) * BigInt(ratePicoUsd), BigInt(amountPicoUsd));
  }
  assert.equal(detail.cost?.nanoUsd ?? null, pico === null ? null : halfEven(pico).toString());
  if (detail.cost !== null) judgeUsd(detail.cost.nanoUsd, detail.cost.usd);
}

const PARTS = { audioInput: 'input', imageOutput: 'output', reasoning: 'output' } as const;

/** Exact pico-USD of a call; null where it has no usage, or one of its models no price for it. */
function picoOf({ own, other }: Call): bigint | null {
  const parts = [own, ...(other === null ? [] : [other])].map(picoOfPart);
  return parts.every((part) => part !== null) ? parts.reduce((sum, part) => sum + part, 0n) : null;
}

/** Null where a unit in use has no price. A part with a rate leaves its bucket. */
function picoOfPart(part: Priced | null): bigint | null {
  if (part === null || part.rates === null) return null;
  const { usage: given, rates: prices } = part;
  if (prices.reasoning !== undefined && given.reasoning === null && given.output > 0) return null;
  const units: Record<string, number> = Object.fromEntries(USAGE_BUCKETS.map((bucket) => [bucket, given[bucket]]));
  for (const [part, bucket] of Object.entries(PARTS) as [keyof typeof PARTS, 'input' | 'output'][]) {
    if (prices[part] === undefined) continue;
    units[part] = given[part] ?? 0;
    units[bucket]! -= units[part]!;
  }
  units['tool.*'] = given.serverTools.web_search ?? 0;
  const used = Object.entries(units).filter(([, each]) => each !== 0);
  if (used.some(([name, each]) => each < 0 || prices[name as 'input'] === undefined)) return null;
  return used.reduce((sum, [name, each]) => sum + BigInt(each) * prices[name as 'input']!, 0n);
}

/** By decimal text, not by division. */
function halfEven(pico: bigint): bigint {
  const digits = pico.toString().padStart(4, '0');
  const whole = BigInt(digits.slice(0, -3));
  const rest = digits.slice(-3);
  const isUp = rest > '500' || (rest === '500' && !'02468'.includes(whole.toString().at(-1)!));
  return isUp ? whole + 1n : whole;
}

function judgeUsd(nanoUsd: string, usd: string): void {
  assert.match(usd, /^-?\d+\.\d{6,9}$/);
  const [whole, decimals] = usd.split('.') as [string, string];
  assert.equal(BigInt(whole + decimals.padEnd(9, '0')), BigInt(nanoUsd));
}

async function judgeSums(store: Store, tenantId: string, list: readonly Call[], nowMs: number): Promise<void> {
  for (const groupBy of GROUPINGS) {
    const answer = await usageAnswer(store, { tenantId, fromMs: 0, toMs: nowMs + HOUR_MS, groupBy, filters: {} });
    refuseFloats(answer, new Set(['avg']));
    assert.deepEqual(numbersOf(answer.totals), oracleOf(list), `totals by ${groupBy}`);
    const byGroup = Map.groupBy(list, (call) => JSON.stringify(groupBy.map((group) => call[group as 'model'] ?? null)));
    assert.equal(answer.rows.length, byGroup.size);
    for (const row of answer.rows) {
      const own = byGroup.get(JSON.stringify(groupBy.map((group) => row.group[group] ?? null)));
      assert.deepEqual(numbersOf(row), oracleOf(own!), `a row of ${groupBy}`);
      judgeUsd(row.costNanoUsd, row.costUsd);
    }
  }
  const days = await usageAnswer(store, {
    tenantId,
    fromMs: 0,
    toMs: nowMs + HOUR_MS,
    groupBy: [],
    bucket: 'day',
    tz: 'Europe/Berlin',
    filters: {},
  });
  const sum = days.rows.reduce((total, row) => total + BigInt(row.costNanoUsd), 0n);
  assert.equal(sum.toString(), days.totals.costNanoUsd);
  assert.deepEqual(numbersOf(days.totals), oracleOf(list), 'totals by day');
}

function numbersOf(sums: UsageSums): Record<string, unknown> {
  const { requests, total, costNanoUsd, composition } = sums;
  const buckets = USAGE_BUCKETS.map((bucket) => [bucket, sums[bucket]]);
  return {
    ...Object.fromEntries(buckets),
    requests,
    total,
    costNanoUsd,
    none: composition.none,
    unpriced: composition.unpriced,
  };
}

function oracleOf(list: readonly Call[]): Record<string, unknown> {
  const sumOf = (part: (call: Call) => bigint): string => list.reduce((sum, call) => sum + part(call), 0n).toString();
  const buckets = USAGE_BUCKETS.map((bucket) => [bucket, sumOf((call) => BigInt(call.usage?.[bucket] ?? 0))]);
  return {
    ...Object.fromEntries(buckets),
    requests: list.length,
    total: sumOf((call) => BigInt(call.usage?.total ?? 0)),
    costNanoUsd: sumOf((call) => {
      const pico = picoOf(call);
      return pico === null ? 0n : halfEven(pico);
    }),
    none: list.filter(({ usage: given }) => given === null).length,
    unpriced: list.filter((call) => call.usage !== null && picoOf(call) === null).length,
  };
}

/** Every number is a whole one that a double holds exactly, and money is never a number. */
function refuseFloats(answer: unknown, allowed: ReadonlySet<string> = new Set()): void {
  JSON.stringify(answer, (key, value: unknown) => {
    if (/usd$/i.test(key)) assert.equal(typeof value, 'string', `${key} is ${value}`);
    if (typeof value === 'number' && !allowed.has(key)) assert.ok(Number.isSafeInteger(value), `${key} is ${value}`);
    return value;
  });
}
