/**
 * Meters for answers that come compressed although we asked for `identity`. The caller gets the bytes as they came; the
 * count is taken from a decoded copy, within a size limit (a small answer can unpack to gigabytes). Bytes that do not
 * decode are passed on all the same, without a count and with an anomaly.
 */
import type { Transform } from 'node:stream';
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzip,
  inflate,
  zstdDecompress,
} from 'node:zlib';
import { GatheredBytes } from '../lib/gathered-bytes.ts';
import { SseFramer } from '../lib/sse-frames.ts';
import type { AnswerReader, Reading, StreamReader } from '../providers/dialect.ts';
import { BodyMeter, type Finished, type Meter, type MeterOverflow, unread } from './meter.ts';

type DecodeAll = (
  bytes: Buffer,
  options: { maxOutputLength: number },
  done: (error: Error | null, decoded: Buffer) => void,
) => void;

const CODECS: Readonly<Record<string, { stream: () => Transform; all: DecodeAll }>> = {
  gzip: { stream: createGunzip, all: gunzip },
  'x-gzip': { stream: createGunzip, all: gunzip },
  deflate: { stream: createInflate, all: inflate },
  br: { stream: createBrotliDecompress, all: brotliDecompress },
  zstd: { stream: createZstdDecompress, all: zstdDecompress },
};

/** The encoding named by a head, null for none. */
export function encodingOf(contentEncoding: string | null): string | null {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? null : encoding;
}

export class EncodedBodyMeter extends BodyMeter {
  readonly #encoding: string;
  readonly #decodedBytesMax: number;
  #isBroken = false;

  constructor(reader: Pick<AnswerReader, 'readBody'>, answerBytesMax: number, encoding: string) {
    super(reader, answerBytesMax);
    this.#encoding = encoding;
    this.#decodedBytesMax = answerBytesMax;
  }

  override finish(done: Finished): void {
    const codec = CODECS[this.#encoding];
    if (codec === undefined) {
      this.#isBroken = true;
      done(null);
      return;
    }
    codec.all(this.held(), { maxOutputLength: this.#decodedBytesMax }, (error, decoded) => {
      if (error === null) done(bugIn(() => this.readFrom(decoded)));
      else {
        this.#isBroken = true;
        done(null);
      }
    });
  }

  override reading(): Reading {
    return this.#isBroken ? { ...unread(this.outputBytes), anomaly: 'encoding_broken' } : super.reading();
  }
}

export interface EncodedStreamOptions {
  reader: StreamReader;
  encoding: string;
  eventBytesMax: number;
  decodedBytesMax: number;
  forward: (bytes: Buffer) => void;
}

/** Forwards a chunk once its decoded copy has been looked at, so that the end is known before it goes out. */
export class EncodedStreamMeter implements Meter {
  readonly #reader: StreamReader;
  readonly #framer: SseFramer;
  readonly #forward: (bytes: Buffer) => void;
  readonly #decoder: Transform | null;
  readonly #bytesMax: number;
  #decodedBytes = 0;
  #rawBytes = 0;
  #isBroken = false;
  /** Given to the decoder and not yet back. */
  readonly #looking: Buffer[] = [];
  readonly #held = new GatheredBytes();
  readonly #heldBytesMax: number;
  #onFinished: Finished | null = null;
  #bug: Error | null = null;
  #isTerminalSeen = false;
  #onCaughtUp: Finished | null = null;
  /** Known too late to end by: the dispatch waits for the upstream's own end. */
  readonly isTerminal = false;

  constructor({ reader, encoding, eventBytesMax, decodedBytesMax, forward }: EncodedStreamOptions) {
    this.#reader = reader;
    this.#forward = forward;
    this.#bytesMax = decodedBytesMax;
    this.#heldBytesMax = eventBytesMax;
    this.#framer = new SseFramer(eventBytesMax, (frame) => this.#look(frame));
    this.#decoder = CODECS[encoding]?.stream() ?? null;
    this.#isBroken = this.#decoder === null;
    this.#decoder?.on('data', (decoded: Buffer) => this.#read(decoded));
    this.#decoder?.on('error', () => this.#breakOff());
    this.#decoder?.on('end', () => this.#finished());
  }

  get outputBytes(): number {
    return this.#isBroken ? this.#rawBytes : this.#reader.outputBytes;
  }

  get isWhole(): boolean {
    return this.#isTerminalSeen || this.#reader.isWhole;
  }

  push(chunk: Buffer): MeterOverflow | null {
    this.#rawBytes += chunk.length;
    if (this.#isBroken || this.#decoder === null) {
      this.#passHoldingOne(chunk);
      return null;
    }
    this.#looking.push(chunk);
    this.#decoder.write(chunk, () => this.#decoded());
    return this.#held.length <= this.#heldBytesMax ? null : 'event_too_large';
  }

  catchUp(done: Finished): void {
    if (this.#looking.length === 0) done(this.#bug);
    else this.#onCaughtUp = done;
  }

  text(): null {
    return null;
  }

  lastWord(): null {
    return null;
  }

  finish(done: Finished): void {
    if (this.#isBroken || this.#decoder === null) {
      done(this.#bug);
      return;
    }
    this.#onFinished = done;
    this.#decoder.end();
  }

  reading(): Reading {
    const reading = this.#reader.reading();
    if (!this.#isBroken) return reading;
    const { outputBytes, outputTokens } = unread(this.outputBytes);
    return { ...reading, anomaly: 'encoding_broken', outputBytes, outputTokens };
  }

  takeHeld(): Buffer | null {
    return this.#held.length === 0 ? null : this.#held.take();
  }

  /** The oldest chunk has been decoded; a decoder that broke has handed on all of them already. */
  #decoded(): void {
    const chunk = this.#looking.shift();
    if (chunk !== undefined) {
      if (this.#isTerminalSeen) this.#held.push(chunk);
      else this.#forward(chunk);
    }
    if (this.#looking.length === 0) this.#caughtUp();
  }

  #caughtUp(): void {
    const done = this.#onCaughtUp;
    this.#onCaughtUp = null;
    done?.(this.#bug);
  }

  #read(decoded: Buffer): void {
    if (this.#isBroken) return;
    this.#decodedBytes += decoded.length;
    let fits = this.#decodedBytes <= this.#bytesMax;
    this.#bug ??= bugIn(() => {
      fits &&= this.#framer.push(decoded);
    });
    if (!fits || this.#bug !== null) this.#breakOff();
  }

  #look(frame: Buffer): void {
    if (this.#reader.frame(frame) === 'terminal') this.#isTerminalSeen = true;
  }

  #finished(): void {
    const rest = this.#framer.end();
    if (rest !== null && !this.#isBroken) this.#bug ??= bugIn(() => this.#look(rest));
    const done = this.#onFinished;
    this.#onFinished = null;
    done?.(this.#bug);
  }

  #breakOff(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#decoder?.destroy();
    for (const chunk of this.#looking.splice(0)) this.#passHoldingOne(chunk);
    this.#caughtUp();
    this.#finished();
  }

  /** Where the end cannot be seen, the newest chunk may be it. */
  #passHoldingOne(chunk: Buffer): void {
    const before = this.takeHeld();
    if (before !== null) this.#forward(before);
    this.#held.push(chunk);
  }
}

/** What a step threw that runs in a decoder's callback, where nobody would catch it and the program would end. */
function bugIn(step: () => void): Error | null {
  try {
    step();
    return null;
  } catch (error) {
    return error as Error;
  }
}
