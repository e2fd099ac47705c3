/**
 * The embedded store: one writer thread, one reader thread, group commit. While a batch is being committed the next one
 * gathers; so one commit to disk serves every call that came meanwhile, and a lone call waits for nobody.
 *
 *   write() -> waiting -> (flush, once per turn of the event loop, one batch in flight) -> writer thread -> answers
 *
 * A failed commit makes the store unavailable; a probe then writes until the database takes it again.
 */
import type { Worker } from 'node:worker_threads';
import type { CompiledQuery, Kysely } from 'kysely';
import { sqlite } from '../compile.ts';
import type { Tables } from '../schema.ts';
import { type Row, type Store, StoreUnavailable, type Value, type WriteClass } from '../store.ts';
import type { Batch, BatchAnswer, ReadAnswer, WriterSetup } from './messages.ts';
import { startThread } from './thread.ts';

/** Inputs in one transaction at most: bounds the time a commit takes and what one failure undoes. */
const BATCH_MAX = 512;
/** Under load a batch gathers until it has this many inputs, or for this long. */
const GATHER_INPUTS = 8;
const GATHER_MS = 1;
/** Milliseconds between tries to write while the database refuses. */
const PROBE_EVERY_MS = 250;

interface Waiting {
  script: string;
  input: unknown;
  resolve(output: unknown): void;
  reject(error: Error): void;
}

export interface SqliteStoreOptions extends WriterSetup {
  /** Which commits wait for the disk. */
  syncs: (write: WriteClass) => boolean;
  /** Scripts of the class `intent`; every other is a settlement. They run first in a batch. */
  intents: ReadonlySet<string>;
}

export class SqliteStore implements Store {
  readonly queries: Kysely<Tables> = sqlite;
  readonly #options: SqliteStoreOptions;
  readonly #writer: Worker;
  /** Started by the first question: a gateway that only meters does without. */
  #reader: Worker | null = null;
  #available = true;
  #waiting: Waiting[] = [];
  /** Batches on their way to the writer, which answers in order. */
  readonly #inFlight: Waiting[][][] = [];
  #flushing = false;
  #gathering: NodeJS.Timeout | null = null;
  #lastBatchSize = 0;
  #lastAnswerAt = 0;
  #probe: NodeJS.Timeout | null = null;
  #idle: (() => void) | null = null;
  #closed = false;
  readonly #reads = new Map<number, { resolve(rows: Row[]): void; reject(error: Error): void }>();
  #lastRead = 0;

