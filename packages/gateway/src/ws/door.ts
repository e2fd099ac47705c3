/**
 * Door two: WebSockets at `/` of the one port, speaking OpenClaw's protocol. Here an HTTP upgrade becomes a connection or
 * is refused; what libraries it takes is loaded when the first one comes. The server's other upgrades stay what they
 * were: requests.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { WebSocketServer } from 'ws';
import { type Caller, isOperator } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { isForeign } from '../domain/own-origin.ts';
import type { Clock } from '../lib/clock.ts';
import type { LineRing } from '../lib/line-ring.ts';
import type { Store } from '../store/store.ts';
import { CLOSE_RESTART, Connection, type ConnectionDeps } from './connection.ts';
import { dispatchMethod } from './dispatch-method.ts';
import { Health, type HealthView } from './health.ts';
import { helloOf } from './hello.ts';
import { Hub, mayRead } from './hub.ts';
import { CLOSE_POLICY, type Identity, identify } from './identity.ts';
import type { AgentMethodsDeps } from './methods/agents.ts';
import { allMethods } from './methods/list.ts';
import { isShown, type PresenceEntry, presenceFor } from './presence.ts';
import { WireSchemas } from './schemas.ts';

/** Presence is told this long after the last of a crowd has come or gone. */
const PRESENCE_MS = 200;
/** How long clients may take to close once they were told that the gateway stops. */
const FAREWELL_MS = 1_500;
/** Refused upgrades get a few words and no connection. */
const REFUSALS = {
  403: 'Forbidden',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

export interface DoorDeps {
  config: () => GatewayConfig;
  configFile: () => string | null;
  access: {
    authenticate(headers: Record<string, string>, remoteAddress: string): Caller | Promise<Caller>;
    isOperators(presented: string | null): boolean;
  };
  runs: { readonly draining: boolean };
  ledger: { readonly ledgerId: string };
  catalogue: AgentMethodsDeps['catalogue'];
  pressure: { readonly view: { shedding: boolean; eventLoopLagMs: number } } | null;
  store: Store;
  clock: Clock;
  lines: LineRing;
  report: (error: unknown) => void;
}

interface Loaded {
  server: WebSocketServer;
  connection: ConnectionDeps;
}

export class WebSocketDoor {
  readonly #deps: DoorDeps;
  readonly #bootId = randomUUID();
  readonly #startedAt: number;
  readonly #hub: Hub;
  readonly #health: Health;
  /** Sockets that have not connected yet, those on their way to be one included. */
  #handshakes = 0;
  #loading: Promise<Loaded> | null = null;
  #presenceVersion = 1;
  #presenceTimer: NodeJS.Timeout | null = null;
  #isClosing = false;
  readonly #unopened = new Set<Connection>();

  constructor(deps: DoorDeps) {
    this.#deps = deps;
    const { config, clock } = deps;
    this.#startedAt = clock.monotonic();
    const now = (): number => clock.now();
    this.#hub = new Hub(() => config().limits, now);
    this.#health = new Health({
      config,
      now,
      pressure: deps.pressure,
      plugins: () => ({ loaded: [] }),
      recentSessions: async () => ({ total: 0, recent: [] }),
    });
  }

  get hub(): Hub {
    return this.#hub;
  }

  attach(server: Server): void {
    // Not in the types yet.
    (server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }).shouldUpgradeCallback =
      isWebSocketHere;
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  /** Tells all that the gateway stops, and waits a moment for them to go. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#presenceTimer !== null) clearTimeout(this.#presenceTimer);
    this.#hub.broadcast('shutdown', { reason: 'gateway stopping' }, { tenantId: null, among: () => true });
    for (const connection of [...this.#hub.all(), ...this.#unopened])
      connection.close(CLOSE_RESTART, 'service restart');
    this.#hub.close();
    const server = (await this.#loading?.catch(() => null))?.server;
    if (server === undefined) return;
    const deadline = performance.now() + FAREWELL_MS;
    while (server.clients.size > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const socket of server.clients) socket.terminate();
  }

  /** After a reload: a connection whose credential is no longer good is closed. */
  recheck(): void {
    for (const connection of [...this.#hub.all()]) {
      const { presented, caller } = connection.identity;
      if (isOperator(caller) && !this.#deps.access.isOperators(presented?.reveal() ?? null))
        connection.close(CLOSE_POLICY, 'credential changed');
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => {});
    const { host, auth, limits } = this.#deps.config();
    if (isForeign(request.headers, { host, isOpenToAll: auth.mode === 'none' })) return refuse(socket, 403);
    const isFull = this.#handshakes >= limits.handshakesMax || this.#hub.size + this.#handshakes >= limits.socketsMax;
    if (this.#isClosing || isFull) return refuse(socket, 503);
    this.#handshakes++;
    let isGone = false;
    const onGone = (): void => {
      if (!isGone) this.#handshakes--;
      isGone = true;
    };
    socket.once('close', onGone);
    try {
      this.#loading ??= this.#load();
      const { server, connection } = await this.#loading;
      if (isGone) return;
      server.handleUpgrade(request, socket, head, (webSocket) => {
        socket.off('close', onGone);
        const address = request.socket.remoteAddress ?? 'unknown';
        this.#unopened.add(new Connection(webSocket, address, connection));
      });
    } catch (error) {
      this.#loading = null;
      this.#deps.report(error);
      refuse(socket, 500);
    }
  }

  async #load(): Promise<Loaded> {
    const [{ WebSocketServer }, schemas] = await Promise.all([import('ws'), WireSchemas.load()]);
    const { limits } = this.#deps.config();
    const server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: limits.handshakeBytesMax,
      clientTracking: true,
    });
    return { server, connection: this.#connectionDeps(schemas) };
  }

  #connectionDeps(schemas: WireSchemas): ConnectionDeps {
    const { config, clock, report, access } = this.#deps;
    const methods = allMethods({
      ...this.#deps,
      version: WEIGHBRIDGE_VERSION,
      ledgerId: () => this.#deps.ledger.ledgerId,
      health: this.#health,
      healthView: ({ peer }) => viewOf((peer as Connection).identity),
      presence: ({ caller }) => this.#presence(caller),
      status: async () => ({}),
      now: () => clock.now(),
    });
    const names = [...methods.keys()];
    return {
      limits: () => config().limits,
      now: () => clock.now(),
      frameCheck: schemas.check('RequestFrame', { all: true }),
      connectCheck: schemas.check('ConnectParams', { all: true, open: true }),
      identify: (params, asked) =>
        identify(params, asked, {
          authenticate: (headers, address) => access.authenticate(headers, address),
          authMode: () => config().auth.mode,
          now: () => clock.now(),
        }),
      welcome: (connection) => this.#hello(connection, names),
      onOpen: (connection) => this.#opened(connection),
      onClose: (connection) => this.#closed(connection),
      call: (request, connection, interim) => {
        const { identity } = connection;
        return dispatchMethod(request, { identity, peer: connection, interim }, { methods, schemas });
      },
      report,
    };
  }

  async #hello({ connId, identity }: Connection, methods: readonly string[]): Promise<unknown> {
    const { config, runs, clock } = this.#deps;
    return helloOf({
      version: WEIGHBRIDGE_VERSION,
      bootId: this.#bootId,
      connId,
      methods,
      identity,
      presence: this.#presence(identity.caller),
      health: await this.#health.of(viewOf(identity)),
      stateVersion: this.#stateVersion(),
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
      isDraining: runs.draining,
      config: config(),
    });
  }

  #opened(connection: Connection): void {
    this.#handshakes--;
    this.#unopened.delete(connection);
    this.#hub.add(connection);
    const { terms } = connection.identity.caller;
    if (terms) endWith(terms.ended, connection);
    void this.#sendHealth(connection);
    if (isShown(connection)) this.#presenceChanged();
  }

  async #sendHealth(connection: Connection): Promise<void> {
    try {
      const health = await this.#health.of(viewOf(connection.identity));
      this.#hub.send(connection, 'health', health, this.#stateVersion());
    } catch (error) {
      this.#deps.report(error);
    }
  }

  #closed(connection: Connection): void {
    if (this.#unopened.delete(connection)) {
      this.#handshakes--;
      return;
    }
    this.#hub.remove(connection);
    connection.onceGone?.();
    if (isShown(connection) && !this.#isClosing) this.#presenceChanged();
  }

  #presenceChanged(): void {
    this.#presenceVersion++;
    this.#presenceTimer ??= setTimeout(() => {
      this.#presenceTimer = null;
      this.#tellPresence();
    }, PRESENCE_MS).unref();
  }

  /** Made once for the operator's connections, once for each tenant's. */
  #tellPresence(): void {
    const stateVersion = this.#stateVersion();
    const callers = new Map<string, Caller>();
    for (const { identity } of this.#hub.all()) callers.set(groupOf(identity.caller), identity.caller);
    for (const [group, caller] of callers) {
      const payload = { presence: this.#presence(caller) };
      const among = (own: Connection): boolean => mayRead(own) && groupOf(own.identity.caller) === group;
      this.#hub.broadcast('presence', payload, { tenantId: caller.tenantId, among }, { stateVersion });
    }
  }

  #presence(caller: Caller): PresenceEntry[] {
    const own = { version: WEIGHBRIDGE_VERSION, bootId: this.#bootId, now: this.#deps.clock.now() };
    return presenceFor(caller, this.#hub.all(), own);
  }

  #stateVersion(): { presence: number; health: number } {
    return { presence: this.#presenceVersion, health: this.#health.version };
  }
}

/** Everything else that asks to become something else is an ordinary request, and is answered as one. */
function isWebSocketHere({ url = '', headers, method }: IncomingMessage): boolean {
  const path = url.split('?')[0]!;
  return path === '/' && method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

function refuse(socket: Duplex, status: keyof typeof REFUSALS): void {
  socket.end(`HTTP/1.1 ${status} ${REFUSALS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), 1_000).unref();
}

/** A key that is revoked, or runs out, takes its connections with it. */
function endWith(ended: AbortSignal, connection: Connection): void {
  const onEnded = (): void => connection.close(CLOSE_POLICY, 'credential revoked');
  ended.addEventListener('abort', onEnded, { once: true });
  connection.onceGone = () => ended.removeEventListener('abort', onEnded);
  if (ended.aborted) onEnded();
}

function viewOf({ caller, scopes }: Identity): HealthView {
  const isBlind = !(scopes.has('operator.read') || scopes.has('operator.write') || scopes.has('operator.admin'));
  return { tenantId: caller.tenantId, agentId: caller.terms?.agentId ?? null, isBlind };
}

function groupOf(caller: Caller): string {
  return isOperator(caller) ? 'operator' : `tenant ${caller.tenantId}`;
}
