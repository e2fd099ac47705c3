/**
 * All WebSockets that are open: who gets which event. An event is made into text once, however many get it. Also what
 * happens to all of them now and then: a tick, a ping, a look at those who do not read.
 */
import type { GatewayConfig } from '../domain/config.ts';
import type { Connection } from './connection.ts';
import { eventHead, type StateVersion } from './frames.ts';
import { allows, mayHearTexts } from './scopes.ts';

/** How often readers are looked at. */
const READERS_MS = 500;
/** Sockets that are served in one go; a tick for thousands must not hold up a call. */
const AT_ONCE = 250;

export interface Audience {
  /** Null: of every tenant. */
  tenantId: string | null;
  /** A key that is bound to an agent sees that agent's only; absent: it is nobody's in particular. */
  agentId?: string | null;
  /** Whoever is not let in by this does not get it; absent: all of the tenant who may read. */
  among?: (connection: Connection) => boolean;
}

/** Text that the next one makes superfluous: slow readers are spared it. */
export interface Sparing {
  /** The same for all that follow each other. */
  name: string;
  /** What to send instead to one that was spared some before; made when it is needed. */
  whole: () => unknown;
}

export class Hub {
  readonly #byTenant = new Map<string, Set<Connection>>();
  readonly #limits: () => Pick<GatewayConfig['limits'], 'tickIntervalMs'>;
  readonly #now: () => number;
  readonly #readers: NodeJS.Timeout;
  #ticker: NodeJS.Timeout | null = null;
  #size = 0;
  readonly #queue: { listeners: Connection[]; tell: (connection: Connection) => void }[] = [];
  /** How often an event was made into text. */
  serialised = 0;

  constructor(limits: () => Pick<GatewayConfig['limits'], 'tickIntervalMs'>, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#readers = setInterval(() => this.#checkReaders(), READERS_MS).unref();
    this.#scheduleTick();
  }

  get size(): number {
    return this.#size;
  }

  add(connection: Connection): void {
    const { tenantId } = connection.identity.caller;
    const own = this.#byTenant.get(tenantId);
    if (own === undefined) this.#byTenant.set(tenantId, new Set([connection]));
    else own.add(connection);
    this.#size++;
  }

  remove(connection: Connection): void {
    const { tenantId } = connection.identity.caller;
    const own = this.#byTenant.get(tenantId);
    if (own === undefined || !own.delete(connection)) return;
    this.#size--;
    if (own.size === 0) this.#byTenant.delete(tenantId);
  }

  of(tenantId: string): IteratorObject<Connection> {
    return (this.#byTenant.get(tenantId) ?? new Set<Connection>()).values();
  }

  *all(): Generator<Connection> {
    for (const own of this.#byTenant.values()) yield* own;
  }

  /** A crowd is being told something; what can wait should. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Events come to each connection in the order of the calls. A crowd is told in portions, between which others go on. */
  broadcast(
    event: string,
    payload: unknown,
    { tenantId, agentId, among = mayRead }: Audience,
    { stateVersion, sparing }: { stateVersion?: StateVersion; sparing?: Sparing } = {},
  ): void {
    const crowd = tenantId === null ? this.#size : (this.#byTenant.get(tenantId)?.size ?? 0);
    if (crowd === 0) return;
    let head: string | null = null;
    let wholeHead: string | null = null;
    const tell = (connection: Connection): void => {
      if (!among(connection) || !isOfAgent(connection, agentId)) return;
      if (sparing && connection.isBehind) {
        connection.spared.add(sparing.name);
        return;
      }
      if (sparing && connection.spared.delete(sparing.name)) {
        wholeHead ??= this.#head(event, sparing.whole(), stateVersion);
        connection.sendEvent(wholeHead);
        return;
      }
      head ??= this.#head(event, payload, stateVersion);
      connection.sendEvent(head);
    };
    const listeners = tenantId === null ? this.all() : this.#byTenant.get(tenantId)!;
    if (crowd <= AT_ONCE && this.#queue.length === 0) {
      for (const connection of listeners) tell(connection);
      return;
    }
    this.#queue.push({ listeners: [...listeners], tell });
    if (this.#queue.length === 1) void this.#tellAll();
  }

  /** Resolves when whatever was broadcast so far has been sent. */
  async told(): Promise<void> {
    while (this.isBusy) await new Promise(setImmediate);
  }

  /** To one alone, numbered as all its events are. */
  send(connection: Connection, event: string, payload: unknown, stateVersion?: StateVersion): void {
    connection.sendEvent(this.#head(event, payload, stateVersion));
  }

  /** Whoever was spared text of a run that has ended needs none of it. */
  forget(tenantId: string, names: readonly string[]): void {
    for (const connection of this.#byTenant.get(tenantId) ?? []) {
      if (connection.spared.size > 0) for (const name of names) connection.spared.delete(name);
    }
  }

  close(): void {
    clearInterval(this.#readers);
    if (this.#ticker !== null) clearTimeout(this.#ticker);
  }

  #head(event: string, payload: unknown, stateVersion?: StateVersion): string {
    this.serialised++;
    return eventHead(event, payload, stateVersion);
  }

  async #tellAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const { listeners, tell } = this.#queue[0]!;
      for (let at = 0; at < listeners.length; at += AT_ONCE) {
        for (const connection of listeners.slice(at, at + AT_ONCE)) if (!connection.isGone) tell(connection);
        await new Promise(setImmediate);
      }
      this.#queue.shift();
    }
  }

  #scheduleTick(): void {
    this.#ticker = setTimeout(() => {
      void this.#tick().finally(() => this.#scheduleTick());
    }, this.#limits().tickIntervalMs).unref();
  }

  async #tick(): Promise<void> {
    const head = this.#head('tick', { ts: this.#now() });
    let count = 0;
    for (const connection of [...this.all()]) {
      if (connection.isGone) continue;
      if (connection.ping()) connection.sendEvent(head);
      else connection.terminate();
      if (++count % AT_ONCE === 0) await new Promise(setImmediate);
    }
  }

  #checkReaders(): void {
    const now = performance.now();
    for (const connection of this.all()) connection.checkReader(now);
  }
}

export function mayRead(connection: Connection): boolean {
  return allows(connection.grantedScopes, 'operator.read');
}

/** The same, for events that tell what was said. */
export function mayHear(connection: Connection): boolean {
  return mayRead(connection) && mayHearTexts(connection.identity.caller);
}

function isOfAgent(connection: Connection, agentId: string | null | undefined): boolean {
  const bound = connection.identity.caller.terms?.agentId ?? null;
  return agentId === undefined || bound === null || bound === agentId;
}
