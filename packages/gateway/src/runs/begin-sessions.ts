/**
 * Sessions put together with what they lean on: the ledger says what they used, a sweep forgets what is too old. Here and
 * not in the sessions' room, which knows no ledger.
 */
import type { GatewayConfig } from '../domain/config.ts';
import { usageOfRuns, usageOfSessions } from '../ledger/session-usage.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { SessionLeases } from '../sessions/leases.ts';
import { Sessions } from '../sessions/sessions.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { CallAppends } from './call-appends.ts';
import { Turns, type TurnsDeps } from './turns.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const SWEEP_EVERY_MS = 10 * 60 * 1000;

export interface SessionsSurroundings {
  store: Store;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  config: () => Pick<GatewayConfig, 'agents' | 'limits' | 'sessions'>;
  announce: (seq: number) => void;
  /** Puts something between the runs and what is remembered: for tests that show what they would find. */
  wrap?: (sessions: Sessions) => Sessions;
  log: { error(about: { err: unknown }, what: string): void };
}

export interface BegunSessions {
  sessions: Sessions;
  appends: CallAppends;
  /** Turns and calls whose text is in no transcript, since the start. */
  lostTexts: () => number;
  turns(runs: TurnsDeps['runs']): Turns;
  /** Resolves when nothing more is written. */
  stop(): Promise<void>;
}

export async function beginSessions(given: SessionsSurroundings): Promise<BegunSessions> {
  const { store, clock, ids, config, announce, wrap, log } = given;
  const report = (error: unknown): void => log.error({ err: error }, 'a session could not be written');
  const begun = await Sessions.begin({
    store,
    clock,
    ids,
    usage: {
      ofSessions: (tenantId, asked) => usageOfSessions(store, tenantId, asked),
      ofRuns: (tenantId, runIds) => usageOfRuns(store, tenantId, runIds),
    },
    limits: () => config().limits,
    announce,
    report,
  });
  const sessions = wrap?.(begun) ?? begun;
  const sweep = setInterval(() => {
    const before = clock.now() - config().sessions.transcriptDays * DAY_MS;
    // A database that is away is swept at the next time.
    sessions.sweep(before).catch((error: unknown) => error instanceof StoreUnavailable || report(error));
  }, SWEEP_EVERY_MS);
  sweep.unref();
  let losses = 0;
  const lost = (error: unknown): void => {
    losses++;
    log.error({ err: error }, 'the text of a turn was not kept');
  };
  const appends = new CallAppends({ sessions, clock, config, report: lost });
  const leases = new SessionLeases({ store, ids });
  return {
    sessions,
    appends,
    lostTexts: () => losses,
    turns: (runs) =>
      new Turns({
        ...{ runs, sessions, leases, clock, ids },
        get config() {
          return config();
        },
        report: lost,
      }),
    stop: () => {
      clearInterval(sweep);
      return appends.idle();
    },
  };
}
