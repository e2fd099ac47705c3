/**
 * Support for this room's tests: a real ledger on a real file, the room wired as the gateway wires it, and a sink that keeps
 * what a caller would have seen. The upstream behind real sockets is test/rig/scripted-upstream.ts. Nothing of ours is imitated.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DispatchDetail, type DispatchRecord, makeUsage } from '@weighbridge/protocol';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { Upstream } from '../dispatch/upstream.ts';
import type { Agent } from '../domain/agent.ts';
import type { AnswerHead, AnswerSink, Call } from '../domain/answer.ts';
import type { Database, GatewayConfig } from '../domain/config.ts';
import type { GatewayError } from '../domain/errors.ts';
import type { Provider } from '../domain/provider.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { type Ledger, StoredLedger } from '../ledger/ledger.ts';
import { findDispatch, listDispatches } from '../ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { Prices, type Pricing } from '../prices/prices.ts';
import { Catalogue } from '../providers/catalogue.ts';
import type { Anomaly } from '../providers/dialect.ts';
import { SESSION_INTENTS, SESSION_WRITES } from '../sessions/room.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { type BegunSessions, beginSessions } from './begin-sessions.ts';
import { Runs } from './start-run.ts';
import type { Turns } from './turns.ts';

/** What a caller sees, and the order in which things happened. */
export class CallerView implements AnswerSink {
  readonly gone = new AbortController();
  readonly chunks: Buffer[] = [];
  seenHead: AnswerHead | null = null;
  failure: GatewayError | null = null;
  hasEnd = false;
  /** Called for each write, with all bytes so far. */
  onWrite: (soFar: Buffer) => void = () => {};
  /** What `write` answers. */
  isReading = true;
  drained: () => void = () => {};

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  head(head: AnswerHead): void {
    assert.equal(this.seenHead, null, 'two heads');
    this.seenHead = head;
  }

  write(bytes: Uint8Array): boolean {
    assert.ok(this.seenHead, 'bytes before the head');
    assert.ok(!this.hasEnd && !this.failure, 'bytes after the end');
    this.chunks.push(Buffer.from(bytes));
    this.onWrite(this.bytes);
    return this.isReading;
  }

  onDrain(listener: () => void): void {
    this.drained = listener;
  }

  end(last: Uint8Array | null): void {
    assert.ok(!this.hasEnd && !this.failure, 'two ends');
    if (last) this.chunks.push(Buffer.from(last));
    this.hasEnd = true;
  }

  fail(error: GatewayError): void {
    assert.ok(!this.hasEnd && !this.failure, 'two ends');
    this.failure = error;
  }
}

export interface RigOptions {
  metering?: GatewayConfig['metering'];
  limits?: Partial<GatewayConfig['limits']>;
  provider?: Partial<Provider>;
  /** More providers that reach the same upstream. */
  others?: readonly Partial<Provider>[];
  agents?: readonly Agent[];
  prices?: Pricing;
  wrapLedger?: (ledger: Ledger) => Ledger;
  sessions?: Partial<GatewayConfig['sessions']>;
  /** Where the ledger is; a file of its own unless told. */
  database?: Database;
}

export class Rig {
  readonly runs: Runs;
  readonly sessions: Sessions;
  readonly #begun: BegunSessions;
  readonly turns: Turns;
  readonly store: Store;
  readonly anomalies: Anomaly[] = [];
  readonly bugs: unknown[] = [];
  readonly ledger: StoredLedger;
  readonly #upstream: Upstream;
  readonly #folder: string;

