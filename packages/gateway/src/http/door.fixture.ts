/**
 * A door for tests of the HTTP room: the real server on a real port, with a real store and a real failure limiter; the runs
 * behind it are whatever the test says. It holds no test.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createAccess } from '../access/authenticate.ts';
import { Keys } from '../access/keys.ts';
import { ACCESS_WRITES, KEY_SCRIPTS } from '../access/room.ts';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { usageOfRuns, usageOfSessions } from '../ledger/session-usage.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { SESSION_INTENTS, SESSION_WRITES } from '../sessions/room.ts';
import { Sessions } from '../sessions/sessions.ts';
import { openStore } from '../store/open.ts';
import { WebhookRegister } from '../webhooks/register.ts';
import { WEBHOOK_WRITES } from '../webhooks/room.ts';
import { buildServer, type ServerDeps } from './server.ts';

export const TOKEN = 'door-token';
export const BEARER = { authorization: `Bearer ${TOKEN}` };
export const BODY = JSON.stringify({ model: 'p/m', messages: [{ role: 'user', content: 'hi' }] });
export const BODY_BYTES_MAX = 64 * 1024;

const NO_PRICES = {
  priceOf: () => assert.fail('nothing is priced here'),
  correct: () => assert.fail('nothing is corrected here'),
  pricesHash: () => '',
};

const NO_REPORTS = {
  reports: {
    get store() {
      return assert.fail('nothing is reported here');
    },
    instanceId: '',
    announce: () => {},
  },
  nextDispatchId: () => '',
};

/** Endpoints are kept here; nobody sends to them. */
const NO_COURIERS = { ofFile: [], view: () => null, refresh: async () => {}, restart: async () => {}, senderDeps: {} };

const NO_PLUGINS = {
  list: async () => [],
  find: () => assert.fail('there is no plugin here'),
  replay: () => assert.fail('there is no plugin here'),
};

type Run = (call: Call, sink: AnswerSink, callerGone: AbortSignal) => void;

const USUAL = {
  host: '127.0.0.1',
  allowedOrigins: ['https://meter.example'],
  auth: { mode: 'token', rateLimit: { maxAttempts: 100_000, windowMs: 60_000, lockoutMs: 60_000, sourcesMax: 10 } },
  endpoints: { chatCompletions: true, responses: true, messages: true, proxy: false },
  agents: {
    byId: new Map([['main', { id: 'main', model: 'p/m', fallbacks: [], instructions: null }]]),
    defaultId: 'main',
  },
  outboundHeaders: { allow: ['x-*'], settable: ['x-*'] },
  limits: {
    bodyBytesMax: BODY_BYTES_MAX,
    headTimeoutMs: 400,
    requestTimeoutMs: 800,
    unreadTimeoutMs: 1000,
    jsonDepthMax: 64,
    feedsMax: 0,
    metricSeriesMax: 10,
  },
} as unknown as GatewayConfig;

const EVERYTHING: GatewayConfig = {
  ...USUAL,
  endpoints: { chatCompletions: true, responses: true, messages: true, proxy: true },
  limits: { ...USUAL.limits, feedsMax: 100 },
};

export class Door {
  base = '';
  /** Runs that were started since `renew`. */
  starts = 0;
  runs: Run = answerNothing;
  readonly ledger = { available: true };
  #app: FastifyInstance | null = null;
  #keys: Keys | null = null;
  #sessions: Sessions | null = null;
  #closeStore: () => Promise<void> = async () => {};

