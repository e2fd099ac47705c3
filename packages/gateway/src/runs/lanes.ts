/**
 * Lanes: one thing at a time under one name, in the order of coming, and only so many that wait. What is in a lane is
 * memory of this process; that no other gateway runs the same session meanwhile is the lease's business (sessions/leases).
 */
import { GatewayError } from '../domain/errors.ts';

interface Waiting {
  go: () => void;
}

/** A place in a lane. `turn` resolves when it is its turn; `leave` gives the place up, also while it waits. */
export interface Place {
  turn: Promise<void>;
  leave: () => void;
}

export class Lanes {
  /** Who waits behind the one that runs; a name that is here runs. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #waitingMax: () => number;

  constructor(waitingMax: () => number) {
    this.#waitingMax = waitingMax;
  }

  /** Throws `lane_full`. */
  enter(name: string): Place {
    const queue = this.#waiting.get(name);
    if (queue === undefined) {
      this.#waiting.set(name, []);
      return { turn: Promise.resolve(), leave: once(() => this.#next(name)) };
    }
    const max = this.#waitingMax();
    if (queue.length >= max) {
      throw new GatewayError(
        'lane_full',
        `${max} turns of this session wait already (\`limits.laneTurnsMax\`); wait for their ends, or use another session.`,
        { retryAfterSeconds: 1 },
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting: Waiting = { go: resolve };
    queue.push(waiting);
    return { turn: promise, leave: once(() => this.#leave(name, waiting)) };
  }

  #leave(name: string, waiting: Waiting): void {
    const queue = this.#waiting.get(name)!;
    const at = queue.indexOf(waiting);
    if (at >= 0) queue.splice(at, 1);
    else this.#next(name);
  }

  #next(name: string): void {
    const first = this.#waiting.get(name)!.shift();
    if (first === undefined) this.#waiting.delete(name);
    else first.go();
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}
