/**
 * Folded sums that most questions read no longer lie apart by outcome, and count what answers tell of outcomes instead: a
 * third of the rows. They are thrown away here, and folded again in the background once a gateway runs.
 */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  await (engine === 'sqlite'
    ? sql`delete from ${sql.table('foldedRollups')}`
    : sql`truncate ${sql.table('foldedRollups')}`
  ).execute(db);
  for (const column of ['completed', 'uncertain']) {
    await db.schema
      .alterTable('foldedRollups')
      .addColumn(column, 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
  }
  const unfolded = ['hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'].map(
    (column) => sql`${sql.ref(column)} = 0`,
  );
  await sql`update ledger set ${sql.join(unfolded)}`.execute(db);
}
