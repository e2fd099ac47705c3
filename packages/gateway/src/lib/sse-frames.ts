/**
 * Cuts a byte stream into server-sent events without changing a byte: the frames and the rest, put together, are the
 * input. A frame ends behind its blank line, whatever the line ends are (LF, CRLF, CR, mixed) and wherever the stream
 * was cut. Frames inside one chunk are views of it; only a frame that spans chunks is copied.
 */
import { GatheredBytes } from './gathered-bytes.ts';

const LF = 0x0a;
const CR = 0x0d;
const TWO_LF = Buffer.from('\n\n');
const BOM = '\ufeff';

export class SseFramer {
  /** Bytes of the frame that has begun and not ended. */
  readonly #pending = new GatheredBytes();
  /** Streams without any CR, nearly all, are searched natively; the first CR switches to the byte-wise scan. */
  #sawCr = false;
  /** Line ends just passed without a byte between them: 0, 1, or 2 where a CR may still be followed by its LF. */
  #lineEnds = 0;
  #lastWasCr = false;
  readonly #eventBytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;

  constructor(eventBytesMax: number, onFrame: (frame: Buffer) => void) {
    this.#eventBytesMax = eventBytesMax;
    this.#onFrame = onFrame;
  }

  /** Calls back for each frame that is complete now. False: an event is larger than the limit; push no more. */
  push(chunk: Buffer): boolean {
    if (!this.#sawCr && chunk.indexOf(CR) >= 0) this.#sawCr = true;
    return this.#sawCr ? this.#pushAny(chunk) : this.#pushLf(chunk);
  }

  /** What is left when the stream has ended: a frame without its blank line, or null. */
  end(): Buffer | null {
    return this.#pending.length === 0 ? null : this.#pending.take();
  }

  #pushLf(chunk: Buffer): boolean {
    let start = 0;
    if (this.#lineEnds === 1 && chunk[0] === LF) {
      if (!this.#emit(chunk, 0, 1)) return false;
      start = 1;
    }
    while (start < chunk.length) {
      const at = chunk.indexOf(TWO_LF, start);
      if (at < 0) break;
      if (!this.#emit(chunk, start, at + 2)) return false;
      start = at + 2;
    }
    if (chunk.length > 0) this.#lineEnds = start < chunk.length && chunk[chunk.length - 1] === LF ? 1 : 0;
    return this.#keep(chunk, start);
  }

  #pushAny(chunk: Buffer): boolean {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === LF && this.#lastWasCr) {
        // The second half of a CRLF: it belongs to the line end already counted.
        this.#lastWasCr = false;
        if (this.#lineEnds < 2) continue;
        if (!this.#emit(chunk, start, at + 1)) return false;
        start = at + 1;
        continue;
      }
      if (this.#lineEnds === 2) {
        // The blank line was a lone CR, so the frame ended one byte ago.
        if (!this.#emit(chunk, start, at)) return false;
        start = at;
      }
      this.#lastWasCr = byte === CR;
      if (byte !== LF && byte !== CR) {
        this.#lineEnds = 0;
        continue;
      }
      this.#lineEnds++;
      if (this.#lineEnds < 2 || byte === CR) continue;
      if (!this.#emit(chunk, start, at + 1)) return false;
      start = at + 1;
    }
    return this.#keep(chunk, start);
  }

  #emit(chunk: Buffer, start: number, end: number): boolean {
    if (this.#pending.length + end - start > this.#eventBytesMax) return false;
    this.#lineEnds = 0;
    if (this.#pending.length === 0) {
      this.#onFrame(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
      return true;
    }
    if (end > start) this.#pending.push(chunk.subarray(start, end));
    this.#onFrame(this.#pending.take());
    return true;
  }

  #keep(chunk: Buffer, start: number): boolean {
    if (start >= chunk.length) return true;
    this.#pending.push(start === 0 ? chunk : chunk.subarray(start));
    return this.#pending.length <= this.#eventBytesMax;
  }
}

/** The event's data: its `data` lines joined by LF; null when it has none (comments, blank lines). */
export function frameData(frame: Buffer): string | null {
  let text = frame.toString('utf8');
  if (text.startsWith(BOM)) text = text.slice(1);
  const single = singleLine(text);
  if (single !== null) return single;
  let joined: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const value = dataValue(line);
    if (value !== null) joined = joined === null ? value : `${joined}\n${value}`;
  }
  return joined;
}

/** The usual form, `data: …` and a blank line, without splitting; null for every other form. */
function singleLine(text: string): string | null {
  if (!text.startsWith('data:') || !text.endsWith('\n\n')) return null;
  const end = text.length - 2;
  if (text.indexOf('\n') !== end || text.includes('\r')) return null;
  return text.slice(text.charCodeAt(5) === 0x20 ? 6 : 5, end);
}

function dataValue(line: string): string | null {
  if (line === 'data') return '';
  if (!line.startsWith('data:')) return null;
  return line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
}
