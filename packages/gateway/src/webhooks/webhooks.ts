/**
 * All endpoints of a gateway: those of its file and those that are stored, each followed by a courier under the endpoint's
 * lease. What changes (a reload, an order, another gateway's word) makes it look at the table and run what should run.
 */
import { isOwnListener, listenerUrl, localAddresses } from '../config/listener.ts';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import { holdFollower } from '../events/follower.ts';
import type { EventLog } from '../events/log.ts';
import type { FollowerName } from '../events/scripts.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { StoreUnavailable } from '../store/store.ts';
import { Appends } from './appends.ts';
import { Courier, type CourierView } from './courier.ts';
import { readEndpoints } from './questions.ts';
import { followerName, type NewEndpoint, WEBHOOKS_CHANGED } from './scripts.ts';
import { Sender, type SenderDeps } from './sender.ts';
import { endpointOf, fingerprint, tenantKey } from './stored.ts';

const AWAY_MS = 1_000;

export interface WebhooksDeps extends Pick<SenderDeps, 'resolve'> {
  store: Store;
  events: EventLog;
  clock: Clock;
  /** This process, among those on the database. */
  holder: string;
  random?: () => number;
  log: WebhooksReport;
}

/** Where what an operator should know goes. */
export interface WebhooksReport {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One endpoint that is being followed. */
interface Running {
  endpoint: WebhookEndpoint;
  fingerprint: string;
  courier: Courier | null;
  stop: AbortController;
  ended: Promise<void>;
}

export class Webhooks {
  readonly #deps: WebhooksDeps;
  readonly #appends: Appends;
  readonly #running = new Map<string, Running>();
  #ofFile: readonly WebhookEndpoint[] = [];
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isOwn: NonNullable<SenderDeps['isOwn']> = () => false;

  private constructor(deps: WebhooksDeps) {
    this.#deps = deps;
    this.#appends = new Appends(deps.events);
    deps.store.onTold((payload) => {
      if (payload === null || payload === WEBHOOKS_CHANGED) void this.refresh();
    });
  }

  /** Every endpoint of the file has its cursor when this resolves, so that it misses no event from here on. */
  static async begin(deps: WebhooksDeps, ofFile: readonly WebhookEndpoint[]): Promise<Webhooks> {
    const webhooks = new Webhooks(deps);
    await webhooks.use(ofFile);
    return webhooks;
  }

  /** The file's endpoints are these from now on. */
  async use(ofFile: readonly WebhookEndpoint[]): Promise<void> {
    this.#ofFile = ofFile;
    await this.refresh();
  }

  /** Nothing is sent to the gateway's own listener, whatever its addresses. */
  listensAt(host: string, port: number): void {
    const own = localAddresses();
    this.#isOwn = (address, at) => isOwnListener(listenerUrl(address, at), host, port, own);
  }

  /** What every sender of this gateway is made with. */
  get senderDeps(): SenderDeps {
    const { resolve } = this.#deps;
    return { isOwn: (address, port) => this.#isOwn(address, port), ...(resolve === undefined ? {} : { resolve }) };
  }

  get ofFile(): readonly WebhookEndpoint[] {
    return this.#ofFile;
  }

  /** Whose cursors move here or in another gateway. */
  get followed(): FollowerName[] {
    return [...this.#running.values()].map(({ endpoint: { tenantId, id } }) => ({
      tenantId: tenantKey(tenantId),
      name: followerName(id),
    }));
  }

