/**
 * Whether the database takes writes: false from the first refusal until a probe was committed again. Whoever must know
 * the moment (the log, the ledger with settlements it had to keep) listens here.
 */

/** Milliseconds between tries to write while the database refuses. */
const PROBE_EVERY_MS = 250;

export class Availability {
  readonly #probe: () => Promise<unknown>;
  readonly #listeners: ((reason: string | null) => void)[] = [];
  #reason: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** `probe` writes something; it resolves when that was committed. */
  constructor(probe: () => Promise<unknown>) {
    this.#probe = probe;
  }

  get available(): boolean {
    return this.#reason === null;
  }

  onChange(listener: (reason: string | null) => void): void {
    this.#listeners.push(listener);
  }

  refused(reason: string): void {
    const wasAvailable = this.#reason === null;
    this.#reason = reason;
    if (wasAvailable) this.#tell(reason);
    this.#scheduleProbe();
  }

  took(): void {
    if (this.#reason === null) return;
    this.#reason = null;
    this.#tell(null);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  #tell(reason: string | null): void {
    for (const listener of this.#listeners) listener(reason);
  }

  #scheduleProbe(): void {
    if (this.#timer || this.#closed) return;
    this.#timer = setTimeout(async () => {
      this.#timer = null;
      await this.#probe().catch(() => {});
      if (this.#reason !== null) this.#scheduleProbe();
    }, PROBE_EVERY_MS);
  }
}
