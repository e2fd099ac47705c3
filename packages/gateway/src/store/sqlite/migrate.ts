/**
 * Brings a database file to the newest schema before the threads start: Kysely's migrator over a plain synchronous
 * connection. A file that is already current costs one query. A file from a newer Weighbridge is refused, not guessed at.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { Migrator } from 'kysely/migration';
import { MIGRATIONS, refuseUnknown } from '../migrations/index.ts';

export async function migrate(db: DatabaseSync): Promise<void> {
  const applied = appliedMigrations(db);
  refuseUnknown(applied);
  if (applied.length === Object.keys(MIGRATIONS).length) return;

  const kysely = new Kysely<unknown>({ dialect: dialectOf(db) });
  const migrations = Object.fromEntries(
    Object.entries(MIGRATIONS).map(([name, up]) => [name, { up: (target: Kysely<unknown>) => up(target, 'sqlite') }]),
  );
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}

function appliedMigrations(db: DatabaseSync): string[] {
  const table = db.prepare("select 1 from sqlite_master where type = 'table' and name = 'kysely_migration'").get();
  if (!table) return [];
  return db
    .prepare('select name from kysely_migration')
    .all()
    .map((row) => String(row.name));
}

function dialectOf(db: DatabaseSync): Dialect {
  return {
    createAdapter: () => new AtomicAdapter(),
    createDriver: () => new DirectDriver(db),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** All migrations or none: without this each statement would be a transaction, and a start that is killed leave half a schema. */
class AtomicAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** The smallest Kysely driver over one open connection; used by nothing but the migrator. */
class DirectDriver implements Driver {
  readonly #connection: DatabaseConnection;

  constructor(db: DatabaseSync) {
    this.#connection = {
      executeQuery: async <R>({ sql, parameters }: CompiledQuery) => ({
        rows: db.prepare(sql).all(...(parameters as SQLInputValue[])) as R[],
      }),
      streamQuery: () => {
        throw new Error('migrations do not stream');
      },
    };
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  async beginTransaction(): Promise<void> {
    await this.#connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
  async commitTransaction(): Promise<void> {
    await this.#connection.executeQuery(CompiledQuery.raw('commit'));
  }
  async rollbackTransaction(): Promise<void> {
    await this.#connection.executeQuery(CompiledQuery.raw('rollback'));
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}
