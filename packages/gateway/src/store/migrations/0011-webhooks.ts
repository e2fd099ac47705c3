/** Webhooks: endpoints and what is known of them, and the deliveries that failed so far. The event log itself is the outbox. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const endpoints = db.schema
    .createTable('webhooks')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('endpointId', text, (c) => c.notNull())
    .addColumn('definition', text)
    .addColumn('secrets', text)
    .addColumn('createdAt', 'bigint', (c) => c.notNull())
    .addColumn('createdBy', text)
    .addColumn('disabledAt', 'bigint')
    .addColumn('disabledReason', text)
    .addColumn('delivered', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('failed', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('dead', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('lastDeliveredAt', 'bigint')
    .addColumn('lastFailedAt', 'bigint')
    .addColumn('lastFailure', text)
    .addPrimaryKeyConstraint('webhooks_key', ['tenantId', 'endpointId']);
  await (engine === 'sqlite' ? endpoints.modifyEnd(sql`without rowid`) : endpoints).execute();
  const deliveries = db.schema
    .createTable('deliveries')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('endpointId', text, (c) => c.notNull())
    .addColumn('deliveryId', text, (c) => c.notNull())
    .addColumn('seqs', text, (c) => c.notNull())
    .addColumn('firstSeq', 'bigint', (c) => c.notNull())
    .addColumn('state', text, (c) => c.notNull())
    .addColumn('attempts', 'bigint', (c) => c.notNull())
    .addColumn('nextAt', 'bigint', (c) => c.notNull())
    .addColumn('lastAt', 'bigint', (c) => c.notNull())
    .addColumn('lastStatus', 'bigint')
    .addColumn('lastFailure', text, (c) => c.notNull())
    .addPrimaryKeyConstraint('deliveries_key', ['tenantId', 'endpointId', 'deliveryId']);
  await (engine === 'sqlite' ? deliveries.modifyEnd(sql`without rowid`) : deliveries).execute();
  await db.schema
    .createIndex('deliveries_due')
    .on('deliveries')
    .columns(['tenantId', 'endpointId', 'state', 'nextAt'])
    .execute();
  await db.schema
    .createIndex('deliveries_order')
    .on('deliveries')
    .columns(['tenantId', 'endpointId', 'firstSeq'])
    .execute();
}
