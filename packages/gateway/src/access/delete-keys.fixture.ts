/** A transaction for a test: an operator with a database client, who deletes what should be revoked. */
import { ask, type Steps } from '../store/steps.ts';

export function* deleteKeys(inputs: readonly null[]): Steps<null[]> {
  yield* ask('test.deleteKeys');
  return inputs.map(() => null);
}
