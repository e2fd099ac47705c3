/**
 * The main thread's end of the reader threads. The first question starts one: a gateway that only meters does without. One
 * that comes while that is busy starts the other, so that what a call's turn needs does not wait for an operator's long
 * question. A question too large for its thread fails alone; the calls go on, and the next starts the thread anew.
 */
import type { Worker } from 'node:worker_threads';
import type { CompiledQuery } from 'kysely';
import { type Row, StoreUnavailable, type Value } from '../store.ts';
import type { ReadAnswer, ReadRequest } from './messages.ts';
import { startThread } from './thread.ts';

/** More would only share the processors. */
const THREADS = 2;

interface Asked {
  query: CompiledQuery;
  resolve(rows: Row[]): void;
  reject(error: Error): void;
}

export class Reader {
  readonly #threads: readonly ReaderThread[];
  /** No thread has more than one in hand: whoever stood behind a long one would wait while another thread has time. */
  readonly #waiting: Asked[] = [];

  constructor(file: string) {
    this.#threads = Array.from({ length: THREADS }, () => new ReaderThread(file, () => this.#next()));
  }

  read(query: CompiledQuery): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ query, resolve, reject });
      this.#next();
    });
  }

  async close(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #next(): void {
    const idle = this.#threads.find(({ isIdle }) => isIdle);
    const asked = idle && this.#waiting.shift();
    if (asked !== undefined) idle!.take(asked);
  }
}

class ReaderThread {
  readonly #file: string;
  readonly #onIdle: () => void;
  #thread: Worker | null = null;
  #inHand: Asked | null = null;

  constructor(file: string, onIdle: () => void) {
    this.#file = file;
    this.#onIdle = onIdle;
  }

  get isIdle(): boolean {
    return this.#inHand === null;
  }

  take(asked: Asked): void {
    this.#inHand = asked;
    this.#thread ??= this.#start();
    const { sql, parameters } = asked.query;
    this.#thread.postMessage({ sql, parameters: parameters as Value[] } satisfies ReadRequest);
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
    this.#inHand?.reject(closed());
    this.#inHand = null;
  }

  #start(): Worker {
    const thread = startThread(new URL('./reader-thread.ts', import.meta.url), { file: this.#file });
    thread.on('message', (answer: ReadAnswer) => {
      const asked = this.#putDown();
      if ('rows' in answer) asked?.resolve(named(answer.columns, answer.rows));
      else asked?.reject(new Error(answer.error));
    });
    thread.on('error', (error) => {
      this.#thread = null;
      const reason = 'the question was too large to answer; narrow its period';
      this.#putDown()?.reject(new Error(reason, { cause: error }));
    });
    return thread;
  }

  /** Whoever waits goes on before the answer is looked at: the thread works while rows are named. */
  #putDown(): Asked | null {
    const asked = this.#inHand;
    this.#inHand = null;
    this.#onIdle();
    return asked;
  }
}

function closed(): StoreUnavailable {
  return new StoreUnavailable('it is closed');
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
