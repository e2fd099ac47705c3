/** A script for the store's test: writes a row that must not survive, then throws. */
import type { Steps } from './store.ts';

export function* writeThenThrow(): Steps<null[]> {
  yield { name: 'probe.write', values: [2, new Uint8Array(1)] };
  throw new Error('on purpose');
}
