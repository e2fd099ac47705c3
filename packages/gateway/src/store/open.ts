/**
 * Opens the store for a gateway (lock, migrate, threads or connections) or read-only for a command while no gateway
 * runs. Rooms bring their statements and scripts; the store runs them without knowing what they mean.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { CompiledQuery } from 'kysely';
import type { Database, Durability } from '../domain/config.ts';
import type { Secret } from '../lib/secret.ts';
import { COMPILERS, compileStatements, type RoomWrites } from './compile.ts';
import { STORE_WRITES } from './room.ts';
import { openForReading, openForWriting } from './sqlite/connection.ts';
import { type FileLock, lockDatabase } from './sqlite/lock.ts';
import { migrate } from './sqlite/migrate.ts';
import { SqliteStore } from './sqlite/sqlite-store.ts';
import { type Row, type Store, StoreUnavailable, type Value, type WriteClass } from './store.ts';

export interface StoreOptions {
  database: Database;
  durability: Durability;
  rooms: readonly RoomWrites[];
  /** Names of scripts that write intents. */
  intents: readonly string[];
  /** SQLite: of these scripts those whose writes need not wait for their transaction where a crash of the program is all they must survive. */
  noted?: readonly string[];
  /** SQLite: milliseconds to wait for a gateway that is just ending. */
  lockWaitMs?: number;
  /** PostgreSQL: how long writes wait for a server that is away before they are refused, milliseconds. */
  holdMs?: number;
}

const HOLD_MS = 5_000;

export function openStore(options: StoreOptions): Promise<Store> {
  const { database } = options;
  return database.kind === 'sqlite' ? openSqlite(database.file, options) : openPostgres(database.url, options);
}

/** A store that answers questions and refuses to write, beside a gateway or without one. */
export async function openReadOnlyStore(database: Database): Promise<Store> {
  if (database.kind === 'sqlite') return openReadOnlySqlite(database.file);
  const { openReadOnlyPostgres } = await import('./postgres/read-only.ts');
  return openReadOnlyPostgres(database.url.reveal());
}

/** The same, but every question sees the database as it was at the first, whatever is written meanwhile. */
export async function openSnapshot(database: Database): Promise<Store> {
  if (database.kind === 'sqlite') return openReadOnlySqlite(database.file, 'begin');
  const { openPostgresSnapshot } = await import('./postgres/read-only.ts');
  return openPostgresSnapshot(database.url.reveal());
}

async function openSqlite(file: string, options: StoreOptions): Promise<Store> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lock = await lockDatabase(file, options.lockWaitMs);
  try {
    await prepareFile(file);
    const rooms = [STORE_WRITES, ...options.rooms];
    const store = await SqliteStore.open({
      file,
      statements: compileStatements('sqlite', rooms),
      scripts: rooms.map((room) => room.scripts.href),
      syncs: (write) => syncs(options.durability, write),
      intents: new Set(options.intents),
      // Where intents must reach the disk a note in the operating system's cache is too little.
      noted: new Set(options.durability === 'strict' ? [] : options.noted),
    });
    return withLock(store, lock.release);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openPostgres(url: Secret, options: StoreOptions): Promise<Store> {
  // Loaded only here: a gateway on SQLite starts without it.
  const [{ migrate }, { PostgresStore }, { loadScripts }] = await Promise.all([
    import('./postgres/migrate.ts'),
    import('./postgres/postgres-store.ts'),
    import('./run-script.ts'),
  ]);
  const rooms = [STORE_WRITES, ...options.rooms];
  await migrate(url.reveal());
  return PostgresStore.open({
    url: url.reveal(),
    statements: compileStatements('postgres', rooms),
    scripts: await loadScripts(rooms.map((room) => room.scripts.href)),
    intents: new Set(options.intents),
    // A server that crashes forgets what was not synced, intents too: here only `process` goes without.
    synced: options.durability !== 'process',
    holdMs: options.holdMs ?? HOLD_MS,
  });
}

function openReadOnlySqlite(file: string, first?: 'begin'): Store {
  if (!existsSync(file)) throw new StoreUnavailable(`there is no ledger at ${file} yet; start one with \`serve\``);
  const db: DatabaseSync = openForReading(file);
  if (first !== undefined) db.exec(first);
  return {
    engine: 'sqlite',
    queries: COMPILERS.sqlite,
    available: false,
    exclusive: false,
    oldestWaitMs: 0,
    unanswered: 0,
    write: () => Promise.reject(new StoreUnavailable('it was opened read-only')),
    read: async <R = Row>(query: CompiledQuery) => db.prepare(query.sql).all(...(query.parameters as Value[])) as R[],
    onAvailability: () => {},
    onTold: () => {},
    close: async () => db.close(),
  };
}

/** Keeps every gateway off a file while something else is done with it. */
export function lockFile(file: string): Promise<FileLock> {
  return lockDatabase(file, 0);
}

/** Which commits of SQLite wait for the disk: `strict` all, `power` the settlements, `process` none. */
export function syncs(durability: Durability, write: WriteClass): boolean {
  if (durability === 'strict') return true;
  return durability === 'power' && write === 'settlement';
}
async function prepareFile(file: string): Promise<void> {
  // Made with its mode before SQLite sees it: the log and index files beside it inherit the mode.
  closeSync(openSync(file, 'a', 0o600));
  const db = openForWriting(file);
  try {
    await migrate(db);
  } finally {
    db.close();
  }
  flushFolder(dirname(file));
}

/** A file that is on disk under no name is lost all the same. */
function flushFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function withLock(store: Store, release: () => void): Store {
  const close = store.close.bind(store);
  return Object.assign(store, {
    close: async () => {
      await close();
      release();
    },
  });
}
