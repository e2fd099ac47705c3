/**
 * The store: SQL and durability, no meaning. Reads are compiled queries; writes are scripts, so that a whole
 * transaction runs beside the database without a decision in between.
 *
 * A script is a generator: it yields steps and receives their answers. SQLite's engine drives it inside its writer
 * thread; PostgreSQL's drives the same generator over the network, one statement for each step however many rows it has.
 * Scripts run in batches: one call receives the inputs of every waiting caller, and all commit together (group commit).
 */
import type { CompiledQuery, Kysely } from 'kysely';
import type { Tables } from './schema.ts';

export type Engine = 'sqlite' | 'postgres';

export type Value = string | number | bigint | Uint8Array | null;
export type Row = Record<string, Value>;

/** `intent` may ride on the operating system's cache, `settlement` must survive power loss (see `ledger.durability`). */
export type WriteClass = 'intent' | 'settlement';

/**
 * What a read must see: whatever was written before it (the default), or at least what was announced as committed. The
 * followers of the log ask for no more, so that nobody's following makes intents rows one by one.
 */
export type Sees = 'written' | 'announced';

export interface Store {
  readonly engine: Engine;
  /** Builds queries for this engine; compile them and hand them to `read`. */
  readonly queries: Kysely<Tables>;
  /** False while the database cannot commit (disk full, locked, away); admission asks it before any provider is called. */
  readonly available: boolean;
  /** True where no other process can write here while this store is open (SQLite's lock). */
  readonly exclusive: boolean;
  /** How long the oldest unanswered write has been waiting, milliseconds; 0 when none is. */
  readonly oldestWaitMs: number;
  /** Writes that have no answer yet. */
  readonly unanswered: number;
  /** Runs a script with this input, together with whatever else waits. Rejects with StoreUnavailable. */
  write<Output>(script: string, input: unknown): Promise<Output>;
  /** Rows of a read-only query, in the reader's own snapshot. Integers beyond 2^53 need a cast to text in the query. */
  read<R = Row>(query: CompiledQuery, sees?: Sees): Promise<R[]>;
  /** Calls whenever the database stops taking writes (with the reason) and whenever it takes them again (null). */
  onAvailability(listener: (reason: string | null) => void): void;
  /** Calls with what a committed script told (`tell`), in any process on this database; null: something may have been missed. */
  onTold(listener: (payload: string | null) => void): void;
  close(): Promise<void>;
}

/** The database did not take a write, for a reason that can pass: full disk, lock, I/O error, a server that is away. */
export class StoreUnavailable extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`the ledger's database did not take the write: ${reason}`);
    this.name = 'StoreUnavailable';
    this.reason = reason;
  }
}
