/**
 * The meter: looks at every byte of an answer on its way to the caller. A stream's frames go on at once, only the
 * terminal frame and what follows it are held until the ledger has the count; a body is held whole. It edits nothing
 * except that it may leave out the usage chunk that we asked for and the caller did not.
 */
import { SseFramer } from '../lib/sse-frames.ts';
import type { Dialect, Reading, StreamReader } from '../providers/dialect.ts';

export type MeterOverflow = 'event_too_large' | 'answer_too_large';

/** With what was thrown while the answer was read later than it came, a bug of ours; null where nothing was. */
export type Finished = (bug: Error | null) => void;

export interface Meter {
  /** Not null: the answer passed a limit and is not read any further. */
  push(chunk: Buffer): MeterOverflow | null;
  /** The upstream ended properly; calls back, perhaps at once, when all of it has been read. */
  finish(done: Finished): void;
  reading(): Reading;
  /** What is held for the time after the commit; null when nothing is. */
  takeHeld(): Buffer | null;
  readonly outputBytes: number;
  /** The dialect's own end has come. */
  readonly isTerminal: boolean;
  /** Nothing of value can follow. */
  readonly isWhole: boolean;
}

export interface StreamMeterOptions {
  reader: StreamReader;
  eventBytesMax: number;
  /** Leave out usage-only chunks. */
  strips: boolean;
  forward: (bytes: Buffer) => void;
}

export class StreamMeter implements Meter {
  readonly #reader: StreamReader;
  readonly #framer: SseFramer;
  readonly #forward: (bytes: Buffer) => void;
  readonly #strips: boolean;
  readonly #heldBytesMax: number;
  /** Frames to be forwarded that lie behind each other in memory, as one view. */
  #run: Buffer | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  isTerminal = false;

  constructor({ reader, eventBytesMax, strips, forward }: StreamMeterOptions) {
    this.#reader = reader;
    this.#strips = strips;
    this.#forward = forward;
    this.#heldBytesMax = eventBytesMax;
    this.#framer = new SseFramer(eventBytesMax, (frame) => this.#take(frame));
  }

  get outputBytes(): number {
    return this.#reader.outputBytes;
  }

  get isWhole(): boolean {
    return this.isTerminal || this.#reader.isWhole;
  }

  reading(): Reading {
    return this.#reader.reading();
  }

  push(chunk: Buffer): MeterOverflow | null {
    const fits = this.#framer.push(chunk);
    this.#flush();
    return fits && this.#heldBytes <= this.#heldBytesMax ? null : 'event_too_large';
  }

  finish(done: Finished): void {
    const rest = this.#framer.end();
    if (rest !== null && (this.isTerminal || !this.#isStripped(this.#look(rest)))) this.#hold(rest);
    done(null);
  }

  takeHeld(): Buffer | null {
    if (this.#held.length === 0) return null;
    const held = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  #take(frame: Buffer): void {
    if (this.isTerminal) {
      this.#hold(frame);
      return;
    }
    const verdict = this.#look(frame);
    if (this.#isStripped(verdict)) return;
    if (verdict === 'terminal') this.#hold(frame);
    else this.#pass(frame);
  }

  #look(frame: Buffer) {
    const verdict = this.#reader.frame(frame);
    if (verdict === 'terminal') this.isTerminal = true;
    return verdict;
  }

  #isStripped(verdict: string): boolean {
    return this.#strips && verdict === 'usage-only';
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  /** Frames of one chunk become one write: a write costs far more than a look. */
  #pass(frame: Buffer): void {
    const run = this.#run;
    if (run === null) {
      this.#run = frame;
    } else if (run.buffer === frame.buffer && run.byteOffset + run.length === frame.byteOffset) {
      this.#run = Buffer.from(run.buffer, run.byteOffset, run.length + frame.length);
    } else {
      this.#forward(run);
      this.#run = frame;
    }
  }

  #flush(): void {
    if (this.#run === null) return;
    const run = this.#run;
    this.#run = null;
    this.#forward(run);
  }
}

export class BodyMeter implements Meter {
  readonly #dialect: Dialect;
  readonly #answerBytesMax: number;
  #chunks: Buffer[] = [];
  #reading: Reading | null = null;
  outputBytes = 0;
  isTerminal = false;
  isWhole = false;

  constructor(dialect: Dialect, answerBytesMax: number) {
    this.#dialect = dialect;
    this.#answerBytesMax = answerBytesMax;
  }

  push(chunk: Buffer): MeterOverflow | null {
    this.#chunks.push(chunk);
    this.outputBytes += chunk.length;
    return this.outputBytes <= this.#answerBytesMax ? null : 'answer_too_large';
  }

  finish(done: Finished): void {
    this.readFrom(this.held());
    done(null);
  }

  /** Reads what the body says, from its decoded bytes. */
  readFrom(decoded: Buffer): void {
    this.#reading = this.#dialect.readBody(decoded);
    this.outputBytes = this.#reading.outputBytes;
    this.isWhole = true;
  }

  reading(): Reading {
    return this.#reading ?? unread(this.outputBytes);
  }

  /** The body so far, joined once. */
  held(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  takeHeld(): Buffer | null {
    const body = this.held();
    this.#chunks = [];
    return body;
  }
}

/** What is known of an answer that could not be read: how much of it came. */
export function unread(outputBytes: number): Reading {
  return {
    usage: null,
    rawUsage: null,
    anomaly: null,
    stopReason: null,
    serviceTier: null,
    servedModel: null,
    responseId: null,
    errorKind: null,
    outputBytes,
  };
}
