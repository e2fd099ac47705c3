/**
 * Sums of whole hours, quarters of a day, days and weeks of UTC, folded once from the 15-minute rollups when they are over:
 * nothing of them can change any more, because settlement time never goes back. And how far that has come.
 */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

const SUMS = [
  'requests',
  'reported',
  'partial',
  'estimated',
  'none',
  'unpriced',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'costNanoUsd',
  'latencySumMs',
];

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const blob = engine === 'sqlite' ? sql`blob` : sql`bytea`;
  let table = db.schema
    .createTable('foldedRollups')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('tier', text, (c) => c.notNull())
    .addColumn('bucketStart', 'bigint', (c) => c.notNull())
    .addColumn('provider', text, (c) => c.notNull())
    .addColumn('model', text, (c) => c.notNull())
    .addColumn('agentId', text, (c) => c.notNull())
    .addColumn('source', text, (c) => c.notNull())
    .addColumn('outcome', text, (c) => c.notNull());
  for (const column of SUMS) table = table.addColumn(column, 'bigint', (c) => c.notNull());
  table = table
    .addColumn('latencies', blob, (c) => c.notNull())
    .addColumn('firstTokens', blob, (c) => c.notNull())
    .addColumn('lastSettledAt', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('foldedRollups_key', [
      'tenantId',
      'tier',
      'bucketStart',
      'provider',
      'model',
      'agentId',
      'source',
      'outcome',
    ]);
  await (engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table).execute();
  await db.schema.createIndex('rollups_by_time').on('rollups').columns(['bucketStart']).execute();
  await db.schema.createIndex('foldedRollups_by_time').on('foldedRollups').columns(['tier', 'bucketStart']).execute();
  for (const column of ['hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo']) {
    await db.schema
      .alterTable('ledger')
      .addColumn(column, 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
  }
}
