/**
 * Folds hours and days that are over, now and then, so that questions about months read days. It writes only what any
 * gateway would write, under the counters' lock, and a question never depends on it: what is not folded is read finer.
 */
import type { Store } from '../store/store.ts';
import type { FoldedSome } from './folding-scripts.ts';

const EVERY_MS = 60_000;

export class Folding {
  readonly #store: Pick<Store, 'write'>;
  #timer: NodeJS.Timeout | null = null;
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(store: Pick<Store, 'write'>) {
    this.#store = store;
  }

  /** Begins in the background; a failure is the store's to tell, and the next turn tries again. */
  start(): void {
    this.#working = this.foldAll()
      .catch(() => {})
      .finally(() => this.#schedule());
  }

  /** Folds everything that can be folded, in transactions that stay short. */
  async foldAll(): Promise<void> {
    while (!this.#stopped) {
      const { isMore } = await this.#store.write<FoldedSome>('foldRollups', null);
      if (!isMore) return;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#working;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.start(), EVERY_MS);
    this.#timer.unref();
  }
}
