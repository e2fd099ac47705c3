/**
 * Sessions in memory, the last used kept: how a run's admission sees what was patched without asking anybody. Only where
 * no other process writes them. Whatever comes late (a change that was answered after a newer one) changes nothing.
 */
import { nameOf, type Session } from './session.ts';

export class KnownSessions {
  readonly #held = new Map<string, Session>();
  readonly #max: () => number;
  /** Every session there is, is here: what is not, does not exist. */
  #isComplete: boolean;

  constructor(max: () => number, isComplete: boolean) {
    this.#max = max;
    this.#isComplete = isComplete;
  }

  /** Null: there is none. Undefined: it is not known here. */
  get(tenantId: string, sessionKey: string): Session | null | undefined {
    const name = nameOf({ tenantId, sessionKey });
    const held = this.#held.get(name);
    if (held === undefined) return this.#isComplete ? null : undefined;
    // The order of a map is that of insertion: what is used goes to its end.
    this.#held.delete(name);
    this.#held.set(name, held);
    return held;
  }

  /** What is there now; the older of the two where one is known already. */
  put(session: Session): Session {
    const name = nameOf(session);
    const held = this.#held.get(name);
    if (held !== undefined && held.sessionId === session.sessionId && held.revision > session.revision) return held;
    this.#held.delete(name);
    this.#held.set(name, session);
    if (this.#held.size > this.#max()) this.#forgetOldest();
    return session;
  }

  remove(tenantId: string, sessionKey: string, sessionId?: string): void {
    const name = nameOf({ tenantId, sessionKey });
    if (sessionId === undefined || this.#held.get(name)?.sessionId === sessionId) this.#held.delete(name);
  }

  #forgetOldest(): void {
    const [oldest] = this.#held.keys();
    this.#held.delete(oldest!);
    this.#isComplete = false;
  }
}
