/**
 * Pages of dispatches by what people filter: each index is in the order of the page, so that a page is a seek and a walk.
 * Those by session and end user replace older ones that held the settlement time, and so were written twice for a call.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('entries_by_session').execute();
  await db.schema.dropIndex('entries_by_end_user').execute();
  const pages: Record<string, string> = {
    entries_of_session: 'sessionKey',
    entries_of_end_user: 'endUserId',
    entries_of_agent: 'agentId',
    entries_of_model: 'model',
    entries_of_run: 'runId',
  };
  for (const [name, column] of Object.entries(pages)) {
    await db.schema
      .createIndex(name)
      .on('entries')
      .columns(['tenantId', column, 'entryId'])
      .where(sql.ref(column), 'is not', null)
      .execute();
  }
  // With the outcome in it, it is preferred to the key, which has the same order and nothing to say about what is open.
  await db.schema.dropIndex('entries_open').execute();
  await db.schema
    .createIndex('entries_open')
    .on('entries')
    .columns(['tenantId', 'outcome', 'entryId'])
    .where(sql.ref('outcome'), 'is', null)
    .execute();
  await db.schema
    .createIndex('entries_not_completed')
    .on('entries')
    .columns(['tenantId', 'outcome', 'entryId'])
    .where(sql.ref('outcome'), '<>', sql.lit('completed'))
    .execute();
}
