/**
 * Kysely as a compiler: rooms write typed queries once, this gives them the text for the engine in use. No connection
 * hangs on it; the engines execute what comes out.
 */
import {
  type Compilable,
  type Dialect,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Tables } from './schema.ts';
import type { StatementTexts } from './store.ts';

export type Engine = 'sqlite' | 'postgres';

/** What a room brings to the store: its statements, and the module that exports its scripts by name. */
export interface RoomWrites {
  statements: (db: Kysely<Tables>) => Readonly<Record<string, Compilable>>;
  scripts: URL;
}

const sqliteTexts: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
};

/** Builds queries; `.compile()` them and hand them to `store.read`. */
export const sqlite: Kysely<Tables> = new Kysely<Tables>({ dialect: sqliteTexts });

/** All rooms' statement texts under their names; a name used twice is a bug. */
export function compileStatements(db: Kysely<Tables>, rooms: readonly RoomWrites[]): StatementTexts {
  const texts: Record<string, string> = {};
  for (const room of rooms) {
    for (const [name, query] of Object.entries(room.statements(db))) {
      if (texts[name] !== undefined) throw new Error(`two rooms name a statement ${name}`);
      texts[name] = query.compile().sql;
    }
  }
  return texts;
}
