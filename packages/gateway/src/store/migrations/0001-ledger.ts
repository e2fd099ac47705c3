/**
 * The first schema: entries, rollups, the event log, followers. Keys are clustered where the engine can (SQLite:
 * WITHOUT ROWID), because ids ascend and one tree is cheaper than a table and an index.
 */
import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const clustered = <T extends string, C extends string>(table: CreateTableBuilder<T, C>) =>
    engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table;
  // Keys are compared bytewise on both engines, whatever language a server was set up for.
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const blob = engine === 'sqlite' ? sql`blob` : sql`bytea`;

  await clustered(
    db.schema
      .createTable('entries')
      .addColumn('tenantId', text, (c) => c.notNull())
      .addColumn('entryId', text, (c) => c.notNull())
      .addColumn('dispatchId', text, (c) => c.notNull())
      .addColumn('runId', text, (c) => c.notNull())
      .addColumn('kind', text, (c) => c.notNull())
      .addColumn('corrects', text)
      .addColumn('reason', text)
      .addColumn('attempt', 'integer', (c) => c.notNull())
      .addColumn('instanceId', text, (c) => c.notNull())
      .addColumn('keyId', text)
      .addColumn('agentId', text)
      .addColumn('sessionKey', text)
      .addColumn('sessionId', text)
      .addColumn('endUserId', text)
      .addColumn('endUserSource', text)
      .addColumn('tags', text, (c) => c.notNull())
      .addColumn('metadata', text, (c) => c.notNull())
      .addColumn('provider', text, (c) => c.notNull())
      .addColumn('model', text, (c) => c.notNull())
      .addColumn('requestedModel', text, (c) => c.notNull())
      .addColumn('api', text, (c) => c.notNull())
      .addColumn('stream', 'integer', (c) => c.notNull())
      .addColumn('source', text, (c) => c.notNull())
      .addColumn('traceparent', text)
      .addColumn('startedAt', 'bigint', (c) => c.notNull())
      .addColumn('priceId', text)
      .addColumn('priceSource', text)
      .addColumn('priceRates', text)
      .addColumn('seq', 'bigint')
      .addColumn('settledAt', 'bigint')
      .addColumn('outcome', text)
      .addColumn('httpStatus', 'integer')
      .addColumn('errorKind', text)
      .addColumn('stopReason', text)
      .addColumn('serviceTier', text)
      .addColumn('usageSource', text)
      // Corrections carry signed deltas; a usage is never negative.
      .addColumn('input', 'bigint', (c) => c.check(sql`kind = 'correction' or "input" >= 0`))
      .addColumn('output', 'bigint', (c) => c.check(sql`kind = 'correction' or "output" >= 0`))
      .addColumn('cacheRead', 'bigint', (c) => c.check(sql`kind = 'correction' or "cacheRead" >= 0`))
      .addColumn('cacheWrite', 'bigint', (c) => c.check(sql`kind = 'correction' or "cacheWrite" >= 0`))
      .addColumn('cacheWrite1h', 'bigint', (c) => c.check(sql`kind = 'correction' or "cacheWrite1h" >= 0`))
      .addColumn('reasoning', 'bigint')
      .addColumn('audioInput', 'bigint')
      .addColumn('audioOutput', 'bigint')
      .addColumn('imageInput', 'bigint')
      .addColumn('imageOutput', 'bigint')
      .addColumn('serverTools', text)
      .addColumn('rawUsage', text)
      .addColumn('costNanoUsd', 'bigint', (c) => c.check(sql`kind = 'correction' or "costNanoUsd" >= 0`))
      .addColumn('latencyMs', 'bigint')
      .addColumn('timeToFirstTokenMs', 'bigint')
      .addColumn('endedAt', 'bigint')
      .addColumn('providerRequestId', text)
      .addPrimaryKeyConstraint('entries_key', ['tenantId', 'entryId']),
  ).execute();
  await db.schema
    .createIndex('entries_open')
    .on('entries')
    .columns(['tenantId', 'entryId'])
    .where(sql.ref('outcome'), 'is', null)
    .execute();
  await db.schema
    .createIndex('entries_by_settlement')
    .on('entries')
    .columns(['tenantId', 'settledAt'])
    .where(sql.ref('settledAt'), 'is not', null)
    .execute();
  await db.schema
    .createIndex('entries_by_session')
    .on('entries')
    .columns(['tenantId', 'sessionKey', 'settledAt'])
    .where(sql.ref('sessionKey'), 'is not', null)
    .execute();
  await db.schema
    .createIndex('entries_by_end_user')
    .on('entries')
    .columns(['tenantId', 'endUserId', 'settledAt'])
    .where(sql.ref('endUserId'), 'is not', null)
    .execute();
  await db.schema
    .createIndex('entries_corrections')
    .on('entries')
    .columns(['tenantId', 'corrects'])
    .where(sql.ref('corrects'), 'is not', null)
    .execute();

  await clustered(
    db.schema
      .createTable('rollups')
      .addColumn('tenantId', text, (c) => c.notNull())
      .addColumn('bucketStart', 'bigint', (c) => c.notNull())
      .addColumn('provider', text, (c) => c.notNull())
      .addColumn('model', text, (c) => c.notNull())
      .addColumn('agentId', text, (c) => c.notNull())
      .addColumn('source', text, (c) => c.notNull())
      .addColumn('outcome', text, (c) => c.notNull())
      .addColumn('requests', 'bigint', (c) => c.notNull())
      .addColumn('reported', 'bigint', (c) => c.notNull())
      .addColumn('partial', 'bigint', (c) => c.notNull())
      .addColumn('estimated', 'bigint', (c) => c.notNull())
      .addColumn('none', 'bigint', (c) => c.notNull())
      .addColumn('unpriced', 'bigint', (c) => c.notNull())
      .addColumn('input', 'bigint', (c) => c.notNull())
      .addColumn('output', 'bigint', (c) => c.notNull())
      .addColumn('cacheRead', 'bigint', (c) => c.notNull())
      .addColumn('cacheWrite', 'bigint', (c) => c.notNull())
      .addColumn('cacheWrite1h', 'bigint', (c) => c.notNull())
      .addColumn('reasoning', 'bigint', (c) => c.notNull())
      .addColumn('costNanoUsd', 'bigint', (c) => c.notNull())
      .addColumn('latencySumMs', 'bigint', (c) => c.notNull())
      .addColumn('latencies', blob, (c) => c.notNull())
      .addColumn('firstTokens', blob, (c) => c.notNull())
      .addColumn('lastSettledAt', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('rollups_key', [
        'tenantId',
        'bucketStart',
        'provider',
        'model',
        'agentId',
        'source',
        'outcome',
      ]),
  ).execute();

  await db.schema
    .createTable('ledger')
    .addColumn('one', 'integer', (c) => c.primaryKey().check(sql`one = 1`))
    .addColumn('ledgerId', text, (c) => c.notNull())
    .addColumn('lastSeq', 'bigint', (c) => c.notNull())
    .addColumn('lastSettledAt', 'bigint', (c) => c.notNull())
    .execute();

  await db.schema
    .createTable('instances')
    .addColumn('instanceId', text, (c) => c.primaryKey())
    .addColumn('pid', 'integer', (c) => c.notNull())
    .addColumn('startedAt', 'bigint', (c) => c.notNull())
    .addColumn('endedAt', 'bigint')
    .execute();

  await clustered(
    db.schema
      .createTable('events')
      .addColumn('seq', 'bigint', (c) => c.notNull())
      .addColumn('tenantId', text, (c) => c.notNull())
      .addColumn('id', text, (c) => c.notNull())
      .addColumn('type', text, (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('subject', text, (c) => c.notNull())
      .addColumn('payload', text)
      .addPrimaryKeyConstraint('events_key', ['seq', 'tenantId']),
  ).execute();

  await clustered(
    db.schema
      .createTable('followers')
      .addColumn('tenantId', text, (c) => c.notNull())
      .addColumn('name', text, (c) => c.notNull())
      .addColumn('seq', 'bigint', (c) => c.notNull())
      .addColumn('updatedAt', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('followers_key', ['tenantId', 'name']),
  ).execute();

  await db.schema
    .createTable('probe')
    .addColumn('one', 'integer', (c) => c.primaryKey())
    .addColumn('filler', blob, (c) => c.notNull())
    .execute();
}
