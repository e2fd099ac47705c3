/** The statements of the event log's tables. Those of `append.ts` are used by any room's
 * script, inside its own transaction. */
import { sql } from 'kysely';
import { asked, databaseNow, insertRows, type StatementShape, updateRows } from '../store/statement.ts';

export const EVENT_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  // Locks the counter row for the rest of the transaction, so that seq is given in commit order.
  'events.lockCounters': asked((db, engine) => {
    const counters = db.selectFrom('ledger').select(['lastSeq', 'lastSettledAt']).where('one', '=', 1);
    return engine === 'sqlite' ? counters : counters.forUpdate();
  }),
  'events.advanceCounters': updateRows('ledger', ['lastSeq', 'lastSettledAt'], ['one']),
  'events.append': insertRows('events', ['seq', 'tenantId', 'id', 'type', 'at', 'subject', 'payload']),
  'events.addFollower': insertRows('followers', ['tenantId', 'name', 'seq', 'updatedAt', 'fence'], {
    keep: ['tenantId', 'name'],
  }),
  // Free, run out, or held by who asks. A new holder gets a new fence, so that the old one can move nothing any more.
  'events.claimFollower': asked((db, engine) => {
    const now = databaseNow(engine);
    return db
      .updateTable('followers')
      .set((eb) => ({
        fence: eb
          .case()
          .when('holder', '=', '')
          .then(eb.ref('fence'))
          .else(eb('fence', '+', 1))
          .end(),
        holder: '',
        leaseUntil: sql<number>`${now} + ${0}`,
      }))
      .where('tenantId', '=', '')
      .where('name', '=', '')
      .where((eb) => eb.or([eb('leaseUntil', 'is', null), eb('leaseUntil', '<', now), eb('holder', '=', '')]))
      .returning(['seq', 'fence']);
  }),
  // With a new fence the present holder can move it no more, and with no holder it may be claimed at once.
  'events.rewindFollower': asked((db) =>
    db
      .updateTable('followers')
      .set((eb) => ({
        // Only ever back: what lies between a cursor and a number ahead of it would never be delivered. Null: as it is.
        seq: eb
          .case()
          .when('seq', '>', sql<number>`cast(${0} as bigint)`)
          .then(sql<number>`cast(${0} as bigint)`)
          .else(eb.ref('seq'))
          .end(),
        fence: eb('fence', '+', 1),
        holder: null,
        leaseUntil: null,
      }))
      .where('tenantId', '=', '')
      .where('name', '=', '')
      .returning('name'),
  ),
  'events.moveCursor': updateRows('followers', ['seq', 'updatedAt'], ['tenantId', 'name', 'fence']),
  'events.releaseFollower': updateRows('followers', ['leaseUntil'], ['tenantId', 'name', 'fence']),
};
