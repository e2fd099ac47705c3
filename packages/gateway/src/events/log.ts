/**
 * The event log: numbered facts in commit order, append-only. Rooms append inside their own transactions; here it is read.
 * A follower that has seen `seq` n asks for what is after n and never misses a late commit, because numbers are given
 * under the counters' lock. An event without a payload takes its data from its subject, through the renderer of its type.
 */
import { EventEmitter, once } from 'node:events';
import type { EventEnvelope } from '@weighbridge/protocol';
import type { Store } from '../store/store.ts';
import type { Fact, Place } from './append.ts';

/** Events read at once by a follower. */
const PAGE = 200;
/** The same where only their kinds are asked for. */
const KINDS_PAGE = 1_000;
/** Who follows is woken at once by an event that comes alone, and no more often than this by those that come in a row. */
const WAKE_MS = 20;

/** Gives the data of events by their subjects (for `model.usage`: the entry's record by entry id). */
export type Renderer = (tenantId: string, subjects: readonly string[]) => Promise<ReadonlyMap<string, unknown>>;

export interface FollowQuestion {
  afterSeq: number;
  /** null: every tenant (only for followers of the operator's own). */
  tenantId: string | null;
  /** null: every type. */
  types: readonly string[] | null;
  signal: AbortSignal;
  /** Told how far the log was read, once whatever is wanted up to there was taken. */
  onPassed?: (seq: number) => void;
}

/** What may be known of an event without its data. */
export interface EventKind {
  tenantId: string;
  type: string;
}

export interface EventLogDeps {
  store: Store;
  ledgerId: () => string;
  renderers: Readonly<Record<string, Renderer>>;
}

interface EventRow {
  seq: number;
  tenantId: string;
  id: string;
  type: string;
  at: number;
  subject: string;
  payload: string | null;
}

export class EventLog {
  readonly #deps: EventLogDeps;
  readonly #wakes = new EventEmitter();
  #announced = 0;
  #wakeCount = 0;
  #wokenAt = Number.NEGATIVE_INFINITY;
  #waking: NodeJS.Timeout | null = null;

  constructor(deps: EventLogDeps) {
    this.#deps = deps;
    this.#wakes.setMaxListeners(0);
  }

