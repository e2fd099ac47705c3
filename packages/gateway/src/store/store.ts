/**
 * The store: SQL and durability, no meaning. Reads are compiled queries; writes are scripts, so that a whole
 * transaction runs beside the database without a round trip for each statement.
 *
 * A script is a generator: it yields statements and receives their rows. The SQLite engine drives it inside its writer
 * thread; an engine with a network drives the same generator with awaits. Scripts run in batches: one call receives
 * the inputs of every waiting caller, and all of them commit together (group commit).
 */
import type { CompiledQuery, Kysely } from 'kysely';
import type { Tables } from './schema.ts';

export type Value = string | number | bigint | Uint8Array | null;
export type Row = Record<string, Value>;

/** Statement texts, compiled once for the engine in use; scripts name them. */
export type StatementTexts = Readonly<Record<string, string>>;

/** What a script yields: a named statement and its parameters. */
export interface Statement {
  name: string;
  values: readonly Value[];
}

/** What a statement answers: its rows where it has any, and how many rows it changed. */
export interface Result {
  rows: readonly Row[];
  changed: number;
}

/** The steps of a transaction, or of a part of one. */
export type Steps<Output> = Generator<Statement, Output, Result>;

/** A transaction: receives the inputs of all who wait, answers each in the same order. */
export type Script<Input, Output> = (inputs: readonly Input[]) => Steps<Output[]>;

/** `intent` may ride on the operating system's cache, `settlement` must survive power loss (see `ledger.durability`). */
export type WriteClass = 'intent' | 'settlement';

export interface Store {
  /** Builds queries for this engine; compile them and hand them to `read`. */
  readonly queries: Kysely<Tables>;
  /** False while the database cannot commit (disk full, locked); admission asks it before any provider is called. */
  readonly available: boolean;
  /** Runs a script with this input, together with whatever else waits. Rejects with StoreUnavailable. */
  write<Output>(script: string, input: unknown): Promise<Output>;
  /** Rows of a read-only query, in the reader's own snapshot. Integers beyond 2^53 need a cast to text in the query. */
  read<R = Row>(query: CompiledQuery): Promise<R[]>;
  close(): Promise<void>;
}

/** The database did not take a write, for a reason that can pass: full disk, lock, I/O error. */
export class StoreUnavailable extends Error {
  constructor(reason: string) {
    super(`the ledger's database did not take the write: ${reason}`);
    this.name = 'StoreUnavailable';
  }
}
