/**
 * What there is to say about a database as such: how large it is, which schema it has, what its clock says. For people who
 * look (doctor); nothing here is needed to run. Works on a store that was opened read-only, also on a schema of another age.
 */
import { type RawBuilder, sql } from 'kysely';
import { MIGRATIONS } from './migrations/index.ts';
import { databaseNow } from './statement.ts';
import type { Store } from './store.ts';

export interface SchemaFacts {
  /** The last migration that was applied, and those of this version that were not. */
  lastMigration: string | null;
  pending: string[];
  /** Applied, and unknown here: a newer Weighbridge was at it. */
  unknown: string[];
}

export interface DatabaseFacts extends SchemaFacts {
  /** `SQLite 3.51.0`, `PostgreSQL 18.1`. */
  server: string;
  bytes: number;
  /** False: a crash of the server may break the database itself. */
  synced: boolean;
}

export interface ClockSkew {
  /** How far this machine is ahead of the database, milliseconds. */
  aheadMs: number;
  /** The question took that long, so the skew is known no better than half of it. */
  roundTripMs: number;
}

export async function databaseFacts(store: Store): Promise<DatabaseFacts> {
  return {
    server: await serverOf(store),
    bytes: await bytesOf(store),
    ...(await schemaFacts(store)),
    synced:
      store.engine === 'sqlite' || (await one<string>(store, sql`select current_setting('fsync') as one`)) === 'on',
  };
}

export async function schemaFacts(store: Store): Promise<SchemaFacts> {
  const applied = await appliedMigrations(store);
  return {
    lastMigration: applied.at(-1) ?? null,
    pending: Object.keys(MIGRATIONS).filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => MIGRATIONS[name] === undefined),
  };
}

/** The database's own clock, milliseconds. */
export async function clockOf(store: Store): Promise<number> {
  return Number(await one<number>(store, sql`select ${databaseNow(store.engine)} as one`));
}

/** `now`: this machine's clock, milliseconds. */
export async function clockSkew(store: Store, now: () => number): Promise<ClockSkew> {
  const askedAt = now();
  const theirs = await clockOf(store);
  const answeredAt = now();
  return { aheadMs: Math.round((askedAt + answeredAt) / 2 - theirs), roundTripMs: answeredAt - askedAt };
}

async function serverOf(store: Store): Promise<string> {
  if (store.engine === 'sqlite') return `SQLite ${await one<string>(store, sql`select sqlite_version() as one`)}`;
  return `PostgreSQL ${await one<string>(store, sql`select current_setting('server_version') as one`)}`;
}

async function bytesOf(store: Store): Promise<number> {
  const sqlite = sql`select page_count * page_size as one from pragma_page_count(), pragma_page_size()`;
  const postgres = sql`select pg_database_size(current_database()) as one`;
  return Number(await one<number>(store, store.engine === 'sqlite' ? sqlite : postgres));
}

async function appliedMigrations(store: Store): Promise<string[]> {
  const table =
    store.engine === 'sqlite'
      ? sql`select name as one from sqlite_master where name = 'kysely_migration'`
      : sql`select to_regclass('kysely_migration')::text as one`;
  if ((await one<string | null>(store, table)) == null) return [];
  const query = sql<{ name: string }>`select name from kysely_migration order by name`.compile(store.queries);
  return (await store.read<{ name: string }>(query)).map(({ name }) => name);
}

async function one<Value>(store: Store, query: RawBuilder<unknown>): Promise<Value | undefined> {
  const [row] = await store.read<{ one: Value }>(query.compile(store.queries));
  return row?.one;
}
