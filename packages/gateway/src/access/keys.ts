/**
 * Keys for a gateway or a command: made, listed, revoked in the database, and looked up in memory. Where other gateways
 * write to the same database it looks for their changes twice a second, and a lookup that could miss a revocation older
 * than a second waits for the next look instead.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Caller } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { type Row, type Store, StoreUnavailable, type Value } from '../store/store.ts';
import { type KeyRecord, KeyRing } from './key-ring.ts';
import { digestOf, keyIdIn, newKeyText } from './key-text.ts';
import { KEYS_CHANGED, type KeysRead, type Revocation } from './scripts.ts';
import { KEY_COLUMNS } from './statements.ts';

/** Between two looks at a shared table. */
const LOOK_EVERY_MS = 400;
/** A look that began longer ago than this may miss what is already answered as revoked. */
const FRESH_MS = 900;
/** Between two looks while the database is away. */
const AWAY_MS = 100;

export interface KeysDeps {
  store: Store;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  /** Keys that may be in force at once. */
  keysMax: () => number;
  /** How long a lookup waits for a database that is away. */
  holdMs: number;
}

/** All that a key decides about headers is one column. */
type StoredHeaders = KeyRecord['forced'] & Pick<KeyRecord, 'noOutboundHeaders'>;

/** A key to be made. */
export type KeyOrder = Omit<KeyRecord, 'keyId' | 'createdAt' | 'revokedAt'>;

