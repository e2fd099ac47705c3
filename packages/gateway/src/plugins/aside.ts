/** The events that plugins failed on too often: written down, listed, replayed, forgotten. */
import type { EventEnvelope } from '@weighbridge/protocol';
import { sql } from 'kysely';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { AsideInput, AsideName } from './scripts.ts';

const TENANT_UNKNOWN = '';
/** Of those that are to be replayed so many are asked for at once. */
const WAITING_PAGE = 200;

export interface EventAside {
  tenantId: string;
  seq: number;
  eventId: string;
  type: string;
  failures: number;
  reason: string;
  setAsideAt: number;
  waiting: number;
}

export class EventsAside {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  add(pluginId: string, event: EventEnvelope, failures: number, reason: string): Promise<void> {
    const { id: eventId, type } = event;
    const input: AsideInput = { ...nameOf(pluginId, event), eventId, type, failures, reason, now: this.#clock.now() };
    return this.#store.write('setPluginEventsAside', input);
  }

  forget(pluginId: string, event: EventEnvelope): Promise<void> {
    return this.#store.write('dropPluginEventsAside', nameOf(pluginId, event));
  }

  /** Says that they are to be replayed; how many. */
  replay(pluginId: string): Promise<number> {
    return this.#store.write('replayPluginEventsAside', { pluginId });
  }

  /** The numbers of those that are to be replayed, oldest first, a page after the other. */
  async *waiting(pluginId: string): AsyncGenerator<number[]> {
    let after = -1;
    for (;;) {
      const waiting = this.#of(pluginId).select('seq').where('waiting', '=', 1).where('seq', '>', after);
      const rows = await this.#store.read<{ seq: number }>(waiting.orderBy('seq').limit(WAITING_PAGE).compile());
      if (rows.length === 0) return;
      const seqs = rows.map(({ seq }) => Number(seq));
      yield seqs;
      after = seqs.at(-1)!;
    }
  }

  /** Newest first. */
  async list(pluginId: string, limit: number): Promise<EventAside[]> {
    const query = this.#of(pluginId).selectAll().orderBy('seq', 'desc').limit(limit).compile();
    return (await this.#store.read<EventAside>(query)).map((row) => ({
      tenantId: row.tenantId,
      seq: Number(row.seq),
      eventId: row.eventId,
      type: row.type,
      failures: Number(row.failures),
      reason: row.reason,
      setAsideAt: Number(row.setAsideAt),
      waiting: Number(row.waiting),
    }));
  }

  async count(pluginId: string): Promise<number> {
    const query = this.#of(pluginId)
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .compile();
    const [row] = await this.#store.read<{ n: number }>(query);
    return Number(row?.n ?? 0);
  }

  #of(pluginId: string) {
    return this.#store.queries.selectFrom('pluginEventsAside').where('pluginId', '=', pluginId);
  }
}

function nameOf(pluginId: string, { seq, data }: EventEnvelope): AsideName {
  const tenantId = (data as { tenantId?: unknown } | null)?.tenantId;
  return { tenantId: typeof tenantId === 'string' ? tenantId : TENANT_UNKNOWN, pluginId, seq };
}

/** How many events are set aside, of all plugins: each is lost to its plugin until somebody replays it. */
export async function setAsideCount(store: Store): Promise<number> {
  const query = store.queries.selectFrom('pluginEventsAside').select(sql<number>`count(*)`.as('n')).compile();
  const [row] = await store.read<{ n: number }>(query);
  return Number(row?.n ?? 0);
}
