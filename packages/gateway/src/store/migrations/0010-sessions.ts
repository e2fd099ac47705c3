/**
 * Sessions, their transcripts, and the leases of their lanes. A transcript hangs on its session's id and may be deleted
 * without a trace of it in the ledger; its messages are found by age for that.
 */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const sessions = db.schema
    .createTable('sessions')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('sessionKey', text, (c) => c.notNull())
    .addColumn('sessionId', text, (c) => c.notNull())
    .addColumn('agentId', text)
    .addColumn('label', text)
    .addColumn('overrides', text, (c) => c.notNull())
    .addColumn('outboundHeaders', text, (c) => c.notNull())
    .addColumn('createdAt', 'bigint', (c) => c.notNull())
    .addColumn('updatedAt', 'bigint', (c) => c.notNull())
    .addColumn('lastRunId', text)
    .addColumn('lastRunAt', 'bigint')
    .addColumn('lastOutcome', text)
    .addColumn('messages', 'bigint', (c) => c.notNull())
    .addColumn('resetSeq', 'bigint', (c) => c.notNull())
    .addColumn('usageFrom', 'bigint', (c) => c.notNull())
    .addColumn('revision', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('sessions_key', ['tenantId', 'sessionKey']);
  await (engine === 'sqlite' ? sessions.modifyEnd(sql`without rowid`) : sessions).execute();
  await index(db, 'sessions_by_change', 'sessions', ['tenantId', 'updatedAt', 'sessionKey']);
  await index(db, 'sessions_by_age', 'sessions', ['updatedAt']);
  await index(db, 'sessions_by_id', 'sessions', ['tenantId', 'sessionId']);
  await index(db, 'sessions_by_label', 'sessions', ['tenantId', 'label']);

  const transcripts = db.schema
    .createTable('transcripts')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('sessionId', text, (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('messageId', text, (c) => c.notNull())
    .addColumn('role', text, (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('runId', text)
    .addColumn('body', text, (c) => c.notNull())
    .addPrimaryKeyConstraint('transcripts_key', ['tenantId', 'sessionId', 'seq']);
  await (engine === 'sqlite' ? transcripts.modifyEnd(sql`without rowid`) : transcripts).execute();
  await index(db, 'transcripts_message', 'transcripts', ['tenantId', 'messageId'], true);
  await index(db, 'transcripts_by_age', 'transcripts', ['at']);

  const lanes = db.schema
    .createTable('lanes')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('sessionKey', text, (c) => c.notNull())
    .addColumn('holder', text, (c) => c.notNull())
    .addColumn('leaseUntil', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('lanes_key', ['tenantId', 'sessionKey']);
  await (engine === 'sqlite' ? lanes.modifyEnd(sql`without rowid`) : lanes).execute();
}

async function index(
  db: Kysely<unknown>,
  name: string,
  table: string,
  columns: string[],
  unique = false,
): Promise<void> {
  const made = db.schema.createIndex(name).on(table).columns(columns);
  await (unique ? made.unique() : made).execute();
}
