/**
 * How far an endpoint's cursor may go while several events are in hand: never past one that is neither delivered nor
 * recorded. Holds only what is in hand, so that one slow event costs no memory for those that overtake it.
 */

/** A stretch of the log that is in hand. */
export interface Span {
  /** The log's position before it. */
  readonly after: number;
}

export class CursorWindow {
  readonly #open = new Set<Span>();
  #taken: number;

  constructor(seq: number) {
    this.#taken = seq;
  }

  /** Everything up to here is settled. */
  get cursor(): number {
    // A set keeps the order in which things came, and they come in the log's.
    const [oldest] = this.#open;
    return oldest === undefined ? this.#taken : oldest.after;
  }

  /** How far the log was taken. */
  get taken(): number {
    return this.#taken;
  }

  take(upTo: number): Span {
    const span = { after: this.#taken };
    this.#taken = upTo;
    this.#open.add(span);
    return span;
  }

  settle(span: Span): void {
    this.#open.delete(span);
  }

  /** Nobody wants what lies between. */
  skip(upTo: number): void {
    this.#taken = upTo;
  }
}
