/**
 * What one gateway measures of itself, as metrics: what is in flight and waits, how late its event loop is, how long a
 * commit takes, and every class of loss, each of which must read 0. Asked when somebody scrapes; nothing is kept here.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { DurationCounts, Family, Sample } from '../lib/exposition.ts';

const NANO_PER_SECOND = 1e9;

/** An endpoint of webhooks as it stands. */
export interface EndpointCounts {
  endpointId: string;
  delivered: number;
  failed: number;
  dead: number;
}

/** Who reads the event log, and how long the oldest event waits for it. */
export interface FollowerWait {
  follower: string;
  waitMs: number;
}

export interface PluginCounts {
  plugin: string;
  /** By kind; never fewer while the gateway runs. */
  faults: Readonly<Record<string, number>>;
}

export interface ProcessView {
  now: () => number;
  inFlight: () => number;
  ledger: { readonly available: boolean; readonly keptSettlements: number; readonly commits: DurationCounts };
  store: { readonly oldestWaitMs: number; readonly unanswered: number };
  /** Losses by class; every class is there, at 0. */
  losses: () => Promise<Readonly<Record<string, number>>>;
  endpoints: () => Promise<readonly EndpointCounts[]>;
  followers: () => Promise<readonly FollowerWait[]>;
  plugins: () => readonly PluginCounts[];
}

export function processMetrics(view: ProcessView): { families: () => Promise<Family[]>; close: () => void } {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const startedAt = view.now() / 1000;
  return {
    close: () => delay.disable(),
    families: async () => {
      const [endpoints, losses, followers] = await Promise.all([view.endpoints(), view.losses(), view.followers()]);
      const plugins = view.plugins();
      const { user, system } = process.cpuUsage();
      const families: Family[] = [
        gauge('weighbridge_build_info', 'Always 1; its label is the version.', [
          { labels: { version: WEIGHBRIDGE_VERSION }, value: 1 },
        ]),
        gauge('weighbridge_runs_in_flight', 'Runs in flight in this gateway.', [one(view.inFlight())]),
        gauge('weighbridge_ledger_available', '1 while the ledger takes writes.', [one(view.ledger.available ? 1 : 0)]),
        gauge('weighbridge_ledger_queue_age_seconds', 'How long the oldest unanswered write of the ledger waits.', [
          one(view.store.oldestWaitMs / 1000),
        ]),
        gauge('weighbridge_ledger_queue_writes', 'Writes of the ledger that have no answer yet.', [
          one(view.store.unanswered),
        ]),
        gauge('weighbridge_kept_settlements', 'Settlements that wait for the database to take them.', [
          one(view.ledger.keptSettlements),
        ]),
        {
          name: 'weighbridge_commit_duration_seconds',
          help: 'How long a settlement waited for its commit, from its order to its answer.',
          type: 'histogram',
          samples: [view.ledger.commits.sample({})],
        },
        gauge('weighbridge_event_loop_delay_seconds', 'How late the event loop was since the last scrape.', [
          ...[50, 99, 100].map((percentile) => ({
            labels: { quantile: String(percentile / 100) },
            value: delay.percentile(percentile) / NANO_PER_SECOND,
          })),
        ]),
        counter('weighbridge_losses_total', 'What was lost, by class. Must read 0.', [
          ...Object.entries(losses).map(([kind, value]) => ({ labels: { class: kind }, value })),
        ]),
        gauge('weighbridge_follower_age_seconds', 'How long the oldest event waits that a follower has not passed.', [
          ...followers.map(({ follower, waitMs }) => ({ labels: { follower }, value: waitMs / 1000 })),
        ]),
        counter('weighbridge_webhook_deliveries_total', 'Messages delivered and dead, and attempts that failed.', [
          ...endpoints.flatMap(({ endpointId: endpoint, delivered, failed, dead }) => [
            { labels: { endpoint, result: 'delivered' }, value: delivered },
            { labels: { endpoint, result: 'attempt_failed' }, value: failed },
            { labels: { endpoint, result: 'dead' }, value: dead },
          ]),
        ]),
        counter('weighbridge_plugin_faults_total', 'What plugins did wrong, by kind, since this gateway started.', [
          ...plugins.flatMap(({ plugin, faults }) =>
            Object.entries(faults).map(([fault, value]) => ({ labels: { plugin, fault }, value })),
          ),
        ]),
        gauge('process_start_time_seconds', 'When this gateway started, seconds since the epoch.', [one(startedAt)]),
        gauge('process_resident_memory_bytes', 'Memory of the whole process.', [one(process.memoryUsage.rss())]),
        counter('process_cpu_seconds_total', 'CPU time of the whole process.', [one((user + system) / 1e6)]),
      ];
      delay.reset();
      return families;
    },
  };
}

function one(value: number): Sample {
  return { labels: {}, value };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'counter', samples };
}
