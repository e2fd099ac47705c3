/**
 * The meter: looks at every byte of an answer on its way to the caller. A stream's frames go on at once, only the
 * terminal frame and what follows it are held until the ledger has the count; a body is held whole. It edits nothing
 * except that it may leave out the usage chunk that we asked for and the caller did not.
 */
import { GatheredBytes } from '../lib/gathered-bytes.ts';
import { SseFramer } from '../lib/sse-frames.ts';
import type { AnswerReader, Reading, StreamReader } from '../providers/dialect.ts';
import { tokensOfBytes } from '../providers/estimate.ts';

export type MeterOverflow = 'event_too_large' | 'answer_too_large';

/** With what was thrown while the answer was read later than it came, a bug of ours; null where nothing was. */
export type Finished = (bug: Error | null) => void;

export interface Meter {
  /** Not null: the answer passed a limit and is not read any further. */
  push(chunk: Buffer): MeterOverflow | null;
  /** The upstream ended properly; calls back, perhaps at once, when all of it has been read. */
  finish(done: Finished): void;
  /** The upstream broke off; calls back, perhaps at once, when what has come of it has been read. */
  catchUp(done: Finished): void;
  reading(): Reading;
  /** What is held for the time after the commit; null when nothing is. */
  takeHeld(): Buffer | null;
  /** What a whole body says, decoded; null for a stream, and for what could not be decoded. */
  text(): Buffer | null;
  /**
   * The last word of an answer that was cut behind everything else of value; null where none is lacking, or nothing of
   * ours may be put among what goes to the caller.
   */
  lastWord(): Buffer | null;
  readonly outputBytes: number;
  /** The dialect's own end has come. */
  readonly isTerminal: boolean;
  /** Nothing of value can follow. */
  readonly isWhole: boolean;
}

export interface StreamMeterOptions {
  reader: StreamReader;
  /** Of the dialect. */
  lastWord: Buffer | null;
  eventBytesMax: number;
  /** Leave out usage-only chunks. */
  strips: boolean;
  /** An event over the limit ends nothing: from there on bytes pass unseen. */
  passesTooLarge: boolean;
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
  readonly #held = new GatheredBytes();
  readonly #passesTooLarge: boolean;
  #pushedBytes = 0;
  #framedBytes = 0;
  #isBlind = false;
  readonly #lastWord: Buffer | null;
  isTerminal = false;

  constructor({ reader, lastWord, eventBytesMax, strips, passesTooLarge, forward }: StreamMeterOptions) {
    this.#reader = reader;
    this.#lastWord = lastWord;
    this.#strips = strips;
    this.#passesTooLarge = passesTooLarge;
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
    if (this.#isBlind) {
      this.#forward(chunk);
      return null;
    }
    this.#pushedBytes += chunk.length;
    const fits = this.#framer.push(chunk);
    this.#flush();
    if (fits && this.#held.length <= this.#heldBytesMax) return null;
    if (!this.#passesTooLarge || this.isTerminal) return 'event_too_large';
    this.#passUnseen(chunk);
    return null;
  }

  finish(done: Finished): void {
    const rest = this.#framer.end();
    if (rest !== null && (this.isTerminal || !this.#isStripped(this.#look(rest)))) this.#held.push(rest);
    done(null);
  }

  catchUp(done: Finished): void {
    done(null);
  }

  text(): null {
    return null;
  }

  lastWord(): Buffer | null {
    return this.isTerminal ? null : this.#lastWord;
  }

  takeHeld(): Buffer | null {
    return this.#held.length === 0 ? null : this.#held.take();
  }

  #take(frame: Buffer): void {
    this.#framedBytes += frame.length;
    if (this.isTerminal) {
      this.#held.push(frame);
      return;
    }
    const verdict = this.#look(frame);
    if (this.#isStripped(verdict)) return;
    if (verdict === 'terminal') this.#held.push(frame);
    else this.#pass(frame);
  }

  /** The event that was too large so far, and what of its last chunk the framer did not take. */
  #passUnseen(chunk: Buffer): void {
    this.#isBlind = true;
    const begun = this.#framer.end();
    const left = this.#pushedBytes - this.#framedBytes - (begun?.length ?? 0);
    if (begun !== null) this.#forward(begun);
    if (left > 0) this.#forward(chunk.subarray(chunk.length - left));
  }

  #look(frame: Buffer) {
    const verdict = this.#reader.frame(frame);
    if (verdict === 'terminal') this.isTerminal = true;
    return verdict;
  }

  #isStripped(verdict: string): boolean {
    return this.#strips && verdict === 'usage-only';
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
  readonly #reader: Pick<AnswerReader, 'readBody'>;
  readonly #answerBytesMax: number;
  readonly #body = new GatheredBytes();
  #reading: Reading | null = null;
  #text: Buffer | null = null;
  outputBytes = 0;
  isTerminal = false;
  isWhole = false;

  constructor(reader: Pick<AnswerReader, 'readBody'>, answerBytesMax: number) {
    this.#reader = reader;
    this.#answerBytesMax = answerBytesMax;
  }

  push(chunk: Buffer): MeterOverflow | null {
    this.#body.push(chunk);
    this.outputBytes = this.#body.length;
    return this.#body.length <= this.#answerBytesMax ? null : 'answer_too_large';
  }

  finish(done: Finished): void {
    this.readFrom(this.held());
    done(null);
  }

  catchUp(done: Finished): void {
    done(null);
  }

  text(): Buffer | null {
    return this.#text;
  }

  lastWord(): null {
    return null;
  }

  /** Reads what the body says, from its decoded bytes. */
  readFrom(decoded: Buffer): void {
    this.#text = decoded;
    this.#reading = this.#reader.readBody(decoded);
    this.outputBytes = this.#reading.outputBytes;
    this.isWhole = true;
  }

  reading(): Reading {
    return this.#reading ?? unread(this.outputBytes);
  }

  /** The body so far, joined once. */
  held(): Buffer {
    return this.#body.joined();
  }

  takeHeld(): Buffer | null {
    return this.#body.take();
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
    outputTokens: tokensOfBytes(outputBytes),
    uncountedTokens: 0,
    reportedCostUsd: null,
    otherModels: [],
  };
}
