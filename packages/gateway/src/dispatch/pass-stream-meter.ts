/**
 * The meter of event streams that pass as they come: each chunk is looked at and goes on whole, also where it cuts an event;
 * only from the chunk with the stream's last word on they are held. Unlike the doors' it edits nothing, so it needs to hold
 * no event together, and one that is too large to be looked at passes unseen.
 */
import { GatheredBytes } from '../lib/gathered-bytes.ts';
import { SseFramer } from '../lib/sse-frames.ts';
import type { Reading, StreamReader } from '../providers/dialect.ts';
import type { Finished, Meter, MeterOverflow } from './meter.ts';

export interface PassStreamOptions {
  reader: StreamReader;
  eventBytesMax: number;
  forward: (bytes: Buffer) => void;
}

export class PassStreamMeter implements Meter {
  readonly #reader: StreamReader;
  readonly #forward: (bytes: Buffer) => void;
  readonly #heldBytesMax: number;
  readonly #held = new GatheredBytes();
  /** Null once an event was too large to be looked at: nothing after it can be told apart any more. */
  #framer: SseFramer | null;
  readonly isEncoded = true;
  isTerminal = false;

  constructor({ reader, eventBytesMax, forward }: PassStreamOptions) {
    this.#reader = reader;
    this.#forward = forward;
    this.#heldBytesMax = eventBytesMax;
    this.#framer = new SseFramer(eventBytesMax, (frame) => this.#look(frame));
  }

  get outputBytes(): number {
    return this.#reader.outputBytes;
  }

  get isWhole(): boolean {
    return this.isTerminal || this.#reader.isWhole;
  }

  push(chunk: Buffer): MeterOverflow | null {
    if (this.#framer?.push(chunk) === false) this.#framer = null;
    if (!this.isTerminal) {
      this.#forward(chunk);
      return null;
    }
    this.#held.push(chunk);
    return this.#held.length <= this.#heldBytesMax ? null : 'event_too_large';
  }

  finish(done: Finished): void {
    const rest = this.#framer?.end() ?? null;
    if (rest !== null) this.#look(rest);
    done(null);
  }

  catchUp(done: Finished): void {
    done(null);
  }

  reading(): Reading {
    return this.#reader.reading();
  }

  takeHeld(): Buffer | null {
    return this.#held.length === 0 ? null : this.#held.take();
  }

  text(): null {
    return null;
  }

  #look(frame: Buffer): void {
    if (this.#reader.frame(frame) === 'terminal') this.isTerminal = true;
  }
}
