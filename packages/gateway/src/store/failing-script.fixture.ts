/** A script that writes and then fails, for the test that nothing of it stays. */
import { each, type Steps } from './steps.ts';

export function* writeThenThrow(inputs: readonly ('good' | 'bad')[]): Steps<null[]> {
  yield* each('store.probe', [[1, new Uint8Array()]]);
  if (inputs.includes('bad')) throw new Error('thrown on purpose');
  return inputs.map(() => null);
}
