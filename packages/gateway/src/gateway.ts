/**
 * The gateway as a whole: opens the store, recovers what a dead one left, wires the rooms, listens. With `wiring.ts` the
 * only file that knows every room; nothing is decided here but who gets what, and in which order things start and stop.
 */
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type Access, createAccess } from './access/authenticate.ts';
import { Keys } from './access/keys.ts';
import { FailureLimiter } from './access/limiter.ts';
import { ACCESS_WRITES, KEY_SCRIPTS } from './access/room.ts';
import { refuseLoop } from './config/listener.ts';
import type { LoadedConfig, LoadRequest } from './config/load.ts';
import { Reloads } from './config/reloads.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { connectionLimits, Upstream } from './dispatch/upstream.ts';
import type { GatewayConfig, GatewaySecrets } from './domain/config.ts';
import type { ReloadReport } from './domain/reload.ts';
import { EventLog } from './events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from './events/room.ts';
import { processMetrics } from './http/process-metrics.ts';
import { buildServer } from './http/server.ts';
import { Folding } from './ledger/folding.ts';
import { Heartbeat } from './ledger/heartbeat.ts';
import { type Ledger, StoredLedger } from './ledger/ledger.ts';
import { recordsByEntryId } from './ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES, NOTED_SCRIPTS } from './ledger/room.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { IdSource } from './lib/ids.ts';
import { LineRing } from './lib/line-ring.ts';
import { standardLog } from './lib/standard-log.ts';
import { Plugins } from './plugins/plugins.ts';
import { PluginRegister } from './plugins/register.ts';
import { PLUGIN_SCRIPTS, PLUGIN_WRITES } from './plugins/room.ts';
import { entryPricing, IMPORTED_PRICES, Prices, pricesHash } from './prices/prices.ts';
import { Catalogue } from './providers/catalogue.ts';
import { beginSessions } from './runs/begin-sessions.ts';
import { Runs } from './runs/start-run.ts';
import { SESSION_INTENTS, SESSION_NOTED, SESSION_WRITES } from './sessions/room.ts';
import type { Sessions } from './sessions/sessions.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { WebhookRegister } from './webhooks/register.ts';
import { DELIVERY_SCRIPTS, WEBHOOK_WRITES } from './webhooks/room.ts';
import { Webhooks } from './webhooks/webhooks.ts';
import {
  clockFor,
  clockWatch,
  type Losses,
  pluginsDeps,
  processView,
  runTelling,
  watchDisk,
  watchPressure,
} from './wiring.ts';
import { WebSocketDoor } from './ws/door.ts';

export interface Origin {
  loaded: LoadedConfig;
  request: LoadRequest;
}

/** What is made of one configuration. A reload makes another; a run keeps the one it began with. */
interface Setup {
  config: GatewayConfig;
  catalogue: Catalogue;
  dispatcher: Dispatcher;
  access: Access;
}

export interface Overrides {
  clock?: Clock;
  ids?: IdSource;
  log?: Logger;
  /** Puts something between the dispatches and the ledger: how tests show that their comparison can fail. */
  wrapLedger?: (ledger: Ledger) => Ledger;
  /** The same between the runs and what sessions remember. */
  wrapSessions?: (sessions: Sessions) => Sessions;
  /** Where the configuration came from, so that it can be read again. */
  origin?: Origin;
}

export interface Gateway {
  /** `http://HOST:PORT`, with the port that was really bound. */
  url: string;
  /** Reads the configuration again and swaps it; rejects with `config_refused`, and then nothing has changed. */
  reload(): Promise<ReloadReport>;
  /** Stops accepting, lets runs in flight end for a while, writes what is left, closes. */
  close(): Promise<void>;
}

