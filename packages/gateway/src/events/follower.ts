/**
 * A follower reads the log at its own pace under a name, and remembers how far it got. It moves its cursor only after
 * its receiver took the event: delivery is at least once, and an event's id tells a repeat. It can never hurt a call.
 */
import type { EventEnvelope } from '@weighbridge/protocol';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { EventLog } from './log.ts';

export interface FollowerDeps {
  log: EventLog;
  store: Store;
  clock: Clock;
}

export interface FollowerOptions {
  /** Unique inside the tenant; the cursor is kept under it. */
  name: string;
  tenantId: string;
  types: readonly string[] | null;
  /** Takes one event; when it rejects, following stops with that error and the cursor stays before the event. */
  receive: (event: EventEnvelope) => Promise<void>;
  signal: AbortSignal;
}

/** Where the named follower got to; 0 when it never followed. */
export async function readCursor(store: Store, tenantId: string, name: string): Promise<number> {
  const query = store.queries
    .selectFrom('followers')
    .select('seq')
    .where('tenantId', '=', tenantId)
    .where('name', '=', name)
    .compile();
  const [row] = await store.read<{ seq: number }>(query);
  return row?.seq ?? 0;
}

/** Follows until the signal, from where the cursor stands. */
export async function runFollower(deps: FollowerDeps, options: FollowerOptions): Promise<void> {
  const { tenantId, name, types, signal } = options;
  const afterSeq = await readCursor(deps.store, tenantId, name);
  for await (const event of deps.log.follow({ afterSeq, tenantId, types, signal })) {
    await options.receive(event);
    await deps.store.write('moveCursors', { tenantId, name, seq: event.seq, now: deps.clock.now() });
  }
}
