/** The store's own script: a write big enough to need new room, which succeeds only when the database can commit again. */
import { each, type Steps } from './steps.ts';

const FILLER = new Uint8Array(64 * 1024);

export function* probe(inputs: readonly null[]): Steps<null[]> {
  yield* each('store.probe', [[1, FILLER]]);
  return inputs.map(() => null);
}