  private constructor(
    { store, ledger }: Pick<Rig, 'store' | 'ledger'>,
    begun: BegunSessions,
    folder: string,
    baseUrl: string,
    options: RigOptions,
  ) {
    this.store = store;
    this.#folder = folder;
    this.ledger = ledger;
    this.sessions = begun.sessions;
    this.#begun = begun;
    const config = configOf(baseUrl, options);
    const metered = options.wrapLedger?.(ledger) ?? ledger;
    const ids = new IdSource();
    this.#upstream = new Upstream({
      connectionsMax: config.limits.upstreamConnectionsMax,
      waitMs: config.limits.upstreamWaitMs,
    });
    const dispatcher = new Dispatcher({
      ledger: metered,
      upstream: this.#upstream,
      prices: options.prices ?? new Prices({ importedFile: null }),
      clock: systemClock,
      ids,
      config,
      onAnomaly: (_dispatchId, anomaly) => this.anomalies.push(anomaly),
    });
    const catalogue = new Catalogue(config.providers);
    const report = (error: unknown) => this.bugs.push(error);
    this.runs = new Runs({
      ledger: metered,
      dispatcher,
      catalogue,
      clock: systemClock,
      ids,
      config,
      report,
      random: () => 0,
      sessions: begun.sessions,
      appends: begun.appends,
    });
    this.turns = begun.turns(this.runs);
  }

  static async open(baseUrl: string, options: RigOptions = {}): Promise<Rig> {
    const folder = await mkdtemp(join(tmpdir(), 'wb-runs-'));
    const store = await openStore({
      database: options.database ?? { kind: 'sqlite', file: join(folder, 'ledger.sqlite') },
      durability: 'process',
      rooms: [EVENT_WRITES, LEDGER_WRITES, SESSION_WRITES],
      intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS, ...SESSION_INTENTS],
    });
    const ids = new IdSource();
    const ledger = await StoredLedger.begin(
      {
        store,
        clock: systemClock,
        instanceId: ids.next('ins'),
        announce: () => {},
        report: (error) => assert.fail(error),
      },
      ids.next('led'),
    );
    const begun = await beginSessions({
      store,
      clock: systemClock,
      ids,
      config: () => configOf(baseUrl, options),
      announce: () => {},
      log: { error: ({ err }) => void rig.bugs.push(err) },
    });
    const rig = new Rig({ store, ledger }, begun, folder, baseUrl, options);
    return rig;
  }

  /** Runs a call to its end. */
  async play(call: Partial<Call> & { json?: object }, view = new CallerView()): Promise<CallerView> {
    await this.runs.start(callOf(call), view, view.gone.signal);
    return view;
  }

  /** All entries, oldest first. */
  async entries(): Promise<DispatchRecord[]> {
    const page = await listDispatches(this.store, { tenantId: 'default', limit: 1000, cursor: null, filters: {} });
    return page.data.reverse();
  }

  async detail(dispatchId: string): Promise<DispatchDetail> {
    return (await findDispatch(this.store, 'default', dispatchId))!;
  }

  /** The only entry there is. */
  async entry(): Promise<DispatchDetail> {
    const entries = await this.entries();
    assert.equal(entries.length, 1);
    return (await findDispatch(this.store, 'default', entries[0]!.dispatchId))!;
  }

  /** Resolves when what calls said is in their transcripts. */
  async appended(): Promise<void> {
    await new Promise(setImmediate);
    await this.#begun.appends.idle();
  }

  async close(): Promise<void> {
    await this.#begun.stop();
    await this.#upstream.close();
    await this.ledger.close();
    await this.store.close();
    await rm(this.#folder, { recursive: true });
    assert.deepEqual(this.bugs, []);
  }
}

export const MESSAGES = [{ role: 'user', content: 'Say hello, please.' }];

export function callOf({ json, ...over }: Partial<Call> & { json?: object }): Call {
  const fields = { model: 'up/m', messages: MESSAGES, ...json } as Record<string, unknown>;
  const options = fields.stream_options as { include_usage?: boolean } | undefined;
  return {
    caller: { tenantId: 'default', keyId: null, scopes: new Set(['dispatch']) },
    ask: 'chat',
    body: Buffer.from(JSON.stringify(fields)),
    requestedModel: String(fields.model),
    stream: fields.stream === true,
    asksUsage: options?.include_usage === true,
    asked: (fields.messages as { content?: unknown }[]).at(-1)?.content,
    user: typeof fields.user === 'string' ? fields.user : null,
    headers: {},
    ...over,
  };
}