  private constructor(options: SqliteStoreOptions, writer: Worker) {
    this.#options = options;
    this.#writer = writer;
    writer.on('message', (answer: BatchAnswer) => this.#answered(answer));
    writer.on('error', (error) => this.#broken(error));
  }

  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const { file, statements, scripts } = options;
    const setup: WriterSetup = { file, statements, scripts };
    const writer = startThread(new URL('./writer-thread.ts', import.meta.url), setup);
    await new Promise<void>((resolve, reject) => {
      writer.once('message', () => resolve());
      writer.once('error', reject);
    });
    return new SqliteStore(options, writer);
  }

  get available(): boolean {
    return this.#available;
  }

  write<Output>(script: string, input: unknown): Promise<Output> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ script, input, resolve: resolve as (output: unknown) => void, reject });
      this.#scheduleFlush();
    });
  }

  read<R = Row>(query: CompiledQuery): Promise<R[]> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it is closed'));
    const id = ++this.#lastRead;
    return new Promise((resolve, reject) => {
      this.#reads.set(id, { resolve: resolve as (rows: Row[]) => void, reject });
      this.#reader ??= this.#startReader();
      this.#reader.postMessage({ id, sql: query.sql, parameters: query.parameters as Value[] });
    });
  }

  /** Writes what waits, then stops both threads. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#probe) clearTimeout(this.#probe);
    if (this.#waiting.length > 0 || this.#inFlight.length > 0)
      await new Promise<void>((resolve) => (this.#idle = resolve));
    await Promise.all([this.#writer.terminate(), this.#reader?.terminate()]);
    for (const { reject } of this.#reads.values()) reject(new StoreUnavailable('it is closed'));
    this.#reads.clear();
  }

  #startReader(): Worker {
    const reader = startThread(new URL('./reader-thread.ts', import.meta.url), { file: this.#options.file });
    reader.on('message', (answer: ReadAnswer) => this.#readAnswered(answer));
    reader.on('error', (error) => this.#readerDied(reader, error));
    return reader;
  }

  /**
   * A flush waits for the end of this turn of the event loop, so that calls that came together commit together. Under
   * load it gathers a moment longer: a commit costs the same for one call as for eight, in messages, CPU and disk.
   */
  #scheduleFlush(): void {
    if (this.#inFlight.length > 0 || this.#flushing) return;
    if (this.#waiting.length < GATHER_INPUTS && this.#isUnderLoad()) {
      this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
      return;
    }
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** The last batch had company, and has only just been answered. */
  #isUnderLoad(): boolean {
    return this.#lastBatchSize > 1 && performance.now() - this.#lastAnswerAt < GATHER_MS;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#gathering) clearTimeout(this.#gathering);
    this.#gathering = null;
    if (this.#inFlight.length > 0 || this.#waiting.length === 0) return;
    const taken = this.#waiting.splice(0, BATCH_MAX);
    this.#lastBatchSize = taken.length;
    // Intents that need not wait for the disk go first and alone: their calls go on while settlements are synced.
    const isIntent = ({ script }: Waiting): boolean => this.#options.intents.has(script);
    const [intents, settlements] = [taken.filter(isIntent), taken.filter((waiting) => !isIntent(waiting))];
    if (this.#options.syncs('intent') === this.#options.syncs('settlement')) this.#post(this.#grouped(taken));
    else for (const batch of [intents, settlements]) if (batch.length > 0) this.#post(this.#grouped(batch));
  }

  /** One group for each script, intents first: the statement stays warm and a room can fold equal keys. */
  #grouped(taken: Waiting[]): Waiting[][] {
    const groups = new Map<string, Waiting[]>();
    for (const waiting of taken) {
      const group = groups.get(waiting.script);
      if (group) group.push(waiting);
      else groups.set(waiting.script, [waiting]);
    }
    const rank = (group: Waiting[]) => (this.#options.intents.has(group[0]!.script) ? 0 : 1);
    return [...groups.values()].sort((a, b) => rank(a) - rank(b));
  }

  #post(groups: Waiting[][]): void {
    this.#inFlight.push(groups);
    const batch: Batch = {
      groups: groups.map((group) => ({ script: group[0]!.script, inputs: group.map(({ input }) => input) })),
      sync: groups.some((group) =>
        this.#options.syncs(this.#options.intents.has(group[0]!.script) ? 'intent' : 'settlement'),
      ),
    };
    this.#writer.postMessage(batch);
  }

  #answered(answer: BatchAnswer): void {
    const groups = this.#inFlight.shift()!;
    this.#lastAnswerAt = performance.now();
    if (answer.kind === 'done') this.#committed(groups, answer.outputs);
    else if (answer.kind === 'unavailable') this.#refused(groups, answer.reason);
    else this.#isolate(groups, answer.message);
    if (this.#waiting.length > 0) this.#scheduleFlush();
    if (this.#inFlight.length === 0 && this.#waiting.length === 0) this.#idle?.();
  }

  #committed(groups: Waiting[][], outputs: unknown[][]): void {
    this.#available = true;
    for (const [g, group] of groups.entries()) {
      for (const [i, waiting] of group.entries()) waiting.resolve(outputs[g]![i]);
    }
  }

  #refused(groups: Waiting[][], reason: string): void {
    this.#available = false;
    for (const waiting of groups.flat()) waiting.reject(new StoreUnavailable(reason));
    this.#scheduleProbe();
  }

  /** One bad input must not take its neighbours down: each is tried again alone, and only the bad one fails. */
  #isolate(groups: Waiting[][], message: string): void {
    const all = groups.flat();
    if (all.length === 1) {
      all[0]!.reject(new Error(`the store refused a ${all[0]!.script}: ${message}`));
      return;
    }
    const [first, ...rest] = all;
    this.#waiting.unshift(...rest);
    this.#post([[first!]]);
  }

  #scheduleProbe(): void {
    if (this.#probe || this.#closed) return;
    this.#probe = setTimeout(() => {
      this.#probe = null;
      if (!this.#available) this.write('probe', null).catch(() => this.#scheduleProbe());
    }, PROBE_EVERY_MS);
  }

  #readAnswered(answer: ReadAnswer): void {
    const read = this.#reads.get(answer.id);
    if (!read) return;
    this.#reads.delete(answer.id);
    if ('rows' in answer) read.resolve(answer.rows);
    else read.reject(new Error(answer.error));
  }

  /** A question too large for its thread fails, and those beside it; the calls go on, and the next question starts anew. */
  #readerDied(reader: Worker, error: Error): void {
    if (this.#reader === reader) this.#reader = null;
    const failure = new Error('the question was too large to answer; narrow its period', { cause: error });
    for (const { reject } of this.#reads.values()) reject(failure);
    this.#reads.clear();
  }

  /** A thread that dies is a bug of ours: without a writer nothing can be promised, so the process must not go on. */
  #broken(error: Error): void {
    throw new Error('a thread of the store ended', { cause: error });
  }
}
