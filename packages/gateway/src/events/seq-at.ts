/** A place in the event log by its time. */
import type { Store } from '../store/store.ts';

/** The first number at or after a time. Times never go back along the log, so halves of it find the place. */
export async function seqAt(store: Store, ms: number, lastSeq: number): Promise<number> {
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
