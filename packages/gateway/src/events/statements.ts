/** The statements of the event log's tables. `events.append` is used by any room's script, inside its own transaction. */
import type { Compilable, Kysely } from 'kysely';
import type { Tables } from '../store/schema.ts';

export function eventStatements(db: Kysely<Tables>): Readonly<Record<string, Compilable>> {
  return {
    'events.append': db
      .insertInto('events')
      .values({ seq: 0, tenantId: '', id: '', type: '', at: 0, subject: '', payload: null }),
    'events.moveCursor': db
      .insertInto('followers')
      .values({ tenantId: '', name: '', seq: 0, updatedAt: 0 })
      .onConflict((conflict) =>
        conflict
          .columns(['tenantId', 'name'])
          .doUpdateSet((eb) => ({ seq: eb.ref('excluded.seq'), updatedAt: eb.ref('excluded.updatedAt') }))
          // A cursor only moves forward: an old save that arrives late changes nothing.
          .whereRef('excluded.seq', '>', 'followers.seq'),
      ),
  };
}
