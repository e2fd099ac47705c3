/** What a price follows from and is held against: who served the model, and what the provider says that it cost. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  await db.schema.alterTable('entries').addColumn('servedModel', text).execute();
  await db.schema.alterTable('entries').addColumn('providerCostNanoUsd', 'bigint').execute();
  await db.schema.alterTable('entries').addColumn('providerCostSource', text).execute();
  // Few providers say it: those who do are found without a look at the others.
  await db.schema
    .createIndex('entries_with_provider_cost')
    .on('entries')
    .columns(['tenantId', 'settledAt'])
    .where(sql.ref('providerCostNanoUsd'), 'is not', null)
    .execute();
}
