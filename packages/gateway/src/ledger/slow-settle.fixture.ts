/** A settlement whose transaction takes its time between its numbers and its commit, for the tests of commit order. */

import { sql } from 'kysely';
import { asked } from '../store/statement.ts';
import { ask, type Steps } from '../store/steps.ts';
import { type Settled, type SettleInput, settleEntries } from './scripts.ts';

export const SLOW_STATEMENTS = {
  'slow.sleep': asked((db) => db.selectNoFrom(sql`pg_sleep(${0})`.as('slept'))),
};

export function* slowSettle(inputs: readonly SettleInput[]): Steps<Settled[]> {
  const settled = yield* settleEntries(inputs);
  yield* ask('slow.sleep', ['0.5']);
  return settled;
}
