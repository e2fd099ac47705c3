/** The event room's own transaction: moving a follower's cursor. Loaded by the store's writer thread. */
import type { Steps } from '../store/store.ts';

export interface CursorInput {
  tenantId: string;
  name: string;
  seq: number;
  now: number;
}

export function* moveCursors(inputs: readonly CursorInput[]): Steps<null[]> {
  for (const { tenantId, name, seq, now } of inputs) {
    yield { name: 'events.moveCursor', values: [tenantId, name, seq, now] };
  }
  return inputs.map(() => null);
}