export async function startGateway(
  config: GatewayConfig,
  secrets: GatewaySecrets,
  overrides: Overrides = {},
): Promise<Gateway> {
  const lines = new LineRing(() => config.limits.logLinesMax);
  const { clock = systemClock, ids = new IdSource(), log = standardLog(lines) } = overrides;
  const store = await openStore({
    database: config.database,
    holdMs: config.ledger.holdMs,
    durability: config.ledger.durability,
    rooms: [ACCESS_WRITES, EVENT_WRITES, LEDGER_WRITES, PLUGIN_WRITES, SESSION_WRITES, WEBHOOK_WRITES],
    intents: [
      ...INTENT_SCRIPTS,
      ...CURSOR_SCRIPTS,
      ...KEY_SCRIPTS,
      ...PLUGIN_SCRIPTS,
      ...DELIVERY_SCRIPTS,
      ...SESSION_INTENTS,
    ],
    noted: [...NOTED_SCRIPTS, ...SESSION_NOTED],
  });
  try {
    const near = clockFor(store, clock, config.ledger.clockAheadMaxMs);
    return await startOn(store, config, secrets, { ...overrides, clock: near, ids, log, lines });
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startOn(
  store: Store,
  config: GatewayConfig,
  secrets: GatewaySecrets,
  {
    clock,
    ids,
    log,
    lines,
    origin,
    wrapLedger = (ledger) => ledger,
    wrapSessions = (sessions) => sessions,
  }: Overrides & { clock: Clock; ids: IdSource; log: Logger; lines: LineRing },
): Promise<Gateway> {
  store.onAvailability((reason) => {
    if (reason !== null) log.error({ reason }, 'the database takes no writes; calls are refused until it does');
    else log.info('the database takes writes again');
  });
  const losses = { settlement: 0, run_event: 0 };
  const { ledger, events, heartbeat, instanceId } = await beginLedger(store, config, clock, ids, log, losses);
  // Its endpoints have their cursors, and so miss no call, before anybody is let in.
  const webhooks = await Webhooks.begin({ store, events, clock, holder: ids.next('ins'), log }, config.webhooks);
  const { holdMs } = config.ledger;
  let limits = config.limits;
  const keys = await Keys.begin({ store, clock, ids, holdMs, keysMax: () => limits.keysMax }, true);
  const folding = new Folding(store);
  folding.start();
  const metered = wrapLedger(ledger);
  const upstream = new Upstream(connectionLimits(config));
  const prices = new Prices({
    importedFile: join(config.stateDir, IMPORTED_PRICES),
    report: (reason) => log.error({ reason }, 'imported prices are not used; the price book of this version is'),
  });
  const rateLimit = section(() => setup.config.auth.rateLimit);
  const limiter = new FailureLimiter(rateLimit, clock);
  const setUp = (next: GatewayConfig, given: GatewaySecrets): Setup => ({
    config: next,
    catalogue: new Catalogue(next.providers),
    dispatcher: new Dispatcher({
      ledger: metered,
      upstream,
      prices,
      clock,
      ids,
      config: next,
      onAnomaly: (dispatchId, anomaly) => log.warn({ dispatchId, anomaly }, 'a provider’s answer cannot be as it says'),
    }),
    access: createAccess(next.auth, given, clock, keys, limiter),
  });
  let setup = setUp(config, secrets);
  const pressure = watchPressure(() => setup.config, log);
  const stopWatching = pressure.watch(store);
  const disk = await watchDisk(() => setup.config, log);
  const remembered = await beginSessions({
    store,
    clock,
    ids,
    config: () => setup.config,
    announce: (seq) => events.announce(seq),
    log,
    wrap: wrapSessions,
  });
  const plugins = new Plugins(pluginsDeps(config, { store, clock, ids, log, ledger, events }));
  const runs = new Runs({
    disk,
    pressure,
    sessions: remembered.sessions,
    appends: remembered.appends,
    ledger: metered,
    get dispatcher() {
      return setup.dispatcher;
    },
    get catalogue() {
      return setup.catalogue;
    },
    get config() {
      return setup.config;
    },
    clock,
    ids,
    interceptor: plugins.interceptor(() => setup.config.outboundHeaders),
    telling: runTelling(
      { events, clock, ids, log, losses, wants: (type) => plugins.wants(type) || webhooks.wants(type) },
      () => setup.config,
    ),
    report: (error) => log.error({ err: error }, 'a run ended with a bug of ours'),
  });
  const measured = processMetrics(
    processView({ store, clock, ledger, runs, plugins, webhooks, losses, lostTexts: remembered.lostTexts }),
  );
  const turns = remembered.turns(runs);
  const closing = new AbortController();
  let url = '';
  const reloads = new Reloads({
    origin: origin ?? null,
    clock,
    swap: (loaded) => {
      refuseLoop(loaded.config, Number(new URL(url).port));
      setup = setUp(loaded.config, loaded.secrets);
      limits = loaded.config.limits;
      upstream.keep(loaded.config.providers.values(), connectionLimits(loaded.config));
      void webhooks.use(loaded.config.webhooks);
      sockets.recheck();
    },
    onReloaded: (report) => log.info(report, 'the configuration was reloaded'),
    onRefused: (reason) => log.error({ reason }, 'the configuration was not reloaded; the one before stays in force'),
  });
  const access: Access = {
    authenticate: (headers, address) => setup.access.authenticate(headers, address),
    isOperators: (presented) => setup.access.isOperators(presented),
    get signIns() {
      return setup.access.signIns;
    },
  };
  const server = await buildServer({
    config: {
      ...config,
      limits: section(() => setup.config.limits),
      agents: section(() => setup.config.agents),
      outboundHeaders: section(() => setup.config.outboundHeaders),
    },
    sessions: { sessions: remembered.sessions, turns, catalogue: { find: (ref) => setup.catalogue.find(ref) } },
    access,
    keys,
    webhooks: new WebhookRegister({ store, events, clock, ids, webhooks, limits: () => limits }),
    plugins: new PluginRegister({ store, events, plugins }),
    runs,
    ledger,
    store,
    prices: {
      priceOf: entryPricing(prices, () => setup.config.providers),
      correct: (correction) => ledger.correct(correction),
      pricesHash: () => pricesHash(prices, setup.config.providers),
    },
    ingest: {
      reports: { store, instanceId, announce: (seq) => events.announce(seq) },
      nextDispatchId: () => ids.next('dsp'),
    },
    events,
    ofProcess: measured.families,
    catalogue: { listed: () => setup.catalogue.listed() },
    clock,
    log,
    closing: closing.signal,
    pressure,
    disk,
    reloads,
  });
  const sockets = new WebSocketDoor({
    ...{ runs, ledger, store, clock, ids, pressure, lines, access, turns, events, sessions: remembered.sessions },
    catalogue: { listed: () => setup.catalogue.listed(), find: (ref) => setup.catalogue.find(ref) },
    config: () => setup.config,
    configFile: () => origin?.loaded.file ?? null,
    report: (error) => log.error({ err: error }, 'a request failed'),
  });
  sockets.attach(server.server);
  await plugins.load();
  try {
    url = await listen(server, config);
    webhooks.listensAt(config.host, Number(new URL(url).port));
  } catch (error) {
    await plugins.close();
    throw error;
  }
  plugins.started(url);
  // The books are read now, beside the first calls, not in the middle of settling one.
  if ([...config.providers.values()].some(({ vendor }) => vendor !== null)) setImmediate(() => prices.books());
  return {
    url,
    reload: () => reloads.reload(),
    close: async () => {
      await Promise.all([runs.drain(setup.config.limits.shutdownDrainMs), turns.drain()]);
      await remembered.stop();
      await sockets.close();
      stopWatching();
      disk?.close();
      closing.abort();
      measured.close();
      await server.close();
      await upstream.close();
      await plugins.close();
      keys.close();
      await webhooks.close();
      await folding.stop();
      await heartbeat?.stop();
      await ledger.close();
      await store.close();
    },
  };
}

interface Begun {
  /** This process among those that write here. */
  instanceId: string;
  ledger: StoredLedger;
  events: EventLog;
  /** Where others share the database; null where this process has it to itself. */
  heartbeat: Heartbeat | null;
}

/** The ledger and its event log. Entries of gateways that are known to be dead are settled before anybody is let in. */
async function beginLedger(
  store: Store,
  config: GatewayConfig,
  clock: Clock,
  ids: IdSource,
  log: Logger,
  losses: Losses,
): Promise<Begun> {
  const render = (tenantId: string, entryIds: readonly string[]) => recordsByEntryId(store, tenantId, entryIds);
  const events = new EventLog({
    store,
    ledgerId: () => ledger.ledgerId,
    renderers: { 'model.usage': render, 'model.usage.corrected': render },
  });
  store.onTold((payload) => {
    if (payload === null) events.wake();
    else if (/^\d+$/.test(payload)) events.announce(Number(payload));
  });
  const instanceId = ids.next('ins');
  const ledger: StoredLedger = await StoredLedger.begin(
    {
      store,
      clock,
      instanceId,
      announce: (seq) => events.announce(seq),
      report: (error) => {
        losses.settlement += 1;
        log.error({ err: error }, 'a settlement was not written as it came');
      },
    },
    ids.next('led'),
  );
  const onRecovered = (entries: number): void =>
    log.warn({ recovered: entries }, 'dispatches of a gateway that died were settled as uncertain');
  if (store.exclusive) {
    const recovered = await ledger.recoverDead();
    if (recovered > 0) onRecovered(recovered);
    return { instanceId, ledger, events, heartbeat: null };
  }
  const leaseMs = config.ledger.instanceLeaseMs;
  const recoverDead = (): Promise<number> => ledger.recoverDead();
  const watch = clockWatch(store, clock, log);
  await watch.look();
  // A server that is away is told of by the store; the next beat looks again.
  const onBeat = (): void => void watch.look().catch(() => {});
  const heartbeat = new Heartbeat({ store, clock, instanceId, leaseMs, recoverDead, onBeat, onRecovered });
  await heartbeat.start();
  return { instanceId, ledger, events, heartbeat };
}

async function listen(server: FastifyInstance, config: GatewayConfig): Promise<string> {
  await server.listen({ host: config.host, port: config.port });
  const { port } = server.server.address() as AddressInfo;
  try {
    // With port 0 the port is known only now, and so whether a provider points back at us.
    refuseLoop(config, port);
  } catch (error) {
    await server.close();
    throw error;
  }
  return `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
}

/** A section of the configuration whose values are always those in force. */
function section<Section extends object>(now: () => Section): Section {
  return new Proxy({} as Section, { get: (_empty, key) => Reflect.get(now(), key) as unknown });
}