  /** Whether any endpoint wants events of a type; who asks need not append those that nobody wants. */
  wants(type: string): boolean {
    return [...this.#running.values()].some(({ endpoint }) => endpoint.events.includes(type));
  }

  /** How an endpoint is doing that this gateway runs; null: another does, or none. */
  view(tenantId: string | null, endpointId: string): CourierView | null {
    return this.#running.get(keyOf(tenantKey(tenantId), endpointId))?.courier?.view ?? null;
  }

  /** Looks at the table and runs what should run; looks follow one another, and one that is asked for begins after the asking. */
  refresh(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  /** Lets what runs here begin anew where the cursor stands; where another gateway runs it, the fence does. */
  async restart(tenantId: string, endpointId: string): Promise<void> {
    this.#looking = this.#looking.then(() => this.#stop(keyOf(tenantId, endpointId)));
    await this.refresh();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#looking;
    this.#appends.close();
    await Promise.all([...this.#running.keys()].map((key) => this.#stop(key)));
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    try {
      const wanted = await this.#wanted();
      await Promise.all(
        [...this.#running].map(([key, { fingerprint: old, stop }]) => {
          const next = wanted.get(key);
          // One that ended by itself is wanted again when its row does not say why.
          const isSame = next !== undefined && fingerprint(next) === old && !stop.signal.aborted;
          return isSame ? undefined : this.#stop(key);
        }),
      );
      if (this.#isClosed) return;
      for (const [key, endpoint] of wanted) if (!this.#running.has(key)) this.#start(key, endpoint);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#bug(error);
      setTimeout(() => void this.refresh(), AWAY_MS).unref();
    }
  }

  /** By key: the file's and the stored ones that nobody disabled. */
  async #wanted(): Promise<Map<string, WebhookEndpoint>> {
    const { store, clock } = this.#deps;
    let rows = await readEndpoints(store);
    const known = new Set(rows.map((row) => keyOf(row.tenantId, row.endpointId)));
    const unknown = this.#ofFile.filter(({ tenantId, id }) => !known.has(keyOf(tenantKey(tenantId), id)));
    for (const { tenantId, id } of unknown) {
      await store.write('addEndpoints', {
        tenantId: tenantKey(tenantId),
        endpointId: id,
        definition: null,
        secrets: null,
        createdBy: null,
        now: clock.now(),
        max: null,
      } satisfies NewEndpoint);
    }
    if (unknown.length > 0) rows = await readEndpoints(store);
    const ofFile = new Map(
      this.#ofFile.map((endpoint) => [keyOf(tenantKey(endpoint.tenantId), endpoint.id), endpoint]),
    );
    const wanted = new Map<string, WebhookEndpoint>();
    for (const row of rows) {
      const key = keyOf(row.tenantId, row.endpointId);
      const endpoint = endpointOf(row) ?? ofFile.get(key);
      if (endpoint !== undefined && row.disabledAt === null) wanted.set(key, endpoint);
    }
    return wanted;
  }

  #start(key: string, endpoint: WebhookEndpoint): void {
    const stop = new AbortController();
    const sender = new Sender(endpoint, this.senderDeps);
    const running: Running = {
      endpoint,
      fingerprint: fingerprint(endpoint),
      courier: null,
      stop,
      ended: Promise.resolve(),
    };
    running.ended = this.#follow(running, sender)
      .catch((error: unknown) => this.#bug(error))
      .finally(() => sender.close());
    this.#running.set(key, running);
  }

  async #follow(running: Running, sender: Sender): Promise<void> {
    const { store, holder, events, clock, random = Math.random, log } = this.#deps;
    const { endpoint, stop } = running;
    const tenantId = tenantKey(endpoint.tenantId);
    const onFailure = (error: unknown): void => this.#bug(error);
    const options = { tenantId, name: followerName(endpoint.id), signal: stop.signal, onFailure };
    await holdFollower({ store, holder }, options, async (hold) => {
      // Whoever claims a place that was removed makes it anew, at the log's beginning: nothing may be sent from there.
      if (!(await isOn(store, tenantId, endpoint.id))) {
        stop.abort();
        void running.ended.then(() => this.refresh());
        return;
      }
      const courier = new Courier(
        {
          store,
          log: events,
          watch: (listener) => this.#appends.watch(endpoint, listener),
          clock,
          sender,
          random,
          report: (error) => this.#bug(error),
          onDead: (deliveryId, reason) =>
            log.warn(
              { endpointId: endpoint.id, deliveryId, reason },
              'a webhook delivery is dead: no attempt of it is left',
            ),
          onDisabled: (reason) => {
            // Its row says so in a moment; until then it must not begin again.
            stop.abort();
            void running.ended.then(() => this.refresh());
            log.warn({ endpointId: endpoint.id, reason }, 'a webhook endpoint was disabled');
          },
        },
        endpoint,
        tenantId,
        hold,
      );
      running.courier = courier;
      try {
        await courier.run(hold.signal);
      } finally {
        running.courier = null;
      }
    });
  }

  #bug(error: unknown): void {
    this.#deps.log.error({ err: error }, 'webhooks failed with a bug of ours');
  }

  async #stop(key: string): Promise<void> {
    const running = this.#running.get(key);
    if (running === undefined) return;
    running.stop.abort();
    await running.ended;
    this.#running.delete(key);
  }
}

/** Removed or disabled by anybody, since it was looked at last, it is not. */
async function isOn(store: Store, tenantId: string, endpointId: string): Promise<boolean> {
  const query = store.queries
    .selectFrom('webhooks')
    .select('disabledAt')
    .where('tenantId', '=', tenantId)
    .where('endpointId', '=', endpointId)
    .compile();
  const [row] = await store.read<{ disabledAt: number | null }>(query);
  return row !== undefined && row.disabledAt === null;
}

function keyOf(tenantId: string, endpointId: string): string {
  return `${tenantId} ${endpointId}`;
}
