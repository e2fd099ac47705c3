/** Reports: which records of others were taken in, by the sender's own id, so that none is counted twice. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const table = db.schema
    .createTable('reports')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('reportId', text, (c) => c.notNull())
    .addColumn('dispatchId', text, (c) => c.notNull())
    .addColumn('fingerprint', text, (c) => c.notNull())
    .addPrimaryKeyConstraint('reports_key', ['tenantId', 'reportId']);
  await (engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table).execute();
}