  /** `everything`: every surface is on, keys too. */
  async open({ everything = false } = {}): Promise<this> {
    const config = everything ? EVERYTHING : USUAL;
    const folder = await mkdtemp(join(tmpdir(), 'weighbridge-door-'));
    const store = await openStore({
      database: { kind: 'sqlite', file: join(folder, 'w.sqlite') },
      durability: 'process',
      rooms: [ACCESS_WRITES, EVENT_WRITES, LEDGER_WRITES, SESSION_WRITES, WEBHOOK_WRITES],
      intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS, ...KEY_SCRIPTS, ...SESSION_INTENTS],
    });
    await store.write('beginInstance', {
      ledgerId: 'led_DOOR',
      instanceId: 'ins_DOOR',
      pid: process.pid,
      now: Date.now(),
    });
    const deps = { store, clock: systemClock, ids: new IdSource(), keysMax: () => 1000, holdMs: 1000 };
    const keys = await Keys.begin(deps, false);
    this.#keys = keys;
    this.#closeStore = async () => {
      await store.close();
      await rm(folder, { recursive: true });
    };
    this.#sessions = await Sessions.begin({
      store,
      clock: systemClock,
      ids: new IdSource(),
      usage: {
        ofSessions: (tenantId, asked) => usageOfSessions(store, tenantId, asked),
        ofRuns: (tenantId, runIds) => usageOfRuns(store, tenantId, runIds),
      },
      limits: () => ({ sessionsKnownMax: 100 }),
      announce: () => {},
      report: (error) => assert.fail(error as Error),
    });
    // Required: a surface that comes is one that the table of routes must know (authorization.test.ts).
    const {
      keys: keyRoutes,
      webhooks: webhookRoutes,
      sessions: sessionRoutes,
      plugins,
      prices,
      ingest,
      ofProcess,
      ...usual
    }: Required<ServerDeps> = {
      config,
      access: createAccess(config.auth, { token: new Secret(TOKEN), password: null }, systemClock, keys),
      keys,
      plugins: NO_PLUGINS,
      webhooks: new WebhookRegister({
        store,
        events: { lastSeq: async () => 0 },
        clock: systemClock,
        ids: new IdSource(),
        webhooks: NO_COURIERS,
        limits: () => ({ webhooksMax: 100, webhooksPerTenantMax: 3 }),
      }),
      sessions: {
        sessions: this.#sessions,
        turns: { endAll: () => Promise.resolve() },
        catalogue: { find: (ref) => (ref === 'p/m' ? {} : null) },
      },
      prices: NO_PRICES,
      ingest: NO_REPORTS,
      ofProcess: async () => [],
      pressure: null,
      reloads: {
        view: { loadedAt: '', stale: false, reloads: 0 },
        reload: async () => ({ object: 'reload', file: null, changed: [], needsRestart: [], warnings: [] }),
      },
      disk: null,
      pageFolder: join(folder, 'page'),
      runs: {
        start: async (call, sink, gone) => {
          this.starts += 1;
          this.runs(call, sink, gone);
        },
        pass: async (_call, sink) => answerNothing({} as Call, sink),
        inFlight: () => [],
        stop: () => false,
        atDoor: () => null,
        draining: false,
      },
      ledger: this.ledger,
      store,
      // The live feed has its own tests.
      events: { lastSeq: async () => 0, async *follow() {} },
      catalogue: { listed: () => [] },
      clock: systemClock,
      log: pino({ level: 'silent' }),
      closing: new AbortController().signal,
    };
    await buildPage(usual.pageFolder);
    this.#app = await buildServer(
      everything
        ? {
            ...usual,
            keys: keyRoutes,
            webhooks: webhookRoutes,
            sessions: sessionRoutes,
            plugins,
            prices,
            ingest,
            ofProcess,
          }
        : usual,
    );
    this.base = await this.#app.listen({ host: '127.0.0.1', port: 0 });
    return this;
  }

  /** Before each test. */
  renew(): void {
    this.runs = answerNothing;
    this.starts = 0;
  }

  /** Connections that the server still has. */
  connections(): Promise<number> {
    return new Promise((resolve) => this.#app!.server.getConnections((_error, count) => resolve(count)));
  }

  /** Signs in as a browser does. */
  async cookieOf(credential: string): Promise<string> {
    const answer = await fetch(`${this.base}/models/sign-in`, {
      method: 'POST',
      headers: { origin: this.base },
      body: new URLSearchParams({ credential }),
      redirect: 'manual',
    });
    assert.equal(answer.status, 303);
    return answer.headers.getSetCookie()[0]!.split(';')[0]!;
  }

  get sessions(): Sessions {
    return this.#sessions!;
  }

  get keys(): Keys {
    return this.#keys!;
  }

  /** Every route there is. */
  get routes(): FastifyInstance['guarded'] {
    return this.#app!.guarded;
  }

  get port(): number {
    return Number(new URL(this.base).port);
  }

  async close(): Promise<void> {
    await this.#app?.close();
    await this.#closeStore();
  }

  chat(init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.base}/v1/chat/completions`, { method: 'POST', headers: BEARER, body: BODY, ...init });
  }

  /** Everything the peer gets until the connection ends or `until` matches. */
  async exchange(send: string | Buffer, until?: RegExp): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    socket.write(send);
    let text = '';
    try {
      for await (const bytes of socket.on('error', () => {})) {
        text += (bytes as Buffer).toString('latin1');
        if (until?.test(text)) break;
      }
    } catch {
      // A reset is an end too.
    }
    socket.destroy();
    return text;
  }

  async opened(send: string): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.write(send);
    return socket;
  }
}

export function head(sink: AnswerSink, type: string): void {
  sink.head({ status: 200, headers: { 'content-type': type }, runId: 'run_1', dispatchId: 'dsp_1' });
}

export function answer(sink: AnswerSink, type: string, parts: string[]): void {
  head(sink, type);
  for (const part of parts.slice(0, -1)) sink.write(Buffer.from(part));
  sink.end(Buffer.from(parts.at(-1)!));
}

export function rawRequest(method: string, path: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries({ host: 'x', ...headers, 'content-length': String(Buffer.byteLength(body)) });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** As the build leaves it, but with next to nothing in it. */
async function buildPage(folder: string): Promise<void> {
  await mkdir(join(folder, 'assets'), { recursive: true });
  const script = '<script type="module" src="/models/assets/page-1.js"></script>';
  await writeFile(join(folder, 'index.html'), `${script}<div data-facts="{{facts}}"></div>`);
  const query = '<input type="hidden" name="query" value="{{query}}">';
  await writeFile(
    join(folder, 'sign-in.html'),
    `<form><input type="password"><p>{{notice}}</p>${query}</form><form>${query}</form>`,
  );
  await writeFile(join(folder, 'assets/page-1.js'), 'export {};');
}

function answerNothing(_call: Call, sink: AnswerSink): void {
  answer(sink, 'application/json', ['{}']);
}
