/**
 * The main thread's end of the reader threads. The first question starts one: a gateway that only meters does without. One
 * that comes while that is busy starts the other, so that what a call's turn needs does not wait for an operator's long
 * question. A question too large for its thread fails, and those beside it; the calls go on, and the next starts anew.
 */
import type { Worker } from 'node:worker_threads';
import type { CompiledQuery } from 'kysely';
import { TransientMap } from '../../lib/transient-map.ts';
import { type Row, StoreUnavailable, type Value } from '../store.ts';
import type { ReadAnswer } from './messages.ts';
import { startThread } from './thread.ts';

/** More would only share the processors. */
const THREADS = 2;

export class Reader {
  readonly #threads: readonly ReaderThread[];

  constructor(file: string) {
    this.#threads = Array.from({ length: THREADS }, () => new ReaderThread(file));
  }

  read(query: CompiledQuery): Promise<Row[]> {
    const least = this.#threads.reduce((least, other) => (other.pending < least.pending ? other : least));
    return least.read(query);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

class ReaderThread {
  readonly #file: string;
  #thread: Worker | null = null;
  readonly #reads = new TransientMap<number, { resolve(rows: Row[]): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(file: string) {
    this.#file = file;
  }

  get pending(): number {
    return this.#reads.size;
  }

  read(query: CompiledQuery): Promise<Row[]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#reads.set(id, { resolve, reject });
      this.#thread ??= this.#start();
      this.#thread.postMessage({ id, sql: query.sql, parameters: query.parameters as Value[] });
    });
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
    this.#failAll(new StoreUnavailable('it is closed'));
  }

  #start(): Worker {
    const thread = startThread(new URL('./reader-thread.ts', import.meta.url), { file: this.#file });
    thread.on('message', (answer: ReadAnswer) => this.#answered(answer));
    thread.on('error', (error) => {
      if (this.#thread === thread) this.#thread = null;
      this.#failAll(new Error('the question was too large to answer; narrow its period', { cause: error }));
    });
    return thread;
  }

  #answered(answer: ReadAnswer): void {
    const read = this.#reads.take(answer.id);
    if (read === undefined) return;
    if ('rows' in answer) read.resolve(named(answer.columns, answer.rows));
    else read.reject(new Error(answer.error));
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#reads.values()) reject(error);
    this.#reads.clear();
  }
}

function named(columns: readonly string[], rows: readonly (readonly Value[])[]): Row[] {
  // A copy of it is filled three times faster than an object that grows.
  const empty: Row = Object.fromEntries(columns.map((column) => [column, null]));
  return rows.map((values) => {
    const row: Row = { ...empty };
    for (let index = 0; index < columns.length; index++) row[columns[index]!] = values[index]!;
    return row;
  });
}
