/**
 * The embedded store: one writer thread, one reader thread, group commit. What need not wait for the disk queues apart, so
 * that it goes on while settlements gather behind the one that is being synced. What need not even wait for its
 * transaction is noted in a file (notes.ts) and committed with the next settlements.
 */
import type { CompiledQuery, Kysely } from 'kysely';
import { Availability } from '../availability.ts';
import { CommitQueue } from '../commit-queue.ts';
import { COMPILERS } from '../compile.ts';
import type { Tables } from '../schema.ts';
import { type Row, type Sees, type Store, StoreUnavailable, type WriteClass } from '../store.ts';
import type { WriterSetup } from './messages.ts';
import { leftNotes, type Noted, Notes } from './notes.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

export interface SqliteStoreOptions extends WriterSetup {
  /** Which commits wait for the disk. */
  syncs: (write: WriteClass) => boolean;
  /** Scripts of the class `intent`; every other is a settlement. */
  intents: ReadonlySet<string>;
  /** Scripts whose writes are answered once they are noted. Their answers are null. */
  noted: ReadonlySet<string>;
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
  readonly #noted: ReadonlySet<string>;
  #notes: Notes | null = null;
  #closed = false;

  private constructor(options: SqliteStoreOptions, writer: Writer) {
    this.#writer = writer;
    this.#reader = new Reader(options.file);
    this.#intents = options.intents;
    this.#noted = options.noted;
    this.#availability = new Availability(() => this.write('probe', null));
    this.#settlementQueue = this.#queue(options.syncs('settlement'));
    // Where both wait for the disk they had better wait together.
    const isApart = options.syncs('intent') !== options.syncs('settlement');
    this.#intentQueue = isApart ? this.#queue(options.syncs('intent')) : this.#settlementQueue;
  }

  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const { file, statements, scripts } = options;
    const store = new SqliteStore(options, await Writer.start({ file, statements, scripts }));
    if (options.noted.size > 0) await store.#beginNotes(file);
    return store;
  }

  /** What a process that died had noted becomes rows before anything else is written. */
  async #beginNotes(file: string): Promise<void> {
    const left = leftNotes(file);
    const written = await Promise.allSettled(left.map(({ script, input }) => this.#intentQueue.write(script, input)));
    for (const result of written) {
      if (result.status === 'fulfilled') continue;
      if (result.reason instanceof StoreUnavailable) throw result.reason;
      process.emitWarning(result.reason as Error);
    }
    this.#notes = new Notes(file);
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
    if (this.#notes !== null && this.#noted.has(script)) return this.#note(script, input);
    return (this.#intents.has(script) ? this.#intentQueue : this.#settlementQueue).write(script, input);
  }

  async #note<Output>(script: string, input: unknown): Promise<Output> {
    const notes = this.#notes!;
    const noted = this.#take(notes, script, input);
    this.#settlementQueue.note(script, input, (error) => {
      notes.done(noted);
      // Nobody waits who could be told; what builds on it will find it missing.
      if (error !== null) process.emitWarning(error);
    });
    return null as Output;
  }

  #take(notes: Notes, script: string, input: unknown): Noted {
    try {
      return notes.take({ script, input });
    } catch (error) {
      const { message } = error as Error;
      this.#availability.refused(message);
      throw new StoreUnavailable(message);
    }
  }

  async read<R = Row>(query: CompiledQuery, sees: Sees = 'written'): Promise<R[]> {
    if (this.#closed) throw new StoreUnavailable('it is closed');
    // What was noted counts as written: whoever asks finds it.
    if (sees === 'written') await this.#settlementQueue.notesWritten();
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
    this.#notes?.close();
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
