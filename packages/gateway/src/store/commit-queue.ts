/**
 * Group commit: while one batch is being committed the next one gathers, so one commit serves every call that came
 * meanwhile, and a lone call waits for nobody. One queue stands before one committer; it knows no engine.
 *
 *   write() -> waiting -> (flush, once per turn of the event loop, one batch at a time) -> commit -> answers
 */

/** Inputs in one transaction at most: bounds the time a commit takes and what one failure undoes. */
const BATCH_MAX = 512;
/** Inputs that may wait while the database is slow or away; beyond, writes are refused at once. */
const WAITING_MAX = 16_384;
/** Under load a batch gathers until it has this many inputs, or for this long. */
const GATHER_INPUTS = 8;
const GATHER_MS = 1;

/** One transaction: for each script the inputs that wait for it, in the order the scripts must run. */
export interface Batch {
  groups: { script: string; inputs: unknown[] }[];
  /** Wait for the disk at commit. */
  sync: boolean;
}

export type BatchAnswer =
  | { kind: 'done'; outputs: unknown[][] }
  /** The database could not commit for a reason that can pass; nothing of the batch is known to be stored. */
  | { kind: 'unavailable'; reason: string }
  /** One script refused its input (a bug or a constraint); nothing of the batch is stored. */
  | { kind: 'rejected'; message: string };

export interface CommitQueueOptions {
  sync: boolean;
  /** Runs one batch; called again only after it answered. Never rejects. */
  commit: (batch: Batch) => Promise<BatchAnswer>;
  /** Makes the error of a write that the database could not take. */
  unavailable: (reason: string) => Error;
  /** Told after each answer that says whether the database takes writes: null when it did, else why not. */
  onOutcome: (reason: string | null) => void;
}

interface Waiting {
  script: string;
  input: unknown;
  since: number;
  resolve(output: unknown): void;
  reject(error: Error): void;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #waiting: Waiting[] = [];
  /** Batches to run before any other: the halves of one that was refused. */
  readonly #urgent: Waiting[][] = [];
  #inFlight: Waiting[] | null = null;
  #flushing = false;
  #gathering: NodeJS.Timeout | null = null;
  #lastBatchSize = 0;
  #lastAnswerAt = 0;
  #onIdle: (() => void) | null = null;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  get oldestWaitMs(): number {
    const oldest = this.#inFlight?.[0] ?? this.#urgent[0]?.[0] ?? this.#waiting[0];
    return oldest ? performance.now() - oldest.since : 0;
  }

  /** Writes that have no answer yet. */
  get unanswered(): number {
    const urgent = this.#urgent.reduce((sum, batch) => sum + batch.length, 0);
    return (this.#inFlight?.length ?? 0) + urgent + this.#waiting.length;
  }

  write<Output>(script: string, input: unknown): Promise<Output> {
    if (this.#waiting.length >= WAITING_MAX) {
      const reason = `${WAITING_MAX} writes wait for it already`;
      this.#options.onOutcome(reason);
      return Promise.reject(this.#options.unavailable(reason));
    }
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#waiting.push({ script, input, since, resolve: resolve as (output: unknown) => void, reject });
      this.#scheduleFlush();
    });
  }

  /** Resolves when everything that was written has its answer. */
  async idle(): Promise<void> {
    while (this.#inFlight || this.#urgent.length > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  /**
   * A flush waits for the end of this turn of the event loop, so that calls that came together commit together. Under
   * load it gathers a moment longer: a commit costs the same for one call as for eight, in messages, CPU and disk.
   */
  #scheduleFlush(): void {
    if (this.#inFlight || this.#flushing) return;
    if (this.#waiting.length < GATHER_INPUTS && this.#isUnderLoad()) {
      this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
      return;
    }
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** The last batch had company, and has only just been answered. */
  #isUnderLoad(): boolean {
    return this.#lastBatchSize > 1 && performance.now() - this.#lastAnswerAt < GATHER_MS;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#gathering) clearTimeout(this.#gathering);
    this.#gathering = null;
    if (this.#inFlight) return;
    const batch = this.#urgent.shift() ?? this.#waiting.splice(0, BATCH_MAX);
    if (batch.length === 0) return;
    this.#lastBatchSize = batch.length;
    void this.#commit(batch);
  }

  async #commit(batch: Waiting[]): Promise<void> {
    this.#inFlight = batch;
    const groups = grouped(batch);
    const answer = await this.#options.commit({
      groups: groups.map((group) => ({ script: group[0]!.script, inputs: group.map(({ input }) => input) })),
      sync: this.#options.sync,
    });
    this.#inFlight = null;
    this.#lastAnswerAt = performance.now();
    this.#answer(groups, batch, answer);
    if (this.#urgent.length > 0) this.#flush();
    else if (this.#waiting.length > 0) this.#scheduleFlush();
    else this.#onIdle?.();
  }

  #answer(groups: Waiting[][], batch: Waiting[], answer: BatchAnswer): void {
    if (answer.kind === 'rejected') {
      this.#halve(batch, answer.message);
      return;
    }
    this.#options.onOutcome(answer.kind === 'done' ? null : answer.reason);
    if (answer.kind === 'unavailable') {
      for (const waiting of batch) waiting.reject(this.#options.unavailable(answer.reason));
      return;
    }
    for (const [g, group] of groups.entries()) {
      for (const [i, waiting] of group.entries()) waiting.resolve(answer.outputs[g]![i]);
    }
  }

  /** One bad input must not take its neighbours down: halves are tried until the bad one stands alone, and only it fails. */
  #halve(batch: Waiting[], message: string): void {
    if (batch.length === 1) {
      batch[0]!.reject(new Error(`the store refused a ${batch[0]!.script}: ${message}`));
      return;
    }
    const middle = batch.length >> 1;
    this.#urgent.unshift(batch.slice(0, middle), batch.slice(middle));
  }
}

/** One group for each script, in order of first appearance: a statement stays warm and a room can fold equal keys. */
function grouped(batch: readonly Waiting[]): Waiting[][] {
  return [...Map.groupBy(batch, ({ script }) => script).values()];
}
