/**
 * What stands beside a call's path is put together here: who watches (machine, disk), who follows the event log (webhooks,
 * plugins), what metrics are told. Each gets its narrow part of the gateway and a voice in the log; `gateway.ts` says when.
 */
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { GatewayConfig } from './domain/config.ts';
import type { RunTelling } from './domain/run-facts.ts';
import type { EventLog } from './events/log.ts';
import type { FollowerName } from './events/scripts.ts';
import { followerWaits } from './events/waits.ts';
import type { ProcessView } from './http/process-metrics.ts';
import type { StoredLedger } from './ledger/ledger.ts';
import type { Clock } from './lib/clock.ts';
import { HeldClock } from './lib/held-clock.ts';
import type { IdSource } from './lib/ids.ts';
import { setAsideCount } from './plugins/aside.ts';
import type { Plugins, PluginsDeps } from './plugins/plugins.ts';
import { Pressure } from './runs/pressure.ts';
import type { Runs } from './runs/start-run.ts';
import { DiskSpace } from './store/disk-space.ts';
import { clockOf } from './store/facts.ts';
import type { Store } from './store/store.ts';
import { deadCounts, endpointCounts } from './webhooks/questions.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

/** On a shared database one wrong clock would date everybody's entries: it is held near the database's. */
export function clockFor(store: Store, own: Clock, aheadMaxMs: number): Clock {
  return store.exclusive ? own : new HeldClock(own, aheadMaxMs);
}

/** Looks at the database's clock, and tells when this machine's is believed no longer, and when again. */
export function clockWatch(store: Store, clock: Clock, log: Logger): { look(): Promise<void> } {
  let wasHeld = false;
  let looking: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    if (!(clock instanceof HeldClock)) return;
    const { aheadMs, isHeld } = await clock.look(() => clockOf(store));
    if (isHeld && !wasHeld)
      log.error({ aheadMs }, 'this machine’s clock is far ahead; entries are dated by the database’s');
    if (!isHeld && wasHeld) log.info({ aheadMs }, 'this machine’s clock is near the database’s again');
    wasHeld = isHeld;
  };
  // One at a time, and nobody's beat waits for it: the readers may all be busy with long questions.
  const once = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = null;
    });
    return looking;
  };
  return { look: once };
}

interface PluginSurroundings {
  ledger: StoredLedger;
  events: EventLog;
  store: Store;
  clock: Clock;
  ids: IdSource;
  log: Logger;
}

export function pluginsDeps(config: GatewayConfig, around: PluginSurroundings): PluginsDeps {
  const { store, clock, ids, log, ledger, events } = around;
  return {
    settings: config.plugins,
    store,
    log: events,
    clock,
    holder: ids.next('ins'),
    stateDir: config.stateDir,
    ledgerId: ledger.ledgerId,
    say: {
      line: (plugin, level, text) => log.info({ plugin, as: level, text }, 'a plugin says'),
      notLoaded: (path, plugin, reason) => log.warn({ path, plugin, reason }, 'a plugin is not loaded'),
      died: (plugin, reason) => log.warn({ plugin, reason }, 'a plugin’s process ended; it is started anew'),
      setAside: (plugin, seq, reason) => log.warn({ plugin, seq, reason }, 'an event was set aside for a plugin'),
      bug: (error) => log.error({ err: error }, 'following for a plugin failed; it begins anew'),
    },
  };
}

interface TellingSurroundings extends Pick<PluginSurroundings, 'events' | 'clock' | 'ids' | 'log'> {
  wants: (type: string) => boolean;
  losses: Pick<Losses, 'run_event'>;
}

/** Runs are told of only where somebody follows them: that is two more rows for each call. */
export function runTelling(around: TellingSurroundings, config: () => GatewayConfig): RunTelling {
  const { events, clock, ids, log, wants, losses } = around;
  return {
    wants: (type) => config().events.runs === 'always' || wants(type),
    tell: (type, fact) => {
      const { tenantId, runId: subject } = fact;
      const told = { tenantId, id: ids.next('evt'), type, subject, payload: JSON.stringify(fact), now: clock.now() };
      events.append(told).catch((error: unknown) => {
        losses.run_event += 1;
        log.warn({ err: error, type }, 'a run was not told of');
      });
    },
  };
}

export function watchPressure(config: () => GatewayConfig, log: Logger): Pressure {
  return new Pressure({
    limits: () => config().limits,
    onChange: (shedding, view) => {
      if (shedding) log.warn(view, 'overloaded: calls are shed with 503 until this machine keeps up');
      else log.info(view, 'no longer overloaded');
    },
  });
}

/** Null where the database is a server: its disk is not ours to see. */
export async function watchDisk(config: () => GatewayConfig, log: Logger): Promise<DiskSpace | null> {
  const { database } = config();
  if (database.kind !== 'sqlite') return null;
  const folder = dirname(database.file);
  const space = new DiskSpace({
    folder,
    freeBytesMin: () => config().limits.diskFreeBytesMin,
    onMark: (mark, view) => {
      if (mark === null) log.info({ folder, ...view }, 'the ledger’s disk has room again');
      else log.warn({ folder, ...view, mark }, 'the ledger’s disk is filling up');
    },
    onFloor: (isBelow, view) => {
      if (isBelow) log.error({ folder, ...view }, 'calls are refused: too little is free (limits.diskFreeBytesMin)');
      else log.info({ folder, ...view }, 'calls are taken again: there is room for the ledger');
    },
  });
  return space.start();
}

/** What was lost since this process began, by class. */
export interface Losses {
  settlement: number;
  /** Words of a run's start or end that are in no log. */
  run_event: number;
}

interface Measured extends Pick<ProcessView, 'store' | 'ledger'> {
  store: Store;
  clock: Clock;
  runs: Pick<Runs, 'inFlight'>;
  plugins: Pick<Plugins, 'all' | 'followed'>;
  webhooks: Pick<Webhooks, 'followed'>;
  losses: Losses;
  /** Texts of turns that are in no transcript. */
  lostTexts: () => number;
}

/** What metrics tell of this process, and of what its rooms count in their tables. */
export function processView(measured: Measured): ProcessView {
  const { store, clock, ledger, runs, plugins, webhooks, losses, lostTexts } = measured;
  return {
    now: () => clock.now(),
    inFlight: () => runs.inFlight().length,
    ledger,
    store,
    losses: async () => {
      const [dead, aside] = await Promise.all([deadCounts(store), setAsideCount(store)]);
      const messages = [...dead.values()].reduce((sum, count) => sum + count, 0);
      return { ...losses, webhook_message: messages, plugin_event: aside, transcript_text: lostTexts() };
    },
    endpoints: () => endpointCounts(store),
    followers: async () => {
      const followed = new Set([...webhooks.followed, ...plugins.followed].map(followerText));
      const waits = (await followerWaits(store)).filter((one) => followed.has(followerText(one)));
      return waits.map(({ name, oldestAt }) => ({
        follower: name,
        waitMs: oldestAt === null ? 0 : Math.max(0, clock.now() - oldestAt),
      }));
    },
    plugins: () => plugins.all.map(({ id, restarts, faults }) => ({ plugin: id, faults: { ...faults, restarts } })),
  };
}

function followerText({ tenantId, name }: FollowerName): string {
  return `${tenantId} ${name}`;
}
