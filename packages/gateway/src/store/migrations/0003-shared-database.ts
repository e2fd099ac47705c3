/**
 * What several gateways on one database need: leases of instances and of followers. And sums that stay integers:
 * SQLite would turn one that passes 64 bits into a rounded number, where PostgreSQL refuses it by itself.
 */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

const SUMS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h', 'reasoning', 'costNanoUsd', 'latencySumMs'];

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  await db.schema.alterTable('instances').addColumn('leaseUntil', 'bigint').execute();
  await db.schema.alterTable('followers').addColumn('holder', text).execute();
  await db.schema.alterTable('followers').addColumn('leaseUntil', 'bigint').execute();
  await db.schema
    .alterTable('followers')
    .addColumn('fence', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  if (engine === 'sqlite') await refuseRoundedSums(db);
}

async function refuseRoundedSums(db: Kysely<unknown>): Promise<void> {
  const isRounded = sql.join(
    SUMS.map((column) => sql`typeof(${sql.ref(`new.${column}`)}) <> 'integer'`),
    sql` or `,
  );
  for (const change of ['insert', 'update']) {
    await sql`create trigger ${sql.ref(`rollups_stay_integers_on_${change}`)} before ${sql.raw(change)} on rollups when ${isRounded}
      begin select raise(abort, 'a sum passed 64 bits'); end`.execute(db);
  }
}
