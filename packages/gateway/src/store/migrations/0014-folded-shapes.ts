/**
 * Folded sums lie apart by outcome in more shapes. They are thrown away here, and folded again in the background once a gateway
 * runs.
 */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const folded = sql.table('foldedRollups');
  await (engine === 'sqlite' ? sql`delete from ${folded}` : sql`truncate ${folded}`).execute(db);
  const unfolded = ['hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'].map(
    (column) => sql`${sql.ref(column)} = 0`,
  );
  await sql`update ledger set ${sql.join(unfolded)}`.execute(db);
}
