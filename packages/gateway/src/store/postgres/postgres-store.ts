/**
 * The store on a PostgreSQL server that other gateways share. Intents and settlements have a connection each: an intent
 * is one insert and waits for nobody, a settlement waits for the counters' row, which gives numbers in commit order.
 */
import type { CompiledQuery, Kysely } from 'kysely';
import type pg from 'pg';
import { Availability } from '../availability.ts';
import { CommitQueue } from '../commit-queue.ts';
import { COMPILERS, type StatementTexts } from '../compile.ts';
import type { Scripts } from '../run-script.ts';
import type { Tables } from '../schema.ts';
import { type Row, type Store, StoreUnavailable } from '../store.ts';
import { readerPool } from './connection.ts';
import { Listener } from './listener.ts';
import { readRows } from './read-only.ts';
import { PostgresWriter } from './writer.ts';

export interface PostgresStoreOptions {
  url: string;
  statements: StatementTexts;
  scripts: Scripts;
  /** Scripts of the class `intent`; every other is a settlement. */
  intents: ReadonlySet<string>;
  /** False only for `durability: "process"`. */
  synced: boolean;
  /** How long writes wait for a server that is away before they are refused, milliseconds. */
  holdMs: number;
}

interface Lane {
  writer: PostgresWriter;
  queue: CommitQueue;
}

export class PostgresStore implements Store {
  readonly engine = 'postgres';
  readonly exclusive = false;
  readonly queries: Kysely<Tables> = COMPILERS.postgres;
  readonly #intents: ReadonlySet<string>;
  readonly #intentLane: Lane;
  readonly #settlementLane: Lane;
  readonly #availability: Availability;
  readonly #listener: Listener;
  readonly #heard: ((payload: string | null) => void)[] = [];
  readonly #readers: pg.Pool;
  #closed = false;

  private constructor(options: PostgresStoreOptions) {
    this.#intents = options.intents;
    this.#availability = new Availability(() => this.write('probe', null));
    this.#intentLane = this.#lane(options, false);
    this.#settlementLane = this.#lane(options, true);
    this.#readers = readerPool(options.url);
    this.#listener = new Listener(options.url, (payload) => {
      for (const listener of this.#heard) listener(payload);
    });
  }

  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const store = new PostgresStore(options);
    try {
      await store.#listener.start();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get available(): boolean {
    return this.#availability.available;
  }

  get unanswered(): number {
    return this.#intentLane.queue.unanswered + this.#settlementLane.queue.unanswered;
  }

  get oldestWaitMs(): number {
    return Math.max(this.#intentLane.queue.oldestWaitMs, this.#settlementLane.queue.oldestWaitMs);
  }

  write<Output>(script: string, input: unknown): Promise<Output> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it is closed'));
    return (this.#intents.has(script) ? this.#intentLane : this.#settlementLane).queue.write(script, input);
  }

  async read<R = Row>(query: CompiledQuery): Promise<R[]> {
    if (this.#closed) throw new StoreUnavailable('it is closed');
    return readRows<R>(this.#readers, query);
  }

  onAvailability(listener: (reason: string | null) => void): void {
    this.#availability.onChange(listener);
  }

  onTold(listener: (payload: string | null) => void): void {
    this.#heard.push(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#availability.close();
    const lanes = [this.#intentLane, this.#settlementLane];
    await Promise.all(lanes.map(({ queue }) => queue.idle()));
    await Promise.all([...lanes.map(({ writer }) => writer.close()), this.#listener.close(), this.#readers.end()]);
  }

  /** Both lanes say when the server refuses; that it takes writes again is shown by the one that must reach its disk. */
  #lane(options: PostgresStoreOptions, heals: boolean): Lane {
    const writer = new PostgresWriter(options);
    const queue = new CommitQueue({
      sync: options.synced,
      commit: (batch) => writer.commit(batch),
      unavailable: (reason) => new StoreUnavailable(reason),
      onOutcome: (reason) => {
        if (reason !== null) this.#availability.refused(reason);
        else if (heals) this.#availability.took();
      },
    });
    return { writer, queue };
  }
}
