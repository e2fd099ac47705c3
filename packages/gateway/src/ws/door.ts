/**
 * Door two: WebSockets at `/` of the one port, speaking OpenClaw's protocol. Here an HTTP upgrade becomes a connection or
 * is refused, and the room's parts are put together; what libraries it takes is loaded when the first one comes. The
 * server's other upgrades stay what they were: requests.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { WebSocketServer } from 'ws';
import { sourceOf } from '../access/limiter.ts';
import { type Caller, isOperator } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { GatewayError } from '../domain/errors.ts';
import { isForeign, ownNamesOf } from '../domain/own-origin.ts';
import type { EventLog } from '../events/log.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import type { LineRing } from '../lib/line-ring.ts';
import type { Catalogue } from '../providers/catalogue.ts';
import type { Turns } from '../runs/turns.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Store } from '../store/store.ts';
import { CLOSE_RESTART, Connection, type ConnectionDeps } from './connection.ts';
import { dispatchMethod } from './dispatch-method.ts';
import { Hub } from './hub.ts';
import { CLOSE_POLICY, identify } from './identity.ts';
import { allMethods } from './methods/list.ts';
import { isShown } from './presence.ts';
import { RunEvents } from './run-events.ts';
import { WireSchemas } from './schemas.ts';
import { SessionEvents } from './session-events.ts';
import { SessionRows } from './session-rows.ts';
import { Standing, viewOf } from './standing.ts';
import { UsageEvents } from './usage-events.ts';

/** As long as others hold fewer places: come again. */
const CLOSE_TRY_LATER = 1013;

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
  runs: { readonly draining: boolean; atDoor(): GatewayError | null };
  turns: Pick<Turns, 'start' | 'abort' | 'wait' | 'live' | 'sessionOf' | 'onEvent'>;
  sessions: Sessions;
  events: Pick<EventLog, 'lastSeq' | 'follow'>;
  ledger: { readonly ledgerId: string };
  catalogue: Pick<Catalogue, 'find' | 'listed'>;
  pressure: { readonly view: { shedding: boolean; eventLoopLagMs: number } } | null;
  store: Store;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  lines: LineRing;
  report: (error: unknown) => void;
}

interface Loaded {
  server: WebSocketServer;
  connection: ConnectionDeps;
}

export class WebSocketDoor {
  readonly #deps: DoorDeps;
  readonly #hub: Hub;
  readonly #rows: SessionRows;
  readonly #standing: Standing;
  readonly #runEvents: RunEvents;
  readonly #sessionEvents: SessionEvents;
  readonly #usageEvents: UsageEvents;
  readonly #stopListening: (() => void)[];
  /** Sockets that have not connected yet, those on their way to be one included. */
  #handshakes = 0;
  #loading: Promise<Loaded> | null = null;
  #isClosing = false;
  readonly #unopened = new Set<Connection>();

  constructor(deps: DoorDeps) {
    this.#deps = deps;
    const { config, clock, turns, sessions, ids, report } = deps;
    const now = (): number => clock.now();
    this.#hub = new Hub(() => config().limits, now);
    this.#rows = new SessionRows({ ...deps, now });
    this.#standing = new Standing({ ...deps, rows: this.#rows, hub: this.#hub });
    this.#runEvents = new RunEvents({ hub: this.#hub, deltaIntervalMs: () => config().limits.deltaIntervalMs });
    this.#sessionEvents = new SessionEvents({
      ...{ hub: this.#hub, rows: this.#rows, sessions, now, report },
      newMessageId: () => ids.next('msg'),
    });
    this.#usageEvents = new UsageEvents({ hub: this.#hub, events: deps.events, report });
    this.#stopListening = [
      turns.onEvent((event) => {
        this.#runEvents.take(event);
        this.#sessionEvents.turned(event);
      }),
      sessions.onChange((change) => this.#sessionEvents.changed(change)),
    ];
  }

  /** How often an event was made into text, for the test that counts. */
  get serialised(): number {
    return this.#hub.serialised;
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
    for (const stop of this.#stopListening) stop();
    await this.#sessionEvents.settled();
    this.#standing.close();
    this.#runEvents.close();
    this.#usageEvents.close();
    this.#hub.broadcast('shutdown', { reason: 'gateway stopping' }, { tenantId: null, among: () => true });
    await this.#hub.told();
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
    socket.on('error', ignore);
    const config = this.#deps.config();
    const address = request.socket.remoteAddress ?? 'unknown';
    if (isForeign(request.headers, ownNamesOf(config))) return refuse(socket, 403);
    if (this.#isClosing || (this.#isFull(config.limits) && !this.#makeRoomFor(address))) return refuse(socket, 503);
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
        this.#unopened.add(new Connection(webSocket, address, connection));
      });
    } catch (error) {
      this.#loading = null;
      this.#deps.report(error);
      refuse(socket, 500);
    }
  }

  #isFull({ handshakesMax, socketsMax }: GatewayConfig['limits']): boolean {
    return this.#handshakes >= handshakesMax || this.#hub.size + this.#handshakes >= socketsMax;
  }

  /**
   * Where every place is taken, the source that holds most of those that have not shown a credential gives its oldest up to
   * one that holds fewer: nobody keeps all others out. No limit for each source, because behind a proxy there is one only.
   */
  #makeRoomFor(address: string): boolean {
    const held = Map.groupBy(this.#unopened, (connection) => sourceOf(connection.address));
    const most = [...held.values()].reduce((a, b) => (b.length > a.length ? b : a), []);
    const own = held.get(sourceOf(address))?.length ?? 0;
    if (most.length <= own + 1) return false;
    most[0]!.close(CLOSE_TRY_LATER, 'others wait');
    return true;
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
    const methods = this.#methods();
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
      welcome: (connection) => this.#standing.hello(connection, names),
      onOpen: (connection) => this.#opened(connection),
      onClose: (connection) => this.#closed(connection),
      call: (request, connection, interim) => {
        const { identity } = connection;
        return dispatchMethod(request, { identity, peer: connection, interim }, { methods, schemas });
      },
      report,
    };
  }

  #methods(): ReturnType<typeof allMethods> {
    const { clock, turns, ledger, runs } = this.#deps;
    return allMethods({
      ...this.#deps,
      version: WEIGHBRIDGE_VERSION,
      ledgerId: () => ledger.ledgerId,
      health: this.#standing.health,
      healthView: ({ peer }) => viewOf((peer as Connection).identity),
      presence: ({ caller }) => this.#standing.presence(caller),
      status: ({ caller }) => this.#standing.status(caller),
      rows: this.#rows,
      listen: () => this.#usageEvents.listen(),
      now: () => clock.now(),
      sessionOfRun: (tenantId, runId) => turns.sessionOf(tenantId, runId),
      atDoor: () => runs.atDoor(),
      abortAll: (tenantId, sessionKey) => void turns.abort({ tenantId, sessionKey }),
      inject: (session, message) => this.#sessionEvents.inject(session, message),
    });
  }

  #opened(connection: Connection): void {
    this.#handshakes--;
    this.#unopened.delete(connection);
    this.#hub.add(connection);
    const { terms } = connection.identity.caller;
    if (terms) endWith(terms.ended, connection);
    void this.#standing.opened(connection);
  }

  #closed(connection: Connection): void {
    if (this.#unopened.delete(connection)) {
      this.#handshakes--;
      return;
    }
    this.#hub.remove(connection);
    connection.onceGone?.();
    if (isShown(connection) && !this.#isClosing) this.#standing.presenceChanged();
  }
}

/** Not a closure: one that is made with a request keeps the request for as long as its socket lives. */
function ignore(): void {}

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
