/** A script to be noted: each input becomes a row. A negative one is refused by the database. */
import { each, type Steps } from './steps.ts';

export function* keep(inputs: readonly number[]): Steps<null[]> {
  yield* each(
    'store.probe',
    inputs.map((input) => [input, input < 0 ? null : new Uint8Array()]),
  );
  return inputs.map(() => null);
}
