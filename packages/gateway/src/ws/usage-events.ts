/**
 * Every settled dispatch, told to those who subscribed: `model.usage` and `model.usage.corrected`, as the log has them. One
 * reader of the log serves all, and only while somebody listens. The operator gets every tenant's, a key its own tenant's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DispatchRecord } from '@weighbridge/protocol';
import { isOperator } from '../domain/caller.ts';
import type { EventLog } from '../events/log.ts';
import type { Connection } from './connection.ts';
import { type Hub, mayRead } from './hub.ts';

/** Pause before another try where the log could not be read. */
const RETRY_MS = 1_000;
const TYPES = ['model.usage', 'model.usage.corrected'] as const;

export interface UsageEventsDeps {
  hub: Pick<Hub, 'broadcast' | 'all'>;
  events: Pick<EventLog, 'lastSeq' | 'follow'>;
  report: (error: unknown) => void;
}

export class UsageEvents {
  readonly #deps: UsageEventsDeps;
  #stop: AbortController | null = null;

  constructor(deps: UsageEventsDeps) {
    this.#deps = deps;
  }

  /** The number of the last event before those that are told from now on. */
  async listen(): Promise<number> {
    const seq = await this.#deps.events.lastSeq();
    if (this.#stop === null) {
      this.#stop = new AbortController();
      void this.#follow(seq, this.#stop);
    }
    return seq;
  }

  close(): void {
    this.#stop?.abort();
  }

  async #follow(afterSeq: number, stop: AbortController): Promise<void> {
    const { signal } = stop;
    let seen = afterSeq;
    // Whoever subscribed while the reading came to its end hears everything after what was told last.
    do {
      try {
        for await (const event of this.#deps.events.follow({ afterSeq: seen, tenantId: null, types: TYPES, signal })) {
          seen = event.seq;
          if (!this.#isHeard()) break;
          const { tenantId, agentId } = event.data as DispatchRecord;
          const among = (connection: Connection): boolean => hears(connection) && mayHear(connection, tenantId);
          this.#deps.hub.broadcast(event.type, event, { tenantId: null, agentId, among });
        }
      } catch (error) {
        this.#deps.report(error);
        await sleep(RETRY_MS, null, { signal, ref: false }).catch(() => {});
      }
    } while (!signal.aborted && this.#isHeard());
    this.#stop = null;
  }

  #isHeard(): boolean {
    return this.#deps.hub.all().some(hears);
  }
}

function hears(connection: Connection): boolean {
  return connection.followsUsage && mayRead(connection);
}

function mayHear({ identity: { caller } }: Connection, tenantId: string): boolean {
  return isOperator(caller) || caller.tenantId === tenantId;
}
