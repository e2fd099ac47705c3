/**
 * Messages that were never tried, in the log's order: reads a page when the last is used up, drops what the endpoint does not
 * want, gathers batches. At most one page of events is in memory, however far the endpoint is behind.
 */
import type { EventEnvelope } from '@weighbridge/protocol';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import type { EventLog } from '../events/log.ts';
import { isWanted, type Message, messageId } from './message.ts';
import type { CursorWindow } from './window.ts';

export interface FreshDeps {
  log: Pick<EventLog, 'page'>;
  endpoint: WebhookEndpoint;
  window: CursorWindow;
  /** Monotonic milliseconds. */
  now: () => number;
  isEnding: () => boolean;
  /** Told after each page that held nothing wanted: a cursor must not stand still for as long as they last. */
  onSkipped: () => void;
}

export class FreshMessages {
  readonly #deps: FreshDeps;
  #ready: EventEnvelope[] = [];
  #readTo: number;
  #mayHaveMore = true;
  #gathered: EventEnvelope[] = [];
  #gatheringSince = 0;

  constructor(deps: FreshDeps) {
    this.#deps = deps;
    this.#readTo = deps.window.cursor;
  }

  /** Something may have been appended. */
  noteAppend(): void {
    this.#mayHaveMore = true;
  }

  /** The next message; null: there is none now. */
  async next(): Promise<Message | null> {
    const { batch } = this.#deps.endpoint;
    const max = batch?.max ?? 1;
    while (this.#gathered.length < max) {
      const event = this.#ready.shift() ?? (await this.#readOn());
      if (event === undefined) break;
      if (this.#gathered.length === 0) this.#gatheringSince = this.#deps.now();
      this.#gathered.push(event);
    }
    if (this.#gathered.length === 0) return null;
    if (this.#gathered.length < max && this.waitMs() > 0) return null;
    const events = this.#gathered;
    this.#gathered = [];
    const span = this.#deps.window.take(this.#positionAfter(events));
    return { id: messageId(events, batch !== null), events, attempts: 0, span };
  }

  /** Milliseconds until a batch that is not full goes as it is; infinite while there is none. */
  waitMs(): number {
    if (this.#gathered.length === 0) return Number.POSITIVE_INFINITY;
    const { batch } = this.#deps.endpoint;
    return Math.max(0, this.#gatheringSince + (batch?.waitMs ?? 0) - this.#deps.now());
  }

  /** Reads until an event is wanted or the log ends. */
  async #readOn(): Promise<EventEnvelope | undefined> {
    const { log, endpoint, window, isEnding, onSkipped } = this.#deps;
    while (this.#mayHaveMore && !isEnding()) {
      // Cleared first: what is appended while the page is read sets it again.
      this.#mayHaveMore = false;
      const { events, scannedTo, hasMore } = await log.page(
        { tenantId: endpoint.tenantId, types: endpoint.events },
        this.#readTo,
      );
      if (hasMore) this.#mayHaveMore = true;
      const hasPassed = scannedTo > this.#readTo;
      this.#readTo = scannedTo;
      this.#ready = events.filter((event) => event.data !== null && isWanted(event, endpoint));
      const first = this.#ready.shift();
      if (first !== undefined) return first;
      // What nobody wants is passed over, unless events before it still wait to be sent.
      if (this.#gathered.length > 0 || !hasPassed) continue;
      window.skip(scannedTo);
      onSkipped();
    }
    return undefined;
  }

  /** After the last event of a page, all that was read is behind it. */
  #positionAfter(events: readonly EventEnvelope[]): number {
    return this.#ready.length === 0 ? Math.max(this.#readTo, events.at(-1)!.seq) : events.at(-1)!.seq;
  }
}
