/** Pieces of bytes to whole lines, with a limit on what may wait for its end. */

/** The largest that makes sense is a verdict with all the tags and headers that it may have. */
const LINE_BYTES_MAX = 131_072;
const NEWLINE = 10;

export class LineReader {
  readonly #onLine: (line: string) => void;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** False: a line is longer than any may be. */
  push(bytes: Buffer): boolean {
    let from = 0;
    let end = bytes.indexOf(NEWLINE);
    while (end !== -1) {
      this.#onLine(this.#whole(bytes.subarray(from, end)));
      from = end + 1;
      end = bytes.indexOf(NEWLINE, from);
    }
    const rest = bytes.subarray(from);
    if (rest.length > 0) this.#pieces.push(rest);
    this.#bytes += rest.length;
    return this.#bytes <= LINE_BYTES_MAX;
  }

  #whole(last: Buffer): string {
    if (this.#pieces.length === 0) return last.toString();
    const line = Buffer.concat([...this.#pieces, last]).toString();
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}
