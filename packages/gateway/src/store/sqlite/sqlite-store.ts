/**
 * The embedded store: one writer thread, one reader thread, group commit. Intents and settlements queue apart, so that
 * intents, which need not wait for the disk, go on while settlements gather behind the one that is being synced.
 */
import type { CompiledQuery, Kysely } from 'kysely';
import { Availability } from '../availability.ts';
import { CommitQueue } from '../commit-queue.ts';
import { COMPILERS } from '../compile.ts';
import type { Tables } from '../schema.ts';
import { type Row, type Store, StoreUnavailable, type WriteClass } from '../store.ts';
import type { WriterSetup } from './messages.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

export interface SqliteStoreOptions extends WriterSetup {
  /** Which commits wait for the disk. */
  syncs: (write: WriteClass) => boolean;
  /** Scripts of the class `intent`; every other is a settlement. */
  intents: ReadonlySet<string>;
}

export class SqliteStore implements Store {
  readonly engine = 'sqlite';
  readonly exclusive = true;
  readonly queries: Kysely<Tables> = COMPILERS.sqlite;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #intents: ReadonlySet<string>;
  readonly #intentQueue: CommitQueue;
  readonly #settlementQueue: CommitQueue;
  readonly #availability: Availability;
  #closed = false;

  private constructor(options: SqliteStoreOptions, writer: Writer) {
    this.#writer = writer;
    this.#reader = new Reader(options.file);
    this.#intents = options.intents;
    this.#availability = new Availability(() => this.write('probe', null));
    this.#settlementQueue = this.#queue(options.syncs('settlement'));
    // Where both wait for the disk they had better wait together.
    const isApart = options.syncs('intent') !== options.syncs('settlement');
    this.#intentQueue = isApart ? this.#queue(options.syncs('intent')) : this.#settlementQueue;
  }

  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const { file, statements, scripts } = options;
    return new SqliteStore(options, await Writer.start({ file, statements, scripts }));
  }

  get available(): boolean {
    return this.#availability.available;
  }

  get unanswered(): number {
    return this.#intentQueue.unanswered + this.#settlementQueue.unanswered;
  }

  get oldestWaitMs(): number {
    return Math.max(this.#intentQueue.oldestWaitMs, this.#settlementQueue.oldestWaitMs);
  }

  write<Output>(script: string, input: unknown): Promise<Output> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it is closed'));
    return (this.#intents.has(script) ? this.#intentQueue : this.#settlementQueue).write(script, input);
  }

  read<R = Row>(query: CompiledQuery): Promise<R[]> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it is closed'));
    return this.#reader.read(query) as Promise<R[]>;
  }

  onAvailability(listener: (reason: string | null) => void): void {
    this.#availability.onChange(listener);
  }

  /** Nobody else writes here, so nobody tells. */
  onTold(): void {}

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#availability.close();
    await Promise.all([this.#intentQueue.idle(), this.#settlementQueue.idle()]);
    await Promise.all([this.#writer.close(), this.#reader.close()]);
  }

  #queue(sync: boolean): CommitQueue {
    return new CommitQueue({
      sync,
      commit: (batch) => this.#writer.commit(batch),
      unavailable: (reason) => new StoreUnavailable(reason),
      // Only a commit that reached the disk shows that the disk takes it; where none is synced, any does.
      onOutcome: (reason) => {
        if (reason !== null) this.#availability.refused(reason);
        else if (sync || this.#intentQueue === this.#settlementQueue) this.#availability.took();
      },
    });
  }
}
