/**
 * Records what became of attempts: one write at a time takes all that came meanwhile, together with the cursor. A failure is
 * recorded at once; mere progress may gather for a moment, because losing it only repeats a delivery.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Store, StoreUnavailable, type Value } from '../store/store.ts';
import type { AttemptsRecord } from './scripts.ts';
import type { CursorWindow } from './window.ts';

/** Progress alone is written at most this often. */
const PROGRESS_MS = 100;
const AWAY_MS = 250;
/** Results that may wait for a database that is away; then no attempt begins. */
const WAITING_MAX = 256;

/** A failed attempt: what its row will say. */
export interface FailedAttempt {
  id: string;
  seqs: readonly number[];
  attempts: number;
  isDead: boolean;
  nextAt: number;
  status: number | null;
  reason: string;
}

export interface KeeperDeps {
  store: Store;
  tenantId: string;
  endpointId: string;
  fence: number;
  window: CursorWindow;
  now: () => number;
  /** These are recorded. */
  onRecorded: (ids: readonly string[]) => void;
  /** Nothing is recorded any more: another has the lease or the cursor was set elsewhere (null), or a write failed for good. */
  onLost: (error: Error | null) => void;
}

type Sums = AttemptsRecord['sums'];
const noSums = (): Sums => ({ delivered: 0, failed: 0, dead: 0 });

export class AttemptKeeper {
  readonly #deps: KeeperDeps;
  #failed = new Map<string, FailedAttempt>();
  #done: string[] = [];
  #sums = noSums();
  #lastDeliveredAt: number | null = null;
  #disabledReason: string | null = null;
  #recordedTo: number;
  #writing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isLost = false;
  #isClosing = false;

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
    this.#recordedTo = deps.window.cursor;
  }

  get isFull(): boolean {
    return this.#failed.size + this.#done.length >= WAITING_MAX;
  }

  /** `hasRow`: it had failed before, and its row goes. */
  delivered(id: string, hasRow: boolean): void {
    this.#sums.delivered += 1;
    this.#lastDeliveredAt = this.#deps.now();
    if (hasRow) {
      this.#done.push(id);
      this.#writeSoon(0);
    } else this.#writeSoon(PROGRESS_MS);
  }

  failed(attempt: FailedAttempt): void {
    this.#failed.set(attempt.id, attempt);
    this.#sums.failed += 1;
    if (attempt.isDead) this.#sums.dead += 1;
    this.#writeSoon(0);
  }

  /** It gets nothing more until somebody enables it. */
  disable(reason: string): void {
    this.#disabledReason = reason;
    this.#writeSoon(0);
  }

  /** Events were passed over. */
  progressed(): void {
    this.#writeSoon(PROGRESS_MS);
  }

  /** Resolves when all is recorded, another has the lease, or the database is away. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#write();
    await this.#writing;
  }

  #writeSoon(ms: number): void {
    if (this.#isLost || (this.#timer !== null && ms > 0)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#write(), ms);
  }

  /** One at a time; who asks meanwhile is in the next. */
  #write(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing ??= this.#writeAll()
      .catch((error: Error) => this.#lose(error))
      .finally(() => {
        this.#writing = null;
      });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (!this.#isLost && this.#hasNews()) {
      const record = this.#takeRecord();
      const ids = [...record.done, ...record.failed.map(([, , id]) => String(id))];
      if (await this.#writeOne(record)) this.#deps.onRecorded(ids);
      else this.#lose(null);
    }
  }

  #lose(error: Error | null): void {
    this.#isLost = true;
    this.#deps.onLost(error);
  }

  #hasNews(): boolean {
    const { delivered, failed } = this.#sums;
    const hasResults = delivered + failed > 0 || this.#disabledReason !== null;
    return hasResults || this.#deps.window.cursor > this.#recordedTo;
  }

  #takeRecord(): AttemptsRecord {
    const { tenantId, endpointId, fence, window } = this.#deps;
    const now = this.#deps.now();
    const failed = [...this.#failed.values()];
    const record: AttemptsRecord = {
      tenantId,
      endpointId,
      fence,
      seq: window.cursor,
      now,
      failed: failed.map((attempt) => this.#rowOf(attempt, now)),
      done: this.#done,
      sums: this.#sums,
      lastDeliveredAt: this.#lastDeliveredAt,
      lastFailedAt: failed.length > 0 ? now : null,
      lastFailure: failed.at(-1)?.reason ?? null,
      disabledReason: this.#disabledReason,
    };
    this.#failed = new Map();
    this.#done = [];
    this.#sums = noSums();
    this.#lastDeliveredAt = null;
    this.#disabledReason = null;
    this.#recordedTo = record.seq;
    return record;
  }

  /** In the order of DELIVERY_COLUMNS. */
  #rowOf({ id, seqs, attempts, isDead, nextAt, status, reason }: FailedAttempt, now: number): Value[] {
    const { tenantId, endpointId } = this.#deps;
    const state = isDead ? 'dead' : 'pending';
    return [tenantId, endpointId, id, JSON.stringify(seqs), seqs[0]!, state, attempts, nextAt, now, status, reason];
  }

  /** False: the fence is another's. A database that is away is waited for; the results wait here, and no more come. */
  async #writeOne(record: AttemptsRecord): Promise<boolean> {
    for (;;) {
      try {
        return await this.#deps.store.write<boolean>('recordDeliveries', record);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        // What is not recorded is only sent again; an end that waits for a database could wait for ever.
        if (this.#isClosing) return false;
        await sleep(AWAY_MS, null, { ref: false });
      }
    }
  }
}
