/** Events that a plugin failed on, set aside so that it could go on; one that was replayed well is gone from here. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const table = db.schema
    .createTable('pluginEventsAside')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('pluginId', text, (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('eventId', text, (c) => c.notNull())
    .addColumn('type', text, (c) => c.notNull())
    .addColumn('failures', 'bigint', (c) => c.notNull())
    .addColumn('reason', text, (c) => c.notNull())
    .addColumn('setAsideAt', 'bigint', (c) => c.notNull())
    .addColumn('waiting', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('pluginEventsAside_key', ['tenantId', 'pluginId', 'seq']);
  await (engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table).execute();
}
