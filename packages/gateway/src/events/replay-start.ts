/** Where in the event log a replay begins. */
import { GatewayError } from '../domain/errors.ts';
import { momentMs } from '../lib/moment.ts';
import type { Store } from '../store/store.ts';
import type { EventLog } from './log.ts';

/** As a request says it: one of the two. */
export interface ReplayStart {
  fromSeq?: unknown;
  /** ISO 8601, or milliseconds since 1970. */
  since?: unknown;
}

/** The number of the first event that comes again. */
export async function replayStart(
  store: Store,
  events: Pick<EventLog, 'lastSeq'>,
  { fromSeq, since }: ReplayStart,
): Promise<number> {
  if (fromSeq !== undefined) {
    if (Number.isSafeInteger(fromSeq) && (fromSeq as number) >= 1) return fromSeq as number;
    throw new GatewayError('invalid_request', '`fromSeq` must be a whole number from 1.', { param: 'fromSeq' });
  }
  const ms = momentMs(since);
  if (ms !== null) return seqAt(store, ms, await events.lastSeq());
  throw new GatewayError(
    'invalid_request',
    '`since` must be ISO 8601 (2026-11-20T12:00:00Z) or milliseconds since 1970.',
    { param: 'since' },
  );
}

/** The first number at or after a time. Times never go back along the log, so halves of it find the place. */
async function seqAt(store: Store, ms: number, lastSeq: number): Promise<number> {
  let [low, high] = [1, lastSeq + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const query = store.queries
      .selectFrom('events')
      .select(['seq', 'at'])
      .where('seq', '>=', middle)
      .orderBy('seq')
      .limit(1)
      .compile();
    const [row] = await store.read<{ seq: number; at: number }>(query);
    if (row === undefined || row.at >= ms) high = middle;
    else low = row.seq + 1;
  }
  return low;
}