function configOf(
  baseUrl: string,
  options: RigOptions,
): Pick<GatewayConfig, 'agents' | 'auth' | 'limits' | 'metering' | 'outboundHeaders' | 'providers' | 'sessions'> {
  const first: Provider = {
    id: 'up',
    api: 'openai-completions',
    baseUrl,
    kind: 'http',
    credential: new Secret('sk-upstream'),
    headers: {},
    models: [],
    isVendorOrigin: false,
    vendor: null,
    asksUsage: 'unknown',
    timeouts: { connectTimeoutMs: 1000, firstByteTimeoutMs: 5000, idleTimeoutMs: 5000, totalTimeoutMs: 0 },
    ...options.provider,
  };
  const providers = [first, ...(options.others ?? []).map((other) => ({ ...first, ...other }))];
  const agents = options.agents ?? [];
  return {
    auth: { mode: 'token', rateLimit: { maxAttempts: 1, windowMs: 1, lockoutMs: 1, sourcesMax: 1 } },
    providers: new Map(providers.map((provider) => [provider.id, provider])),
    agents: {
      byId: new Map(agents.map((agent) => [agent.id, agent])),
      defaultId: agents.length === 1 ? agents[0]!.id : null,
    },
    outboundHeaders: { allow: ['x-*'], settable: ['x-*'] },
    sessions: {
      transcriptDays: 30,
      httpTurns: true,
      messageBytesMax: 1 << 16,
      contextMessagesMax: 50,
      contextBytesMax: 1 << 16,
      appendsMax: 100,
      ...options.sessions,
    },
    metering: options.metering ?? {
      onCallerGone: 'drain',
      drain: { timeoutMs: 2000, tokensMax: 500, concurrentMax: 32 },
    },
    limits: {
      bodyBytesMax: 1 << 20,
      headTimeoutMs: 1000,
      unreadTimeoutMs: 1000,
      requestTimeoutMs: 1000,
      ingestRecordsMax: 100,
      ingestBytesMax: 100_000,
      jsonDepthMax: 64,
      eventBytesMax: 1 << 20,
      answerBytesMax: 1 << 20,
      runsMax: 100,
      eventLoopLagMaxMs: 0,
      ledgerWaitMaxMs: 0,
      diskFreeBytesMin: 0,
      retriesMax: 2,
      upstreamConnectionsMax: 100,
      upstreamWaitMs: 10_000,
      shutdownDrainMs: 1000,
      tagsMax: 4,
      metadataBytesMax: 100,
      turnsMax: 100,
      laneTurnsMax: 4,
      turnTimeoutMs: 0,
      sessionsKnownMax: 100,
      idempotencyKeepMs: 60_000,
      idempotencyKeysMax: 100,
      idempotencyAnswerBytesMax: 1 << 16,
      idempotencyBytesMax: 1 << 20,
      feedsMax: 1,
      metricSeriesMax: 10,
      keysMax: 100,
      webhooksMax: 100,
      webhooksPerTenantMax: 100,
      socketsMax: 10,
      handshakesMax: 10,
      handshakeTimeoutMs: 1000,
      handshakeBytesMax: 65536,
      frameBytesMax: 1048576,
      socketUnsentBytesMax: 65536,
      socketUnsentMaxMs: 1000,
      socketRequestsMax: 10,
      socketRequestsPerSecondMax: 100,
      tickIntervalMs: 30000,
      deltaIntervalMs: 0,
      logLinesMax: 10,
      ...options.limits,
    },
  };
}

const event = (data: object | string): Buffer =>
  Buffer.from(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);

export const USAGE = {
  prompt_tokens: 103,
  completion_tokens: 20,
  total_tokens: 123,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens_details: { reasoning_tokens: 5 },
};

/** The pieces of a stream, each one event. */
export const SSE = {
  role: event({
    id: 'c1',
    model: 'm',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  }),
  text: (content: string): Buffer =>
    event({ id: 'c1', choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
  stop: event({ id: 'c1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  usage: event({ id: 'c1', choices: [], usage: USAGE }),
  done: event('[DONE]'),
  error: event({ error: { message: 'overloaded', type: 'server_error' } }),
};

export const COMPLETION = {
  id: 'c1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there.' }, finish_reason: 'stop' }],
  usage: USAGE,
};

export const REPORTED = makeUsage({ input: 63, output: 20, cacheRead: 40, reasoning: 5 });
export const STREAMED = { json: { stream: true } };
export const ASKING = { json: { stream: true, stream_options: { include_usage: true } } };

export const bytesOf = (...events: Buffer[]): string => Buffer.concat(events).toString();

/** The ledger with another `settle`; getters of a class do not survive a spread. */
export function wrapped(ledger: Ledger, settle: Ledger['settle']): Ledger {
  return { ledgerId: ledger.ledgerId, available: true, open: (intent) => ledger.open(intent), settle };
}
