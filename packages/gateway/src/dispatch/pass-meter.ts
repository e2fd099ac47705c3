/**
 * The meter of answers that pass as they come: every chunk goes on at once, but the one that completes an announced length,
 * which would be the answer's end. What is to be counted is read from a copy, while that fits.
 */
import type { Reading } from '../providers/reading.ts';
import { type BodyMeter, type Finished, type Meter, type MeterOverflow, unread } from './meter.ts';

export interface PassMeterOptions {
  /** Reads the copy; null: nothing of this answer says what it cost. */
  copy: BodyMeter | null;
  /** As announced; null where the end is the transport's own. */
  contentLength: number | null;
  forward: (bytes: Buffer) => void;
}

export class PassMeter implements Meter {
  readonly #forward: (bytes: Buffer) => void;
  readonly #contentLength: number | null;
  readonly #isCounted: boolean;
  #copy: BodyMeter | null;
  #bytes = 0;
  #held: Buffer | null = null;
  isWhole = false;
  readonly isTerminal = false;

  constructor({ copy, contentLength, forward }: PassMeterOptions) {
    this.#copy = copy;
    this.#isCounted = copy !== null;
    this.#contentLength = contentLength;
    this.#forward = forward;
  }

  get outputBytes(): number {
    if (!this.#isCounted) return 0;
    return this.#copy?.outputBytes ?? this.#bytes;
  }

  push(chunk: Buffer): MeterOverflow | null {
    this.#bytes += chunk.length;
    // Too large to be read: it passes all the same, and its size is what an estimate stands on.
    if (this.#copy?.push(chunk)) this.#copy = null;
    if (this.#contentLength !== null && this.#bytes >= this.#contentLength) this.#held = chunk;
    else this.#forward(chunk);
    return null;
  }

  finish(done: Finished): void {
    this.isWhole = true;
    if (this.#copy === null) done(null);
    else this.#copy.finish(done);
  }

  /** Half a body says nothing. */
  catchUp(done: Finished): void {
    done(null);
  }

  reading(): Reading {
    return this.#copy?.reading() ?? unread(this.outputBytes);
  }

  takeHeld(): Buffer | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  text(): null {
    return null;
  }

  lastWord(): null {
    return null;
  }
}
