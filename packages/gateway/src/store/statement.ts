/**
 * How rooms describe the statements that their scripts yield: once, for both engines. A description becomes a text that
 * takes one row of values (SQLite executes it for each) or one that takes all rows as one JSON value (PostgreSQL: one
 * round trip however many there are). The order of the columns here is the order of a row's values.
 */
import { type Compilable, type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from './schema.ts';
import type { Engine } from './store.ts';

type Table = keyof Tables & string;
type ColumnOf<T extends Table> = keyof Tables[T] & string;

/** What an insert does where its key is taken: keeps what is there, or changes it. */
export type Conflict =
  | { keep: readonly string[] }
  /** `add` columns are summed, `replace` columns overwritten; only where `ifGreater` exceeds what is kept. */
  | { key: readonly string[]; add?: readonly string[]; replace?: readonly string[]; ifGreater?: string };

export type StatementShape =
  | { kind: 'insert'; table: Table; columns: readonly string[]; conflict: Conflict | null }
  | { kind: 'update'; table: Table; set: readonly string[]; key: readonly string[]; onlyNull: string | null }
  | { kind: 'find'; table: Table; key: readonly string[]; select: readonly string[] }
  | { kind: 'ask'; build: (db: Kysely<Tables>, engine: Engine) => Compilable | RawBuilder<unknown> };

export function insertRows<T extends Table>(
  table: T,
  columns: readonly ColumnOf<T>[],
  conflict: Conflict | null = null,
): StatementShape {
  return { kind: 'insert', table, columns, conflict };
}

/** Values: those of `set`, then those of `key`. Rows whose `onlyNull` column is set already stay as they are. */
export function updateRows<T extends Table>(
  table: T,
  set: readonly ColumnOf<T>[],
  key: readonly ColumnOf<T>[],
  onlyNull: ColumnOf<T> | null = null,
): StatementShape {
  return { kind: 'update', table, set, key, onlyNull };
}

/** At most one row for each key. */
export function findRows<T extends Table>(
  table: T,
  key: readonly ColumnOf<T>[],
  select: readonly ColumnOf<T>[],
): StatementShape {
  return { kind: 'find', table, key, select };
}

/** Any one query; its parameters are the step's values in the order of the text. */
export function asked(build: (db: Kysely<Tables>, engine: Engine) => Compilable | RawBuilder<unknown>): StatementShape {
  return { kind: 'ask', build };
}

/** The database's own clock, milliseconds: the only one that all processes on it share. */
export function databaseNow(engine: Engine): RawBuilder<number> {
  if (engine === 'sqlite') return sql`cast(unixepoch('subsec') * 1000 as integer)`;
  return sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
}

/** How the rows that a statement returns are put beside the rows of values it was given. */
export type Returns =
  /** They are the answer themselves. */
  | { kind: 'rows' }
  /** Nothing is returned: every row of values took effect. */
  | { kind: 'nothing' }
  /** Each says in `place`, from 1, which row of values it belongs to. */
  | { kind: 'placed' }
  /** Each holds the key of the row of values it belongs to. */
  | { kind: 'keyed'; key: readonly string[] };

export interface StatementText {
  text: string;
  /** The columns of a row of values, in order; empty for an asked statement. */
  columns: readonly string[];
  returns: Returns;
}

export function textFor(shape: StatementShape, db: Kysely<Tables>, engine: Engine): StatementText {
  if (shape.kind === 'ask') {
    const query = shape.build(db, engine) as RawBuilder<unknown>;
    return { text: query.compile(db).sql, columns: [], returns: { kind: 'rows' } };
  }
  const build = engine === 'sqlite' ? oneRow : allRows;
  return { text: build(shape).compile(db).sql, columns: columnsOf(shape), returns: returnsOf(shape) };
}

type RowShape = Exclude<StatementShape, { kind: 'ask' }>;

function columnsOf(shape: RowShape): readonly string[] {
  if (shape.kind === 'insert') return shape.columns;
  return shape.kind === 'update' ? [...shape.set, ...shape.key] : shape.key;
}

function returnsOf(shape: RowShape): Returns {
  if (shape.kind !== 'insert') return { kind: 'placed' };
  if (shape.conflict === null || !('keep' in shape.conflict)) return { kind: 'nothing' };
  return { kind: 'keyed', key: shape.conflict.keep };
}

function oneRow(shape: RowShape): RawBuilder<unknown> {
  const table = sql.table(shape.table);
  if (shape.kind === 'insert') {
    const places = sql.join(shape.columns.map(() => sql`${0}`));
    return sql`insert into ${table} (${refs(shape.columns)}) values (${places})${onConflict(shape.table, shape.conflict)}`;
  }
  const where = sql.join(
    shape.key.map((column) => sql`${sql.ref(column)} = ${0}`),
    sql` and `,
  );
  if (shape.kind === 'find') return sql`select ${refs(shape.select)} from ${table} where ${where}`;
  const set = sql.join(shape.set.map((column) => sql`${sql.ref(column)} = ${0}`));
  const open = shape.onlyNull === null ? sql`` : sql` and ${sql.ref(shape.onlyNull)} is null`;
  return sql`update ${table} set ${set} where ${where}${open}`;
}

/** The rows come as a JSON array of objects and take their types from the table's own. */
function allRows(shape: RowShape): RawBuilder<unknown> {
  const table = sql.table(shape.table);
  const given = sql`json_populate_recordset(null::${table}, ${'[]'}::json)`;
  if (shape.kind === 'insert') {
    const rows = sql`select ${refs(shape.columns)} from ${given}`;
    const returned = returnsOf(shape);
    const returning = returned.kind === 'keyed' ? sql` returning ${refs(returned.key)}` : sql``;
    return sql`insert into ${table} (${refs(shape.columns)}) ${rows}${onConflict(shape.table, shape.conflict)}${returning}`;
  }
  const isSame = sql.join(
    shape.key.map((column) => sql`${sql.ref(`kept.${column}`)} = ${sql.ref(`given.${column}`)}`),
    sql` and `,
  );
  const numbered = sql`${given} with ordinality as given`;
  if (shape.kind === 'find') {
    const select = sql.join(shape.select.map((column) => sql.ref(`kept.${column}`)));
    return sql`select ${select}, given.ordinality as place from ${numbered} join ${table} as kept on ${isSame}`;
  }
  const set = sql.join(shape.set.map((column) => sql`${sql.ref(column)} = ${sql.ref(`given.${column}`)}`));
  const open = shape.onlyNull === null ? sql`` : sql` and ${sql.ref(`kept.${shape.onlyNull}`)} is null`;
  return sql`update ${table} as kept set ${set} from ${numbered} where ${isSame}${open} returning given.ordinality as place`;
}

function onConflict(table: string, conflict: Conflict | null): RawBuilder<unknown> {
  if (conflict === null) return sql``;
  if ('keep' in conflict) return sql` on conflict (${refs(conflict.keep)}) do nothing`;
  const { key, add = [], replace = [], ifGreater } = conflict;
  const kept = (column: string) => sql.ref(`${table}.${column}`);
  const excluded = (column: string) => sql.ref(`excluded.${column}`);
  const changes = sql.join([
    ...add.map((column) => sql`${sql.ref(column)} = ${kept(column)} + ${excluded(column)}`),
    ...replace.map((column) => sql`${sql.ref(column)} = ${excluded(column)}`),
  ]);
  const only = ifGreater === undefined ? sql`` : sql` where ${excluded(ifGreater)} > ${kept(ifGreater)}`;
  return sql` on conflict (${refs(key)}) do update set ${changes}${only}`;
}

function refs(columns: readonly string[]): RawBuilder<unknown> {
  return sql.join(columns.map((column) => sql.ref(column)));
}