export class Keys {
  readonly #deps: KeysDeps;
  readonly #ring = new KeyRing();
  #known = '';
  #lookedAt = Number.NEGATIVE_INFINITY;
  #look = Promise.resolve();
  #nextLook: Promise<void> | null = null;
  #waiting: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  private constructor(deps: KeysDeps) {
    this.#deps = deps;
  }

  /** Reads the table; with `follow`, goes on looking until `close`. */
  static async begin(deps: KeysDeps, follow: boolean): Promise<Keys> {
    const keys = new Keys(deps);
    await keys.#lookNow();
    if (!follow) return keys;
    deps.store.onTold((payload) => {
      if (payload === null || payload === KEYS_CHANGED) keys.#soon();
    });
    keys.#schedule();
    return keys;
  }

  /** Who presents this text; null: nobody now. A promise only where the table was not looked at for too long. */
  callerOf(text: string): Caller | null | Promise<Caller | null> {
    if (keyIdIn(text) === null) return null;
    return this.#whenFresh(() => this.#ring.find(text, this.#deps.clock.now()));
  }

  /** Whose key this is while it is in force; for whoever has proved before that it is theirs (sign-in.ts). */
  callerOfId(keyId: string): Caller | null | Promise<Caller | null> {
    return this.#whenFresh(() => this.#ring.callerOfId(keyId, this.#deps.clock.now()));
  }

  #whenFresh(found: () => Caller | null): Caller | null | Promise<Caller | null> {
    if (this.#isFresh()) return found();
    this.#waiting ??= this.#becomeFresh().finally(() => {
      this.#waiting = null;
    });
    return this.#waiting.then(found);
  }

  /** Makes a key and gives its text, which nobody can read again. */
  async create(order: KeyOrder): Promise<{ text: string; record: KeyRecord }> {
    const { store, clock, ids, keysMax } = this.#deps;
    const max = keysMax();
    if (this.#ring.living(clock.now()) >= max) {
      throw new GatewayError(
        'invalid_request',
        `There are ${max} keys in force already; revoke one, or raise limits.keysMax.`,
      );
    }
    const record: KeyRecord = { ...order, keyId: ids.next('key'), createdAt: clock.now(), revokedAt: null };
    const text = newKeyText(record.keyId);
    const hash = digestOf(text);
    await store.write('addKeys', valuesOf(record, hash));
    this.#ring.add(record, hash);
    return { text, record };
  }

  /** The key as it then is: from here on refused by this gateway, within a second by every other. Null: no such key. */
  async revoke(tenantId: string | null, keyId: string): Promise<KeyRecord | null> {
    const known = this.#ring.get(keyId) ?? (await this.#lookNow().then(() => this.#ring.get(keyId)));
    if (known === null || (tenantId !== null && known.tenantId !== tenantId)) return null;
    if (known.revokedAt !== null) return known;
    const revokedAt = this.#deps.clock.now();
    await this.#deps.store.write('revokeKeys', { tenantId: known.tenantId, keyId, revokedAt } satisfies Revocation);
    this.#ring.revoke(keyId, revokedAt);
    return this.#ring.get(keyId);
  }

  /** Newest first; null: of every tenant. */
  async list(tenantId: string | null): Promise<KeyRecord[]> {
    await this.#lookNow();
    return this.#ring.list().filter((record) => tenantId === null || record.tenantId === tenantId);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #isFresh(): boolean {
    const { store, clock } = this.#deps;
    return store.exclusive || clock.monotonic() - this.#lookedAt < FRESH_MS;
  }

  async #becomeFresh(): Promise<void> {
    const { clock, holdMs } = this.#deps;
    const deadline = clock.monotonic() + holdMs;
    for (let leftMs = holdMs; !this.#isFresh(); leftMs = deadline - clock.monotonic()) {
      if (leftMs <= 0) throw new StoreUnavailable('whether keys were revoked cannot be read');
      await Promise.race([this.#lookNow().catch(() => sleep(AWAY_MS)), sleep(leftMs, null, { ref: false })]);
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#ring.endExpired(this.#deps.clock.now());
      const look = this.#deps.store.exclusive ? Promise.resolve() : this.#lookNow();
      // What fails is tried again; until then lookups wait.
      void look.catch(() => {}).finally(() => this.#schedule());
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  #soon(): void {
    this.#lookNow().catch(() => {});
  }

  /** One look at a time. Who asks during one gets the next, because the one under way may have read already. */
  #lookNow(): Promise<void> {
    this.#nextLook ??= this.#look
      .catch(() => {})
      .then(() => {
        this.#look = this.#nextLook!;
        this.#nextLook = null;
        return this.#lookOnce();
      });
    return this.#nextLook;
  }

  async #lookOnce(): Promise<void> {
    const { store, clock } = this.#deps;
    const beganAt = clock.monotonic();
    const reading = this.#ring.beginReading();
    const { state, rows } = await store.write<KeysRead>('readKeys', this.#known);
    if (rows !== null) this.#ring.replace(reading, rows.map(keptOf));
    this.#known = state;
    this.#lookedAt = beganAt;
  }
}

/** All keys of a database that nobody serves, newest first; reads and changes nothing. */
export async function storedKeys(store: Store): Promise<KeyRecord[]> {
  const query = store.queries.selectFrom('keys').select(KEY_COLUMNS).orderBy('keyId', 'desc');
  return (await store.read(query.compile())).map((row) => keptOf(row).record);
}

/** In the order of KEY_COLUMNS. */
function valuesOf(record: KeyRecord, hash: Buffer): Value[] {
  return [
    record.tenantId,
    record.keyId,
    record.name,
    hash.toString('hex'),
    record.scopes.join(','),
    record.agentId,
    JSON.stringify(record.noOutboundHeaders ? { ...record.forced, noOutboundHeaders: true } : record.forced),
    record.createdAt,
    record.createdBy,
    record.expiresAt,
    record.revokedAt,
  ];
}

function keptOf(row: Row): { record: KeyRecord; hash: Buffer } {
  const { hash, scopes, forcedHeaders, createdAt, expiresAt, revokedAt, ...same } = row;
  const { noOutboundHeaders, ...forced } = JSON.parse(String(forcedHeaders)) as StoredHeaders;
  return {
    hash: Buffer.from(String(hash), 'hex'),
    record: {
      ...(same as Pick<KeyRecord, 'tenantId' | 'keyId' | 'name' | 'agentId' | 'createdBy'>),
      scopes: String(scopes).split(',') as KeyRecord['scopes'],
      forced,
      ...(noOutboundHeaders && { noOutboundHeaders }),
      createdAt: Number(createdAt),
      expiresAt: expiresAt === null ? null : Number(expiresAt),
      revokedAt: revokedAt === null ? null : Number(revokedAt),
    },
  };
}