  /** Says that a commit appended up to `seq`; wakes the followers. Never blocks and never throws at the announcer. */
  announce(seq: number): void {
    if (seq <= this.#announced) return;
    this.#announced = seq;
    this.wake();
  }

  /** Wakes the followers to look for themselves: something may have been appended that nobody announced. */
  wake(): void {
    if (this.#waking !== null) return;
    const waitMs = this.#wokenAt + WAKE_MS - performance.now();
    if (waitMs <= 0) this.#wakeNow();
    else this.#waking = setTimeout(() => this.#wakeNow(), waitMs).unref();
  }

  #wakeNow(): void {
    this.#waking = null;
    this.#wakeCount++;
    this.#wokenAt = performance.now();
    this.#wakes.emit('appended');
  }

  /** Calls whenever something may have been appended; gives the way to stop it. */
  watch(listener: () => void): () => void {
    this.#wakes.on('appended', listener);
    return () => this.#wakes.off('appended', listener);
  }

  /** Appends a fact of its own, beside no other row. Rejects when the database takes no writes. */
  async append(fact: Fact): Promise<Place> {
    const place = await this.#deps.store.write<Place>('appendEvents', fact);
    this.announce(place.seq);
    return place;
  }

  async lastSeq(): Promise<number> {
    const query = this.#deps.store.queries.selectFrom('ledger').select('lastSeq').compile();
    const [row] = await this.#deps.store.read<{ lastSeq: number }>(query, 'announced');
    return row?.lastSeq ?? 0;
  }

  /** Every matching event after `afterSeq`, then each new one as it commits, until the signal. */
  async *follow(question: FollowQuestion): AsyncGenerator<EventEnvelope> {
    let cursor = question.afterSeq;
    while (!question.signal.aborted) {
      const wakesBefore = this.#wakeCount;
      const { events, scannedTo, hasMore } = await this.page(question, cursor);
      for (const event of events) {
        if (question.signal.aborted) return;
        yield event;
      }
      if (scannedTo > cursor) {
        cursor = scannedTo;
        question.onPassed?.(cursor);
      }
      // What was appended while the page was read has woken us already.
      if (hasMore || this.#wakeCount !== wakesBefore) continue;
      await this.#nextAppend(question.signal);
    }
  }

  /** One page of events after `cursor`, how far was looked, and whether there may be more behind it already. */
  async page(
    question: Pick<FollowQuestion, 'tenantId' | 'types'>,
    cursor: number,
  ): Promise<{ events: EventEnvelope[]; scannedTo: number; hasMore: boolean }> {
    const query = this.#rows().where('seq', '>', cursor).orderBy('seq').limit(PAGE).compile();
    const rows = await this.#deps.store.read<EventRow>(query, 'announced');
    const wanted = rows.filter(
      (row) =>
        (question.tenantId === null || row.tenantId === question.tenantId) &&
        (question.types === null || question.types.includes(row.type)),
    );
    const events = await this.#render(wanted);
    return { events, scannedTo: rows.at(-1)?.seq ?? cursor, hasMore: rows.length === PAGE };
  }

  /** Which kinds of events lie after `cursor`, each once, how far was looked, and whether there may be more. */
  async kinds(cursor: number): Promise<{ kinds: EventKind[]; scannedTo: number; hasMore: boolean }> {
    const query = this.#deps.store.queries
      .selectFrom('events')
      .select(['seq', 'tenantId', 'type'])
      .where('seq', '>', cursor)
      .orderBy('seq')
      .limit(KINDS_PAGE)
      .compile();
    const rows = await this.#deps.store.read<EventKind & { seq: number }>(query, 'announced');
    const kinds = new Map(rows.map(({ tenantId, type }) => [`${type} ${tenantId}`, { tenantId, type }]));
    return {
      kinds: [...kinds.values()],
      scannedTo: rows.at(-1)?.seq ?? cursor,
      hasMore: rows.length === KINDS_PAGE,
    };
  }

  /** The events with these numbers, in their order. */
  async at(seqs: readonly number[]): Promise<EventEnvelope[]> {
    if (seqs.length === 0) return [];
    const query = this.#rows().where('seq', 'in', seqs).orderBy('seq').compile();
    return this.#render(await this.#deps.store.read<EventRow>(query, 'announced'));
  }

  #rows() {
    return this.#deps.store.queries
      .selectFrom('events')
      .select(['seq', 'tenantId', 'id', 'type', 'at', 'subject', 'payload']);
  }

  async #render(rows: readonly EventRow[]): Promise<EventEnvelope[]> {
    const rendered = await this.#renderSubjects(rows.filter((row) => row.payload === null));
    return rows.map((row) => ({
      type: row.type,
      id: row.id,
      seq: row.seq,
      ledgerId: this.#deps.ledgerId(),
      timestamp: new Date(row.at).toISOString(),
      data: row.payload === null ? (rendered.get(row.subject) ?? null) : JSON.parse(row.payload),
    }));
  }

  async #renderSubjects(rows: readonly EventRow[]): Promise<Map<string, unknown>> {
    const rendered = new Map<string, unknown>();
    const groups = Map.groupBy(rows, (row) => JSON.stringify([row.type, row.tenantId]));
    for (const [, group] of groups) {
      const { type, tenantId } = group[0]!;
      const render = this.#deps.renderers[type];
      if (!render) continue;
      for (const [subject, value] of await render(
        tenantId,
        group.map((row) => row.subject),
      )) {
        rendered.set(subject, value);
      }
    }
    return rendered;
  }

  async #nextAppend(signal: AbortSignal): Promise<void> {
    // An abort ends the wait; the caller's loop sees the signal itself.
    await once(this.#wakes, 'appended', { signal }).catch(() => {});
  }
}
