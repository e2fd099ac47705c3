/**
 * Support for this room's tests: a real ledger on a real file, real sockets to an upstream that the test scripts, and a
 * sink that keeps what a caller would have seen. Nothing of ours is imitated.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DispatchDetail, DispatchRecord } from '@weighbridge/protocol';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { Upstream } from '../dispatch/upstream.ts';
import type { Agent } from '../domain/agent.ts';
import type { AnswerHead, AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { GatewayError } from '../domain/errors.ts';
import type { Provider } from '../domain/provider.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { type Ledger, StoredLedger } from '../ledger/ledger.ts';
import { findDispatch, listDispatches } from '../ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { Catalogue } from '../providers/catalogue.ts';
import type { Anomaly } from '../providers/dialect.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { Runs } from './start-run.ts';

export interface Received {
  request: IncomingMessage;
  body: string;
}

export type Answering = (response: ServerResponse, received: Received) => void;

/** A provider whose every answer the test writes itself. */
export class ScriptedUpstream {
  readonly received: Received[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  #answering: Answering[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const upstream = new ScriptedUpstream(server);
    server.on('request', (request, response) => void upstream.#receive(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** How the next requests are answered, in order; the last one answers all further ones. */
  answer(...answering: Answering[]): void {
    this.received.length = 0;
    this.#answering = answering;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const received = { request, body: Buffer.concat(chunks).toString() };
    this.received.push(received);
    const answering = this.#answering.length > 1 ? this.#answering.shift() : this.#answering[0];
    assert.ok(answering, 'the test scripted no answer');
    answering(response, received);
  }
}

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
  wrapLedger?: (ledger: Ledger) => Ledger;
}

export class Rig {
  readonly runs: Runs;
  readonly anomalies: Anomaly[] = [];
  readonly bugs: unknown[] = [];
  readonly ledger: StoredLedger;
  readonly #store: Store;
  readonly #upstream: Upstream;
  readonly #folder: string;

  private constructor(store: Store, ledger: StoredLedger, folder: string, baseUrl: string, options: RigOptions) {
    this.#store = store;
    this.#folder = folder;
    this.ledger = ledger;
    const config = configOf(baseUrl, options);
    const metered = options.wrapLedger?.(ledger) ?? ledger;
    const ids = new IdSource();
    this.#upstream = new Upstream({ connectionsMax: config.limits.upstreamConnectionsMax });
    const dispatcher = new Dispatcher({
      ledger: metered,
      upstream: this.#upstream,
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
    });
  }

  static async open(baseUrl: string, options: RigOptions = {}): Promise<Rig> {
    const folder = await mkdtemp(join(tmpdir(), 'wb-runs-'));
    const store = await openStore({
      file: join(folder, 'ledger.sqlite'),
      durability: 'process',
      rooms: [EVENT_WRITES, LEDGER_WRITES],
      intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
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
    return new Rig(store, ledger, folder, baseUrl, options);
  }

  /** Runs a call to its end. */
  async play(call: Partial<Call> & { json?: object }, view = new CallerView()): Promise<CallerView> {
    await this.runs.start(callOf(call), view, view.gone.signal);
    return view;
  }

  /** All entries, oldest first. */
  async entries(): Promise<DispatchRecord[]> {
    const page = await listDispatches(this.#store, { tenantId: 'default', limit: 1000, cursor: null, filters: {} });
    return page.data.reverse();
  }

  /** The only entry there is. */
  async entry(): Promise<DispatchDetail> {
    const entries = await this.entries();
    assert.equal(entries.length, 1);
    return (await findDispatch(this.#store, 'default', entries[0]!.dispatchId))!;
  }

  async close(): Promise<void> {
    await this.#upstream.close();
    await this.ledger.close();
    await this.#store.close();
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
    body: Buffer.from(JSON.stringify(fields)),
    requestedModel: String(fields.model),
    stream: fields.stream === true,
    asksUsage: options?.include_usage === true,
    user: typeof fields.user === 'string' ? fields.user : null,
    headers: {},
    ...over,
  };
}

function configOf(
  baseUrl: string,
  options: RigOptions,
): Pick<GatewayConfig, 'agents' | 'limits' | 'metering' | 'providers'> {
  const first: Provider = {
    id: 'up',
    api: 'openai-completions',
    baseUrl,
    kind: 'http',
    credential: new Secret('sk-upstream'),
    headers: {},
    models: [],
    isVendorOrigin: false,
    asksUsage: 'unknown',
    timeouts: { connectTimeoutMs: 1000, firstByteTimeoutMs: 5000, idleTimeoutMs: 5000, totalTimeoutMs: 0 },
    ...options.provider,
  };
  const providers = [first, ...(options.others ?? []).map((other) => ({ ...first, ...other }))];
  const agents = options.agents ?? [];
  return {
    providers: new Map(providers.map((provider) => [provider.id, provider])),
    agents: {
      byId: new Map(agents.map((agent) => [agent.id, agent])),
      defaultId: agents.length === 1 ? agents[0]!.id : null,
    },
    metering: options.metering ?? {
      onCallerGone: 'drain',
      drain: { timeoutMs: 2000, tokensMax: 500, concurrentMax: 32 },
    },
    limits: {
      bodyBytesMax: 1 << 20,
      jsonDepthMax: 64,
      eventBytesMax: 1 << 20,
      answerBytesMax: 1 << 20,
      runsMax: 100,
      retriesMax: 2,
      upstreamConnectionsMax: 100,
      shutdownDrainMs: 1000,
      tagsMax: 4,
      metadataBytesMax: 100,
      feedsMax: 1,
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

export const EVENT_STREAM = { 'content-type': 'text/event-stream' };

/** A whole stream at once. */
export function stream(...events: Buffer[]): Answering {
  return (response) => {
    response.writeHead(200, EVENT_STREAM);
    response.end(Buffer.concat(events));
  };
}

export function json(status: number, body: object, headers: Record<string, string> = {}): Answering {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

export const COMPLETION = {
  id: 'c1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there.' }, finish_reason: 'stop' }],
  usage: USAGE,
};
