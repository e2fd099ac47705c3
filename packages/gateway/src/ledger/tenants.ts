/**
 * Whose entries a question is about: one tenant's, or everybody's where the operator asks. Every key of the ledger begins
 * with the tenant, so a question about all of them names them all, and each is a seek in the same indexes.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { DEFAULT_TENANT } from '../domain/caller.ts';
import type { Store } from '../store/store.ts';

/** Null: every tenant that has entries. Never empty. */
export async function tenantsOf(store: Store, tenantId: string | null): Promise<readonly string[]> {
  if (tenantId !== null) return [tenantId];
  const [of, next] = [sql.ref('e.tenantId'), sql.ref('t.id')];
  // From one tenant to the next by the key: the entries between them are not looked at.
  const query = sql<{ id: string }>`with recursive t(id) as (
    select min(${of}) from entries e
    union all
    select (select min(${of}) from entries e where ${of} > ${next}) from t where ${next} is not null
  ) select id from t where id is not null`;
  const found = await store.read<{ id: string }>(query.compile(store.queries));
  return found.length === 0 ? [DEFAULT_TENANT] : found.map(({ id }) => id);
}

export function ofTenants(column: string, tenants: readonly string[]): RawBuilder<SqlBool> {
  if (tenants.length === 1) return sql<SqlBool>`${sql.ref(column)} = ${tenants[0]}`;
  return sql<SqlBool>`${sql.ref(column)} in (${sql.join(tenants)})`;
}
