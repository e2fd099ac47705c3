/**
 * Brings a database to the newest schema: Kysely's migrator, whose lock lets one of several starting gateways do it.
 * A database from a newer Weighbridge is refused, not guessed at.
 */
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { MIGRATIONS, refuseUnknown } from '../migrations/index.ts';

export async function migrate(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 5_000 });
  pool.on('error', () => {});
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    const schema = await currentSchema(db);
    refuseUnknown(await appliedMigrations(db, schema));
    const migrations = Object.fromEntries(
      Object.entries(MIGRATIONS).map(([name, up]) => [name, { up: (to: Kysely<unknown>) => up(to, 'postgres') }]),
    );
    const migrator = new Migrator({
      db,
      provider: { getMigrations: async () => migrations },
      migrationTableSchema: schema,
    });
    const { error } = await migrator.migrateToLatest();
    if (error) throw error;
  } finally {
    await db.destroy();
  }
}

async function currentSchema(db: Kysely<unknown>): Promise<string> {
  const { rows } = await sql<{ name: string | null }>`select current_schema() as name`.execute(db);
  const name = rows[0]?.name;
  if (name) return name;
  throw new Error('the database has no schema to create tables in; check the search_path of WEIGHBRIDGE_DATABASE_URL');
}

async function appliedMigrations(db: Kysely<unknown>, schema: string): Promise<string[]> {
  const table = `${schema}.kysely_migration`;
  const { rows } = await sql<{ found: string | null }>`select to_regclass(${table}) as found`.execute(db);
  if (!rows[0]?.found) return [];
  const applied = await sql<{ name: string }>`select name from ${sql.table(table)}`.execute(db);
  return applied.rows.map(({ name }) => name);
}
