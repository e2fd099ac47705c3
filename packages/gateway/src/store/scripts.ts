/** The store's own script: a write big enough to need new room, which succeeds only when the database can commit again. */
import type { Steps } from './store.ts';

const FILLER = new Uint8Array(64 * 1024);

export function* probe(inputs: readonly null[]): Steps<null[]> {
  yield { name: 'probe.write', values: [1, FILLER] };
  return inputs.map(() => null);
}
