/** A ledger that is being moved in says so, and no gateway writes to it until all of it is there. */
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('ledger')
    .addColumn('importing', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
}
