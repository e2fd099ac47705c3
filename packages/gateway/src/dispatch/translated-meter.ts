/**
 * Meters for answers that reach the caller in another dialect than they came in. The provider's own frames are counted, what
 * they say in the door's dialect is passed on as they come; the end, with the count in it, is made when it is let go.
 */
import { SseFramer } from '../lib/sse-frames.ts';
import type { TranslatedStream, Translation, Wanted } from '../providers/chat/translation.ts';
import type { Reading, StreamReader } from '../providers/reading.ts';
import type { BodyMeter, Finished, Meter, MeterOverflow } from './meter.ts';

export interface TranslatedStreamOptions {
  reader: StreamReader;
  stream: TranslatedStream;
  eventBytesMax: number;
  forward: (bytes: Buffer) => void;
}

export class TranslatedStreamMeter implements Meter {
  readonly #reader: StreamReader;
  readonly #stream: TranslatedStream;
  readonly #framer: SseFramer;
  readonly #forward: (bytes: Buffer) => void;
  /** What the frames of one chunk become is one write. */
  #translated: Buffer[] = [];
  isTerminal = false;

  constructor({ reader, stream, eventBytesMax, forward }: TranslatedStreamOptions) {
    this.#reader = reader;
    this.#stream = stream;
    this.#forward = forward;
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
    return fits ? null : 'event_too_large';
  }

  finish(done: Finished): void {
    const rest = this.#framer.end();
    if (rest !== null) this.#take(rest);
    this.#flush();
    done(null);
  }

  catchUp(done: Finished): void {
    done(null);
  }

  text(): null {
    return null;
  }

  takeHeld(): Buffer | null {
    return this.#stream.end(this.#reader.reading().usage);
  }

  /** The end is made here in any case, so it is none the less whole where the provider's own was cut. */
  lastWord(): null {
    return null;
  }

  #take(frame: Buffer): void {
    // Nothing of the answer follows its end.
    if (this.isTerminal) return;
    if (this.#reader.frame(frame) === 'terminal') this.isTerminal = true;
    const translated = this.#stream.frame(frame);
    if (translated !== null) this.#translated.push(translated);
  }

  #flush(): void {
    if (this.#translated.length === 0) return;
    const bytes = this.#translated.length === 1 ? this.#translated[0]! : Buffer.concat(this.#translated);
    this.#translated = [];
    this.#forward(bytes);
  }
}

/** Around the meter that holds and reads a whole body. */
export class TranslatedBodyMeter implements Meter {
  readonly #inner: BodyMeter;
  readonly #translation: Translation;
  readonly #wanted: Wanted;
  readonly #status: number;
  #translated: Buffer | null = null;
  readonly isTerminal = false;

  constructor(inner: BodyMeter, translation: Translation, wanted: Wanted, status: number) {
    this.#inner = inner;
    this.#translation = translation;
    this.#wanted = wanted;
    this.#status = status;
  }

  get outputBytes(): number {
    return this.#inner.outputBytes;
  }

  get isWhole(): boolean {
    return this.#inner.isWhole;
  }

  push(chunk: Buffer): MeterOverflow | null {
    return this.#inner.push(chunk);
  }

  finish(done: Finished): void {
    this.#inner.finish((bug) => {
      const body = this.#inner.text() ?? Buffer.alloc(0);
      const { usage } = this.#inner.reading();
      this.#translated =
        this.#status > 299
          ? this.#translation.error(this.#status, body)
          : this.#translation.body(body, usage, this.#wanted);
      done(bug);
    });
  }

  catchUp(done: Finished): void {
    done(null);
  }

  reading(): Reading {
    const reading = this.#inner.reading();
    const isLost = this.#translated === null && this.#inner.isWhole;
    return isLost && reading.errorKind === null ? { ...reading, errorKind: 'invalid_answer' } : reading;
  }

  text(): Buffer | null {
    return this.#translated;
  }

  takeHeld(): Buffer | null {
    return this.#translated;
  }

  lastWord(): null {
    return null;
  }
}
