/** Keys: who may call for which tenant. Only a hash of each is kept; a revoked key stays, because entries name it. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from '../store.ts';

export async function up(db: Kysely<unknown>, engine: Engine): Promise<void> {
  const text = engine === 'sqlite' ? sql`text` : sql`text collate "C"`;
  const table = db.schema
    .createTable('keys')
    .addColumn('tenantId', text, (c) => c.notNull())
    .addColumn('keyId', text, (c) => c.notNull())
    .addColumn('name', text, (c) => c.notNull())
    .addColumn('hash', text, (c) => c.notNull())
    .addColumn('scopes', text, (c) => c.notNull())
    .addColumn('agentId', text)
    .addColumn('forcedHeaders', text, (c) => c.notNull())
    .addColumn('createdAt', 'bigint', (c) => c.notNull())
    .addColumn('createdBy', text)
    .addColumn('expiresAt', 'bigint')
    .addColumn('revokedAt', 'bigint')
    .addPrimaryKeyConstraint('keys_key', ['tenantId', 'keyId']);
  await (engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table).execute();
}
