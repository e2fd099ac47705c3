/**
 * Group commit: while one batch is being committed the next one gathers, so one commit serves every call that came
 * meanwhile, and a lone call waits for nobody. One queue stands before one committer; it knows no engine.
 *
 *   write() -> waiting -> (flush, once per turn of the event loop, one batch at a time) -> commit -> answers
 *   note()  -> notes, which go first in the next batch, or by themselves if none comes
 */

/** Inputs in one transaction at most: bounds the time a commit takes and what one failure undoes. */
const BATCH_MAX = 512;
/** Inputs that may wait while the database is slow or away; beyond, writes are refused at once. */
const WAITING_MAX = 16_384;
/** Under load a batch gathers until it has this many inputs, or for this long. */
const GATHER_INPUTS = 8;
const GATHER_MS = 1;
/** A note for which no batch came goes by itself after this long. */
const NOTE_MS = 20;

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
  /** Nobody waits for it, and it is kept elsewhere until it is committed. */
  isNote: boolean;
  since: number;
  resolve(output: unknown): void;
  reject(error: Error): void;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #waiting: Waiting[] = [];
  #notes: Waiting[] = [];
  /** Notes that were taken so far, and those of them that have their answer: they are answered in order. */
  #notesTaken = 0;
  #notesAnswered = 0;
  /** The database refused notes: they wait for the next write. */
  #areNotesRefused = false;
  #noteTimer: NodeJS.Timeout | null = null;
  readonly #onNotes: { upTo: number; resolve: () => void }[] = [];
  /** Batches to run before any other: the halves of one that was refused. */
  readonly #urgent: Waiting[][] = [];
  #inFlight: Waiting[] | null = null;
  #flushing = false;
  #gathering: NodeJS.Timeout | null = null;
  #lastBatchSize = 0;
  #lastAnswerAt = 0;
  /** Whoever waits for the end; one queue may stand for both classes of writes, and then two do. */
  #onIdle: (() => void)[] = [];

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
      this.#waiting.push({
        script,
        input,
        isNote: false,
        since,
        resolve: resolve as (output: unknown) => void,
        reject,
      });
      this.#scheduleFlush();
    });
  }

  /**
   * For what the caller has safe in another way: it is committed before whatever is written after it, in the same
   * transaction or an earlier one, and nobody waits. Where the database does not take it, it stays first in line for the
   * next write. `done` is told when it is committed, and with an error when it never will be.
   */
  note(script: string, input: unknown, done: (error: Error | null) => void): void {
    this.#notesTaken++;
    this.#notes.push({
      script,
      input,
      isNote: true,
      since: performance.now(),
      resolve: () => done(null),
      reject: done,
    });
    this.#flushNotesSoon();
  }

  /** Resolves when what was noted so far is committed, or was refused. */
  notesWritten(): Promise<void> {
    if (this.#notesAnswered === this.#notesTaken || this.#areNotesRefused) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onNotes.push({ upTo: this.#notesTaken, resolve });
    if (!this.#inFlight && !this.#flushing) this.#flush();
    return promise;
  }

  /** Resolves when everything that was written has its answer. */
  async idle(): Promise<void> {
    await this.notesWritten();
    while (this.#inFlight || this.#urgent.length > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve);
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

  #flushNotesSoon(): void {
    this.#noteTimer ??= setTimeout(() => this.#flush(), NOTE_MS);
  }

  /** The last batch had company, and has only just been answered. */
  #isUnderLoad(): boolean {
    return this.#lastBatchSize > 1 && performance.now() - this.#lastAnswerAt < GATHER_MS;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#gathering) clearTimeout(this.#gathering);
    this.#gathering = null;
    if (this.#noteTimer) clearTimeout(this.#noteTimer);
    this.#noteTimer = null;
    if (this.#inFlight) return;
    const batch = this.#urgent.shift() ?? this.#nextBatch();
    if (batch.length === 0) return;
    this.#lastBatchSize = batch.reduce((sum, { isNote }) => sum + (isNote ? 0 : 1), 0);
    void this.#commit(batch);
  }

  /** What is written builds on what was noted, and so never goes before it. */
  #nextBatch(): Waiting[] {
    const notes = this.#notes.splice(0, BATCH_MAX);
    const written = this.#waiting.splice(0, BATCH_MAX - notes.length);
    return notes.length === 0 ? written : [...notes, ...written];
  }

  async #commit(batch: Waiting[]): Promise<void> {
    this.#inFlight = batch;
    const groups = grouped(batch);
    const answer = await this.#options.commit({
      groups: groups.map((group) => ({ script: group[0]!.script, inputs: group.map(({ input }) => input) })),
      sync: this.#options.sync && batch.some(({ isNote }) => !isNote),
    });
    this.#inFlight = null;
    this.#lastAnswerAt = performance.now();
    this.#answer(groups, batch, answer);
    if (this.#urgent.length > 0 || this.#onNotes.length > 0) this.#flush();
    else if (this.#waiting.length > 0) this.#scheduleFlush();
    else if (this.#notes.length > 0 && !this.#areNotesRefused) this.#flushNotesSoon();
    if (this.#inFlight || this.#waiting.length > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #answer(groups: Waiting[][], batch: Waiting[], answer: BatchAnswer): void {
    if (answer.kind === 'rejected') {
      this.#halve(batch, answer.message);
      return;
    }
    this.#areNotesRefused = answer.kind === 'unavailable';
    if (answer.kind === 'unavailable') {
      this.#options.onOutcome(answer.reason);
      this.#notes.unshift(...batch.filter(({ isNote }) => isNote));
      for (const waiting of batch) if (!waiting.isNote) waiting.reject(this.#options.unavailable(answer.reason));
      this.#tellNotes(this.#notesTaken);
      return;
    }
    // That notes went through says nothing of the disk that writes wait for.
    if (batch.some(({ isNote }) => !isNote)) this.#options.onOutcome(null);
    for (const [g, group] of groups.entries()) {
      for (const [i, waiting] of group.entries()) waiting.resolve(answer.outputs[g]![i]);
    }
    this.#notesAnswered += batch.filter(({ isNote }) => isNote).length;
    this.#tellNotes(this.#notesAnswered);
  }

  #tellNotes(upTo: number): void {
    while (this.#onNotes[0] !== undefined && this.#onNotes[0].upTo <= upTo) this.#onNotes.shift()!.resolve();
  }

  /** One bad input must not take its neighbours down: halves are tried until the bad one stands alone, and only it fails. */
  #halve(batch: Waiting[], message: string): void {
    if (batch.length === 1) {
      batch[0]!.reject(new Error(`the store refused a ${batch[0]!.script}: ${message}`));
      if (batch[0]!.isNote) this.#notesAnswered++;
      this.#tellNotes(this.#notesAnswered);
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
