/**
 * Tells couriers that the log has grown: those that may want what came, at once; the others a few at a time, so that their
 * cursors move on. Without it every event would wake every endpoint, and a thousand endpoints that want nothing of it would
 * cost each call more than the call itself. Reads the log once for all of them.
 */
import type { WebhookEndpoint } from '../domain/webhook.ts';
import type { EventKind, EventLog } from '../events/log.ts';

/** How often some are told of what they do not want, and of how many: no more of them cost more, they only wait longer. */
const PASS_MS = 50;
const PASSED_AT_ONCE = 5;

interface Watcher {
  endpoint: Pick<WebhookEndpoint, 'tenantId' | 'events'>;
  tell: () => void;
  /** The log's end when it was told last. */
  toldTo: number;
}

export class Appends {
  readonly #log: Pick<EventLog, 'kinds' | 'lastSeq' | 'watch'>;
  readonly #watchers = new Set<Watcher>();
  readonly #stopWatching: () => void;
  /** Null: the log was not looked at yet. */
  #readTo: number | null = null;
  #isReading = false;
  #mayHaveMore = false;
  #passing: NodeJS.Timeout | null = null;

  constructor(log: Pick<EventLog, 'kinds' | 'lastSeq' | 'watch'>) {
    this.#log = log;
    this.#stopWatching = log.watch(() => this.#look());
  }

  /** Calls when the log may hold more for an endpoint than when it began to watch, or was told last. */
  watch(endpoint: Watcher['endpoint'], tell: () => void): () => void {
    const watcher = { endpoint, tell, toldTo: this.#readTo ?? 0 };
    this.#watchers.add(watcher);
    if (this.#readTo === null) this.#look();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.#readTo = null;
    };
  }

  close(): void {
    this.#stopWatching();
    if (this.#passing !== null) clearTimeout(this.#passing);
    this.#watchers.clear();
  }

  /** Where nobody watches, no call pays for a look; whoever comes next is told of the log's end. */
  #look(): void {
    if (this.#watchers.size === 0) {
      this.#readTo = null;
      return;
    }
    this.#mayHaveMore = true;
    if (!this.#isReading) void this.#read();
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    while (this.#mayHaveMore) {
      // Cleared first: what is appended meanwhile sets it again.
      this.#mayHaveMore = false;
      try {
        await this.#readOn();
      } catch {
        // Whoever cannot be told what came looks for itself, and says what fails.
        this.#tellAll();
      }
    }
    this.#isReading = false;
  }

  async #readOn(): Promise<void> {
    if (this.#readTo === null) {
      this.#readTo = await this.#log.lastSeq();
      this.#tellAll();
      return;
    }
    const { kinds, scannedTo, hasMore } = await this.#log.kinds(this.#readTo);
    if (hasMore) this.#mayHaveMore = true;
    this.#readTo = scannedTo;
    for (const watcher of this.#watchers) if (mayWant(watcher, kinds)) this.#tell(watcher);
    this.#passSoon();
  }

  #tellAll(): void {
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  #tell(watcher: Watcher): void {
    watcher.toldTo = this.#readTo ?? 0;
    watcher.tell();
  }

  #passSoon(): void {
    this.#passing ??= setTimeout(() => {
      this.#passing = null;
      this.#pass();
    }, PASS_MS).unref();
  }

  /** The set keeps an order: who was told goes to its end. */
  #pass(): void {
    const behind = [...this.#watchers].filter(({ toldTo }) => toldTo < (this.#readTo ?? 0));
    for (const watcher of behind.slice(0, PASSED_AT_ONCE)) {
      this.#watchers.delete(watcher);
      this.#watchers.add(watcher);
      this.#tell(watcher);
    }
    if (behind.length > PASSED_AT_ONCE) this.#passSoon();
  }
}

function mayWant({ endpoint: { tenantId: whose, events } }: Watcher, kinds: readonly EventKind[]): boolean {
  return kinds.some(({ tenantId, type }) => (whose === null || whose === tenantId) && events.includes(type));
}
