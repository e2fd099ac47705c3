/**
 * Messages whose time to be tried again has come, out of the table of deliveries. It asks the table only when one is due, and
 * holds a handful; what is under way or not yet recorded is not given twice. In strict order only the oldest is ever due.
 */
import type { WebhookEndpoint } from '../domain/webhook.ts';
import type { EventLog } from '../events/log.ts';
import type { Store } from '../store/store.ts';
import type { Message } from './message.ts';

const ROWS = 64;

export interface DueDeps {
  store: Store;
  log: Pick<EventLog, 'at'>;
  endpoint: WebhookEndpoint;
  /** The endpoint's key in the tables. */
  tenantId: string;
  /** Wall clock: the times are kept over restarts. */
  now: () => number;
}

interface DueRow {
  deliveryId: string;
  seqs: string;
  attempts: number;
  nextAt: number;
}

export class DueMessages {
  readonly #deps: DueDeps;
  #rows: DueRow[] = [];
  readonly #busy = new Set<string>();
  #lookAt = 0;
  #hasRows = true;
  /** Rises with whatever makes a look at the table out of date. */
  #changes = 0;

  constructor(deps: DueDeps) {
    this.#deps = deps;
  }

  /** In strict order: whether anything must be delivered, or be dead, before the next new event. */
  get holdsOthers(): boolean {
    return this.#deps.endpoint.ordered && (this.#hasRows || this.#busy.size > 0);
  }

  /** Milliseconds until the table is worth a look. */
  waitMs(): number {
    return this.#rows.length > 0 ? 0 : Math.max(0, this.#lookAt - this.#deps.now());
  }

  async next(): Promise<Message | null> {
    if (this.#rows.length === 0) {
      if (this.#deps.now() < this.#lookAt) return null;
      await this.#look();
    }
    const row = this.#rows.shift();
    if (row === undefined) return null;
    this.#busy.add(row.deliveryId);
    const events = await this.#deps.log.at(JSON.parse(row.seqs) as number[]);
    return {
      id: row.deliveryId,
      events: events.filter(({ data }) => data !== null),
      attempts: row.attempts,
      span: null,
    };
  }

  /** A message failed; it is due again at that time, once `recorded` says that its row is there. */
  noteFailure(id: string, nextAt: number): void {
    this.#changes += 1;
    this.#busy.add(id);
    this.#hasRows = true;
    this.#lookAt = Math.min(this.#lookAt, nextAt);
  }

  /** The rows of these are as they should be. */
  recorded(ids: Iterable<string>): void {
    this.#changes += 1;
    for (const id of ids) this.#busy.delete(id);
    this.#hasRows = true;
    this.#lookAt = Math.min(this.#lookAt, this.#deps.now());
  }

  async #look(): Promise<void> {
    const { endpoint, now } = this.#deps;
    const limit = endpoint.ordered ? 1 : ROWS + this.#busy.size;
    let found: DueRow[];
    let asOf: number;
    do {
      // A row that was written while the table was read is not in the answer: taken for none, it would be forgotten.
      asOf = this.#changes;
      found = await this.#read(limit);
    } while (asOf !== this.#changes);
    this.#hasRows = found.length > 0;
    const free = found.filter(({ deliveryId }) => !this.#busy.has(deliveryId));
    const at = now();
    this.#rows = free.filter(({ nextAt }) => nextAt <= at);
    const later = free.filter(({ nextAt }) => nextAt > at);
    const hasMore = found.length === limit && free.length > 0;
    this.#lookAt = later[0]?.nextAt ?? (hasMore ? at : Number.POSITIVE_INFINITY);
  }
  #read(limit: number): Promise<DueRow[]> {
    const { store, endpoint, tenantId } = this.#deps;
    const query = store.queries
      .selectFrom('deliveries')
      .select(['deliveryId', 'seqs', 'attempts', 'nextAt'])
      .where('tenantId', '=', tenantId)
      .where('endpointId', '=', endpoint.id)
      .where('state', '=', 'pending')
      .orderBy(endpoint.ordered ? 'firstSeq' : 'nextAt')
      .limit(limit)
      .compile();
    return store.read<DueRow>(query);
  }
}
