/** The main thread's end of the writer thread: hands it batches and gives each its answer, which come in order. */
import type { Worker } from 'node:worker_threads';
import type { Batch, BatchAnswer } from '../commit-queue.ts';
import type { WriterSetup } from './messages.ts';
import { startThread } from './thread.ts';

export class Writer {
  readonly #thread: Worker;
  readonly #awaited: ((answer: BatchAnswer) => void)[] = [];

  private constructor(thread: Worker) {
    this.#thread = thread;
    thread.on('message', (answer: BatchAnswer) => this.#awaited.shift()!(answer));
    thread.on('error', broken);
  }

  static async start(setup: WriterSetup): Promise<Writer> {
    const thread = startThread(new URL('./writer-thread.ts', import.meta.url), setup);
    await new Promise<void>((resolve, reject) => {
      thread.once('message', () => resolve());
      thread.once('error', reject);
    });
    return new Writer(thread);
  }

  commit(batch: Batch): Promise<BatchAnswer> {
    return new Promise((resolve) => {
      this.#awaited.push(resolve);
      this.#thread.postMessage(batch);
    });
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}

/** A thread that dies is a bug of ours: without a writer nothing can be promised, so the process must not go on. */
function broken(error: Error): never {
  throw new Error('a thread of the store ended', { cause: error });
}
