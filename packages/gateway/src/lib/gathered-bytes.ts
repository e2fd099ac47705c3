/**
 * Bytes put together from pieces of any size. A buffer object costs more than a hundred bytes, so whoever sends single bytes
 * would make a limit on bytes worth a hundred times as much memory: small pieces are copied into blocks, large ones kept
 * as they are. Knows no limit itself; `length` is for whoever has one.
 */

/** A usual message comes in so few pieces: copying them would only cost. */
const FEW_PIECES = 8;
const SMALL_PIECE = 1024;
const BLOCK_BYTES = 16 * 1024;
const NONE = Buffer.alloc(0);

export class GatheredBytes {
  #pieces: Buffer[] = [];
  #block: Buffer = NONE;
  /** What of the block is taken, and where its last piece begins; -1 where the last piece is another. */
  #filled = 0;
  #start = -1;
  length = 0;

  /** How many buffers are kept. */
  get pieces(): number {
    return this.#pieces.length;
  }

  push(piece: Buffer): void {
    this.length += piece.length;
    if (piece.length >= SMALL_PIECE || this.#pieces.length < FEW_PIECES) {
      this.#pieces.push(piece);
      this.#start = -1;
      return;
    }
    if (this.#filled + piece.length > this.#block.length) {
      this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
      this.#filled = 0;
      this.#start = -1;
    }
    piece.copy(this.#block, this.#filled);
    if (this.#start >= 0) this.#pieces.pop();
    else this.#start = this.#filled;
    this.#filled += piece.length;
    this.#pieces.push(this.#block.subarray(this.#start, this.#filled));
  }

  /** All of it, joined once. */
  joined(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces, this.length)];
    this.#start = -1;
    return this.#pieces[0]!;
  }

  /** All of it, and nothing is kept. */
  take(): Buffer {
    const all = this.joined();
    this.#pieces = [];
    this.#block = NONE;
    this.#filled = 0;
    this.length = 0;
    return all;
  }
}
