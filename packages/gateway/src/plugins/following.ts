/**
 * Brings one plugin what it observes, from where its cursor stands, whenever its lease is ours. First what was set aside
 * and is to be replayed, then the log, without end.
 */
import type { EventEmitter } from 'node:events';
import { DEFAULT_TENANT } from '../domain/caller.ts';
import type { PluginLimits } from '../domain/plugin.ts';
import { holdFollower } from '../events/follower.ts';
import type { EventLog } from '../events/log.ts';
import type { CursorInput, FollowerName } from '../events/scripts.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { EventsAside } from './aside.ts';
import { CursorLost, Delivery, type DeliveryDeps } from './delivery.ts';
import { typesFor } from './hooks.ts';
import type { Plugin } from './plugin.ts';

export interface FollowingDeps {
  store: Store;
  log: EventLog;
  clock: Clock;
  /** This process. */
  holder: string;
  aside: EventsAside;
  limits: PluginLimits;
  onSetAside: (pluginId: string, seq: number, reason: string) => void;
  /** Told what following failed with; it begins anew. */
  onFailure: (error: unknown) => void;
  retryMs?: number;
}

/** The operator's own follower: it sees every tenant's events. */
export function followerOf(pluginId: string): FollowerName {
  return { tenantId: DEFAULT_TENANT, name: `plugin:${pluginId}` };
}

/** Until the signal. `rewound` makes it look at once whether its cursor was put elsewhere. */
export async function follow(
  plugin: Plugin,
  deps: FollowingDeps,
  signal: AbortSignal,
  rewound: EventEmitter,
): Promise<void> {
  const { store, log, clock, aside, limits } = deps;
  const name = followerOf(plugin.id);
  const types = typesFor(plugin.hooks);
  await holdFollower(deps, { ...name, signal, onFailure: deps.onFailure }, async ({ seq, fence, signal: held }) => {
    const stopped = new AbortController();
    const deliveryDeps: DeliveryDeps = {
      plugin,
      limits,
      signal: held,
      ...(deps.retryMs === undefined ? {} : { retryMs: deps.retryMs }),
      onDelivered: () => plugin.delivered++,
      forget: (event) => aside.forget(plugin.id, event),
      setAside: async ({ event, failures, reason }) => {
        await aside.add(plugin.id, event, failures, reason);
        deps.onSetAside(plugin.id, event.seq, reason);
      },
      moveCursor: (to) =>
        store.write('moveCursors', { ...name, fence, seq: to, now: clock.now() } satisfies CursorInput),
    };
    const delivery = new Delivery(deliveryDeps);
    // Without an event nobody would look whether the cursor is still ours.
    delivery.failure.catch(() => stopped.abort());
    const onRewound = (): void => stopped.abort();
    rewound.once('rewound', onRewound);
    const until = AbortSignal.any([held, stopped.signal]);
    try {
      for await (const seqs of aside.waiting(plugin.id)) {
        for (const event of await log.at(seqs)) await delivery.take(event, true);
        if (until.aborted) break;
      }
      const onPassed = (to: number): void => delivery.passed(to);
      for await (const event of log.follow({ afterSeq: seq, tenantId: null, types, signal: until, onPassed })) {
        await delivery.take(event);
      }
      await delivery.settled();
    } catch (error) {
      if (!(error instanceof CursorLost)) throw error;
    } finally {
      rewound.off('rewound', onRewound);
      delivery.stop();
    }
  });
}
