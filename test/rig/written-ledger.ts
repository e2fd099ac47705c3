/**
 * A ledger that was used before the gateway starts: dispatches written through the real ledger, each settled at a moment of
 * the test's choice. Made of a seed where a test wants many; who made them keeps them, to add them up in another way.
 */
import { makeUsage, type Usage, type UsageSource } from '@weighbridge/protocol';
import { loadConfig } from '../../packages/gateway/src/config/load.ts';
import { costNanoUsd, type PricePin, pin } from '../../packages/gateway/src/domain/price.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../../packages/gateway/src/events/room.ts';
import { StoredLedger } from '../../packages/gateway/src/ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../../packages/gateway/src/ledger/room.ts';
import { IdSource } from '../../packages/gateway/src/lib/ids.ts';
import { openStore } from '../../packages/gateway/src/store/open.ts';
import { between, pick, type Random } from './random.ts';

export interface WrittenEntry {
  settledAt: number;
  tenantId: string;
  provider: string;
  model: string;
  agentId: string | null;
  sessionKey: string | null;
  endUserId: string | null;
  source: 'gateway' | 'proxy';
  outcome: 'completed' | 'failed' | 'aborted';
  usage: Usage | null;
  usageSource: UsageSource;
  price: PricePin | null;
  latencyMs: number;
  timeToFirstTokenMs: number | null;
}

export interface Names {
  models: readonly (readonly [provider: string, model: string, price: PricePin | null])[];
  agents: readonly (string | null)[];
  sessions: readonly (string | null)[];
  endUsers: readonly (string | null)[];
  tenants: readonly string[];
}

/** US dollars for a million tokens. */
export function priced(input: number, output: number): PricePin {
  const rate = (usd: number): bigint => BigInt(Math.round(usd * 1e6));
  return pin('config', {
    input: rate(input),
    output: rate(output),
    cacheRead: rate(input / 10),
    cacheWrite: rate(input * 1.25),
    cacheWrite1h: rate(input * 2),
  });
}

/** What it costs in nano-USD; null: unpriced, or nothing was counted. */
export function costOf({ usage, price }: WrittenEntry): bigint | null {
  return usage === null || price === null ? null : costNanoUsd(usage, price.rates);
}

/** In the order of their settlement. */
export function randomEntries(
  random: Random,
  count: number,
  fromMs: number,
  toMs: number,
  names: Names,
): WrittenEntry[] {
  const times = Array.from({ length: count }, () => Math.floor(between(random, fromMs, toMs))).sort((a, b) => a - b);
  return times.map((settledAt) => randomEntry(random, settledAt, names));
}

function randomEntry(random: Random, settledAt: number, names: Names): WrittenEntry {
  const [provider, model, price] = pick(random, names.models);
  const roll = random();
  const outcome = roll < 0.94 ? 'completed' : roll < 0.97 ? 'failed' : 'aborted';
  const latencyMs = Math.round(150 * Math.exp(random() * 4));
  const whole = (max: number): number => Math.floor(random() * max);
  const usage =
    outcome === 'failed'
      ? null
      : makeUsage({
          input: whole(6000),
          output: whole(1500),
          cacheRead: random() < 0.4 ? whole(20_000) : 0,
          cacheWrite: random() < 0.1 ? whole(4000) : 0,
          cacheWrite1h: random() < 0.05 ? whole(4000) : 0,
          reasoning: random() < 0.3 ? whole(400) : null,
        });
  return {
    settledAt,
    tenantId: pick(random, names.tenants),
    provider,
    model,
    agentId: pick(random, names.agents),
    sessionKey: pick(random, names.sessions),
    endUserId: pick(random, names.endUsers),
    source: random() < 0.7 ? 'gateway' : 'proxy',
    outcome,
    usage,
    usageSource:
      usage === null ? 'none' : outcome === 'aborted' ? 'estimated' : random() < 0.03 ? 'partial' : 'reported',
    price,
    latencyMs,
    timeToFirstTokenMs: outcome === 'failed' ? null : Math.round(latencyMs * between(random, 0.1, 0.6)),
  };
}

/** Writes them all, in order. The gateway of this state directory must not run. */
export async function writeLedger(stateDir: string, entries: readonly WrittenEntry[]): Promise<void> {
  const { config } = await loadConfig({ flags: { stateDir }, variables: {}, createToken: true });
  const store = await openStore({
    database: config.database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  let now = 0;
  const clock = { now: () => now, monotonic: () => performance.now() };
  // An id says when its dispatch began.
  const ids = new IdSource(() => now);
  const report = (error: Error): never => {
    throw error;
  };
  const ledger = await StoredLedger.begin(
    { store, clock, instanceId: ids.next('ins'), announce: () => {}, report },
    ids.next('led'),
  );
  for (let at = 0; at < entries.length; ) {
    now = entries[at]!.settledAt;
    // Those of one moment commit together, as they would.
    const together = entries.slice(at, at + 200).filter(({ settledAt }) => settledAt === now);
    await Promise.all(together.map((entry) => write(ledger, ids, entry)));
    at += together.length;
  }
  await ledger.close();
  await store.close();
}

async function write(ledger: StoredLedger, ids: IdSource, entry: WrittenEntry): Promise<void> {
  const { settledAt, provider, model, usage, usageSource, price, outcome, latencyMs, timeToFirstTokenMs } = entry;
  const dispatchId = ids.next('dsp');
  const { tenantId, agentId, sessionKey, endUserId, source } = entry;
  await ledger.open({
    dispatchId,
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId,
      keyId: null,
      agentId,
      sessionKey,
      sessionId: null,
      endUserId,
      endUserSource: endUserId === null ? null : 'header',
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider,
    model,
    requestedModel: model,
    api: 'openai-completions',
    stream: true,
    source,
    startedAt: settledAt - latencyMs,
  });
  await ledger.settle({
    dispatchId,
    tenantId,
    outcome,
    httpStatus: outcome === 'failed' ? 500 : 200,
    errorKind: outcome === 'failed' ? 'http_error' : null,
    stopReason: outcome === 'completed' ? 'stop' : null,
    serviceTier: null,
    usage,
    usageSource,
    rawUsage: null,
    price,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs,
    timeToFirstTokenMs,
    endedAt: settledAt,
    providerRequestId: null,
  });
}
