/**
 * Hears what committed scripts told, on a connection of its own. While it is away nothing is heard, so when it is back
 * it says null once: look for yourselves. A hint never carries anything that a reader could not find in the tables.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connectListener } from './connection.ts';

const PAUSE_MS = 250;
/** A server that vanished without a word is noticed by this. */
const CHECK_EVERY_MS = 5_000;
const CHECK_TIMEOUT_MS = 5_000;

export class Listener {
  readonly #url: string;
  readonly #told: (payload: string | null) => void;
  #client: pg.Client | null = null;
  #closed = false;

  constructor(url: string, told: (payload: string | null) => void) {
    this.#url = url;
    this.#told = told;
  }

  /** Resolves when it listens for the first time; from then on it keeps itself connected. */
  async start(): Promise<void> {
    await this.#listen();
    void this.#stay();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lose();
  }

  async #listen(): Promise<void> {
    const client = await connectListener(this.#url);
    client.on('notification', ({ payload }) => this.#told(payload ?? null));
    const channel = await client.query<{ name: string }>(`select 'weighbridge:' || current_schema() as name`);
    await client.query(`listen ${client.escapeIdentifier(channel.rows[0]!.name)}`);
    this.#client = client;
  }

  async #stay(): Promise<void> {
    while (!this.#closed) {
      await this.#ended(this.#client!);
      this.#lose();
      while (!this.#closed) {
        await sleep(PAUSE_MS, null, { ref: false });
        const isBack = await this.#listen().then(
          () => true,
          () => false,
        );
        if (isBack) break;
      }
      if (this.#closed) return this.#lose();
      this.#told(null);
    }
  }

  /** Resolves when the connection is no longer any good. */
  async #ended(client: pg.Client): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    client.once('error', () => resolve());
    client.once('end', () => resolve());
    const check = setInterval(() => {
      client.query({ text: 'select 1', query_timeout: CHECK_TIMEOUT_MS } as pg.QueryConfig).catch(() => resolve());
    }, CHECK_EVERY_MS);
    check.unref();
    await promise;
    clearInterval(check);
  }

  #lose(): void {
    const client = this.#client;
    this.#client = null;
    (client as unknown as { connection?: { stream: { destroy(): void } } } | null)?.connection?.stream.destroy();
  }
}
