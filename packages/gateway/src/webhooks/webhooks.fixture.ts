/**
 * Webhooks over a real database and a real event log, for tests of this room: events are appended as facts with a payload, so
 * that no ledger is needed. Several of these on one database are several gateways. It holds no test.
 */
import { type DispatchRecord, makeUsage } from '@weighbridge/protocol';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import type { Database } from '../domain/config.ts';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { LEDGER_WRITES } from '../ledger/room.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { openStore } from '../store/open.ts';
import type { Engine, Store } from '../store/store.ts';
import { DELIVERY_SCRIPTS, WEBHOOK_WRITES } from './room.ts';
import { Webhooks, type WebhooksDeps } from './webhooks.ts';

const ids = new IdSource();

export interface RoomOptions {
  database?: Database;
  engine?: Engine;
  clock?: Clock;
  deps?: Partial<WebhooksDeps>;
}

export class WebhookRoom {
  readonly store: Store;
  readonly log: EventLog;
  readonly database: Database;
  readonly disabled: { endpointId: string; reason: string }[] = [];
  readonly dead: string[] = [];
  readonly bugs: unknown[] = [];
  webhooks: Webhooks | null = null;
  readonly #options: RoomOptions;

  private constructor(store: Store, database: Database, options: RoomOptions) {
    this.store = store;
    this.database = database;
    this.#options = options;
    this.log = new EventLog({ store, ledgerId: () => 'led_TEST', renderers: {} });
    store.onTold((payload) => {
      if (payload === null) this.log.wake();
      else if (/^\d+$/.test(payload)) this.log.announce(Number(payload));
    });
  }

  static async open(options: RoomOptions = {}): Promise<WebhookRoom> {
    const database = options.database ?? (await freshDatabase(options.engine ?? 'sqlite'));
    const store = await openStore({
      database,
      durability: 'process',
      rooms: [EVENT_WRITES, LEDGER_WRITES, WEBHOOK_WRITES],
      intents: ['appendEvents', ...CURSOR_SCRIPTS, ...DELIVERY_SCRIPTS],
    });
    const [ledgerId, instanceId] = [ids.next('led'), ids.next('ins')];
    await store.write('beginInstance', { ledgerId, instanceId, pid: process.pid, now: Date.now() });
    return new WebhookRoom(store, database, options);
  }

  /** From here on these endpoints get what is appended. */
  async follow(...endpoints: WebhookEndpoint[]): Promise<Webhooks> {
    const { clock = systemClock, deps } = this.#options;
    this.webhooks = await Webhooks.begin(
      {
        store: this.store,
        events: this.log,
        clock,
        holder: ids.next('ins'),
        random: () => 0.5,
        log: {
          warn: (fields) => {
            const { endpointId, deliveryId, reason } = fields as Record<string, string>;
            if (deliveryId !== undefined) this.dead.push(deliveryId);
            else this.disabled.push({ endpointId: endpointId!, reason: reason! });
          },
          error: (fields) => this.bugs.push(fields),
        },
        ...deps,
      },
      endpoints,
    );
    return this.webhooks;
  }

  /** Appends events at once, in the order of the list; gives their ids. */
  async append(count: number, over: Partial<DispatchRecord> = {}, type = 'model.usage'): Promise<string[]> {
    const facts = Array.from({ length: count }, () => {
      const id = ids.next('evt');
      return {
        tenantId: over.tenantId ?? 'default',
        id,
        type,
        subject: id,
        payload: JSON.stringify({ ...RECORD, ...over, entryId: id }),
        now: Date.now(),
      };
    });
    await Promise.all(facts.map((fact) => this.log.append(fact)));
    return facts.map(({ id }) => id);
  }

  async rows(table: 'deliveries' | 'webhooks' | 'followers'): Promise<Record<string, unknown>[]> {
    return this.store.read(this.store.queries.selectFrom(table).selectAll().compile());
  }

  async close(): Promise<void> {
    await this.webhooks?.close();
    await this.store.close();
  }
}

export const RECORD: DispatchRecord = {
  entryId: 'ent_1',
  kind: 'usage',
  dispatchId: 'dsp_1',
  runId: 'run_1',
  attempt: 1,
  tenantId: 'default',
  keyId: null,
  agentId: 'main',
  sessionKey: 'agent:main:s',
  sessionId: null,
  endUserId: 'tenant-42',
  endUserSource: 'header',
  tags: [],
  metadata: {},
  provider: 'openai',
  model: 'gpt-5',
  requestedModel: 'openclaw/main',
  api: 'openai-completions',
  serviceTier: null,
  outcome: 'completed',
  httpStatus: 200,
  errorKind: null,
  stopReason: 'stop',
  stream: true,
  usage: makeUsage({ input: 63, output: 20, cacheRead: 40, reasoning: 5 }),
  usageSource: 'reported',
  cost: { nanoUsd: '306000', usd: '0.000306', currency: 'USD', source: 'config', priceId: 'p' },
  latencyMs: 289,
  timeToFirstTokenMs: 120,
  startedAt: '2026-11-20T12:00:00.000Z',
  endedAt: '2026-11-20T12:00:00.289Z',
  settledAt: '2026-11-20T12:00:00.300Z',
  source: 'gateway',
  providerRequestId: 'chatcmpl-1',
  traceparent: null,
};

export function endpointTo(url: string, over: Partial<WebhookEndpoint> = {}): WebhookEndpoint {
  return {
    id: 'one',
    origin: 'config',
    tenantId: null,
    url,
    events: ['model.usage'],
    filter: {},
    format: 'event',
    secrets: [],
    token: null,
    tokenHeader: null,
    timeoutMs: 30_000,
    firstMs: 20,
    concurrency: 4,
    ordered: false,
    batch: null,
    egress: { kind: 'private' },
    ...over,
  };
}
