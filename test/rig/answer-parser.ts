/**
 * The smallest HTTP/1.1 answer parser that is right about framing: content-length, chunked, and until-close bodies,
 * cut anywhere. Load and crash tests use it instead of a client library, because a library hides the difference
 * between an answer that ended and one that was cut, and because it would cost more than what is measured.
 */

export interface AnswerListener {
  head(status: number, rawHead: string): void;
  body(bytes: Buffer): void;
  /** The framing says: complete. */
  end(): void;
}

type State = 'head' | 'length' | 'size' | 'chunk' | 'chunkEnd' | 'trailer' | 'untilClose';

const CRLF = Buffer.from('\r\n');
const BLANK = Buffer.from('\r\n\r\n');

export class AnswerParser {
  #state: State = 'head';
  #rest = 0;
  #pending: Buffer | null = null;
  readonly #listener: AnswerListener;

  constructor(listener: AnswerListener) {
    this.#listener = listener;
  }

  /** True between an answer's first byte and its end. */
  get midAnswer(): boolean {
    return this.#state !== 'head' || this.#pending !== null;
  }

  push(bytes: Buffer): void {
    let buffer = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#pending = null;
    while (buffer.length > 0) {
      const used = this.#step(buffer);
      if (used === 0) {
        this.#pending = buffer;
        return;
      }
      buffer = buffer.subarray(used);
    }
  }

  /** The peer closed. Ends an until-close body; returns whether the answer was complete. */
  close(): boolean {
    if (this.#state !== 'untilClose') return !this.midAnswer;
    this.#finish();
    return true;
  }

  /** Consumes something of the buffer and returns how much; 0 means: more bytes needed. */
  #step(buffer: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#head(buffer);
      case 'length':
      case 'chunk':
        return this.#bytes(buffer);
      case 'untilClose':
        this.#listener.body(buffer);
        return buffer.length;
      case 'size':
        return this.#size(buffer);
      case 'chunkEnd':
        if (buffer.length < 2) return 0;
        this.#state = 'size';
        return 2;
      case 'trailer':
        return this.#trailer(buffer);
    }
  }

  #head(buffer: Buffer): number {
    const at = buffer.indexOf(BLANK);
    if (at < 0) return 0;
    const rawHead = buffer.toString('latin1', 0, at + 2);
    const status = Number(rawHead.slice(9, 12));
    this.#listener.head(status, rawHead);
    const length = headerOf(rawHead, 'content-length');
    if (status < 200) {
      this.#finish();
    } else if (length !== null) {
      this.#rest = Number(length);
      this.#state = 'length';
      if (this.#rest === 0) this.#finish();
    } else if (headerOf(rawHead, 'transfer-encoding') !== null) {
      this.#state = 'size';
    } else if (status === 204 || status === 304) {
      this.#finish();
    } else {
      this.#state = 'untilClose';
    }
    return at + 4;
  }

  #bytes(buffer: Buffer): number {
    const used = Math.min(this.#rest, buffer.length);
    this.#listener.body(used === buffer.length ? buffer : buffer.subarray(0, used));
    this.#rest -= used;
    if (this.#rest > 0) return used;
    if (this.#state === 'length') this.#finish();
    else this.#state = 'chunkEnd';
    return used;
  }

  #size(buffer: Buffer): number {
    const at = buffer.indexOf(CRLF);
    if (at < 0) return 0;
    this.#rest = Number.parseInt(buffer.toString('latin1', 0, at), 16);
    if (Number.isNaN(this.#rest))
      throw new Error(`not a chunk size: ${buffer.toString('latin1', 0, Math.min(at, 40))}`);
    this.#state = this.#rest === 0 ? 'trailer' : 'chunk';
    return at + 2;
  }

  #trailer(buffer: Buffer): number {
    const at = buffer.indexOf(CRLF);
    if (at < 0) return 0;
    if (at === 0) this.#finish();
    return at + 2;
  }

  #finish(): void {
    this.#state = 'head';
    this.#listener.end();
  }
}

/** The value of a header in a raw head, null when absent. */
export function headerOf(rawHead: string, name: string): string | null {
  const match = new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, 'i').exec(rawHead);
  return match === null ? null : match[1]!.trim();
}
