/**
 * Kysely as a compiler: rooms write typed queries and describe their statements once, this gives them the text for the
 * engine in use. No connection hangs on it; the engines execute what comes out.
 */
import {
  type DialectAdapter,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Tables } from './schema.ts';
import { type StatementShape, type StatementText, textFor } from './statement.ts';
import type { Engine } from './store.ts';

/** What a room brings to the store: its statements, and the module that exports its scripts by name. */
export interface RoomWrites {
  statements: Readonly<Record<string, StatementShape>>;
  scripts: URL;
}

/** Statement texts under their names, compiled once for the engine in use. */
export type StatementTexts = Readonly<Record<string, StatementText>>;

/** Build queries with the engine's; `.compile()` them and hand them to `store.read`. */
export const COMPILERS: Readonly<Record<Engine, Kysely<Tables>>> = {
  sqlite: compiler(new SqliteAdapter(), new SqliteQueryCompiler(), SqliteIntrospector),
  postgres: compiler(new PostgresAdapter(), new PostgresQueryCompiler(), PostgresIntrospector),
};

/** All rooms' statement texts under their names; a name used twice is a bug. */
export function compileStatements(engine: Engine, rooms: readonly RoomWrites[]): StatementTexts {
  const texts: Record<string, StatementText> = {};
  for (const room of rooms) {
    for (const [name, shape] of Object.entries(room.statements)) {
      if (texts[name] !== undefined) throw new Error(`two rooms name a statement ${name}`);
      texts[name] = textFor(shape, COMPILERS[engine], engine);
    }
  }
  return texts;
}

function compiler(
  adapter: DialectAdapter,
  queryCompiler: QueryCompiler,
  Introspector: typeof SqliteIntrospector | typeof PostgresIntrospector,
): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => adapter,
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new Introspector(db),
      createQueryCompiler: () => queryCompiler,
    },
  });
}
