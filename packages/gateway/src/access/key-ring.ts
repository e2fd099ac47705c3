/**
 * The keys that are known, in memory: no call waits for a database to be let in. Rows may come late, twice and in any
 * order: a key never becomes unrevoked, and one that was added here is not forgotten for a list that was read before.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Caller, ForcedHeaders, Scope } from '../domain/caller.ts';
import { digestOf, keyIdIn } from './key-text.ts';

/** One key as it is kept. Times are milliseconds since the epoch. */
export interface KeyRecord {
  tenantId: string;
  keyId: string;
  name: string;
  scopes: readonly Scope[];
  agentId: string | null;
  forced: ForcedHeaders;
  noOutboundHeaders?: true;
  createdAt: number;
  createdBy: string | null;
  expiresAt: number | null;
  revokedAt: number | null;
}

interface Held {
  record: KeyRecord;
  hash: Buffer;
  caller: Caller;
  ended: AbortController;
  /** Which reading of the table it was last seen in. */
  seenIn: number;
}

/** Compared with where no key is known: refusing an unknown id takes the work that refusing a wrong secret takes. */
const NO_HASH = Buffer.alloc(32);

export class KeyRing {
  readonly #held = new Map<string, Held>();
  #reading = 0;

  /** Who this text is, null where it is nobody now. */
  find(text: string, nowMs: number): Caller | null {
    const keyId = keyIdIn(text);
    const held = keyId === null ? undefined : this.#held.get(keyId);
    const isSame = timingSafeEqual(held?.hash ?? NO_HASH, digestOf(text));
    return held !== undefined && isSame && !isOver(held.record, nowMs) ? held.caller : null;
  }

  callerOfId(keyId: string, nowMs: number): Caller | null {
    const held = this.#held.get(keyId);
    return held !== undefined && !isOver(held.record, nowMs) ? held.caller : null;
  }

  get(keyId: string): KeyRecord | null {
    return this.#held.get(keyId)?.record ?? null;
  }

  /** Newest first. */
  list(): KeyRecord[] {
    return Array.from(this.#held.values(), ({ record }) => record).sort((a, b) => (a.keyId < b.keyId ? 1 : -1));
  }

  /** How many could be used now. */
  living(nowMs: number): number {
    let count = 0;
    for (const { record } of this.#held.values()) if (!isOver(record, nowMs)) count++;
    return count;
  }

  /** Call before the table is read, and hand the result to `replace` with what was found. */
  beginReading(): number {
    return ++this.#reading;
  }

  /** The whole table as it was at `reading` or later. Keys that somebody deleted there are over here too. */
  replace(reading: number, rows: Iterable<{ record: KeyRecord; hash: Buffer }>): void {
    for (const { record, hash } of rows) this.#put(record, hash, reading);
    for (const [keyId, held] of this.#held) {
      if (held.seenIn >= reading) continue;
      held.ended.abort();
      this.#held.delete(keyId);
    }
  }

  /** A key that was just made here: readings that began before do not know it. */
  add(record: KeyRecord, hash: Buffer): void {
    this.#put(record, hash, this.#reading);
  }

  revoke(keyId: string, revokedAt: number): void {
    const held = this.#held.get(keyId);
    if (held === undefined) return;
    held.record = { ...held.record, revokedAt: held.record.revokedAt ?? revokedAt };
    held.ended.abort();
  }

  /** Ends what hangs on keys that ran out. */
  endExpired(nowMs: number): void {
    for (const { record, ended } of this.#held.values()) {
      if (isOver(record, nowMs) && !ended.signal.aborted) ended.abort();
    }
  }

  #put(record: KeyRecord, hash: Buffer, seenIn: number): void {
    const known = this.#held.get(record.keyId);
    if (known === undefined) {
      const ended = new AbortController();
      this.#held.set(record.keyId, { record, hash, ended, seenIn, caller: callerOf(record, ended.signal) });
    } else {
      known.seenIn = Math.max(known.seenIn, seenIn);
    }
    if (record.revokedAt !== null) this.revoke(record.keyId, record.revokedAt);
  }
}

export function isOver({ revokedAt, expiresAt }: KeyRecord, nowMs: number): boolean {
  return revokedAt !== null || (expiresAt !== null && expiresAt <= nowMs);
}

function callerOf(record: KeyRecord, ended: AbortSignal): Caller {
  const { tenantId, keyId, scopes, agentId, forced, expiresAt, noOutboundHeaders } = record;
  const terms = { agentId, forced, expiresAt, ended, ...(noOutboundHeaders && { noOutboundHeaders }) };
  return { tenantId, keyId, scopes: new Set(scopes), terms };
}
