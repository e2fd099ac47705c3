/** How far followers are behind, in time: what an operator is warned by. */
import type { Store } from '../store/store.ts';
import type { FollowerName } from './scripts.ts';

export interface FollowerWait extends FollowerName {
  /** When the oldest event was committed that its cursor has not passed; null: it is at the end of the log. */
  oldestAt: number | null;
}

/** Of every follower that there ever was on this database. */
export function followerWaits(store: Store): Promise<FollowerWait[]> {
  const query = store.queries
    .selectFrom('followers')
    .select((eb) => [
      'tenantId',
      'name',
      eb
        .selectFrom('events')
        .select('events.at')
        .whereRef('events.seq', '>', 'followers.seq')
        .orderBy('events.seq')
        .limit(1)
        .as('oldestAt'),
    ])
    .compile();
  return store.read<FollowerWait>(query);
}
