/**
 * A run's one way to its caller, shared by its dispatches in turn. It remembers whether a byte has left, because from
 * then on no other dispatch may answer, and hands the sink's drain signal to whoever is writing now.
 */
import type { AnswerHead, AnswerSink } from '../domain/answer.ts';
import type { GatewayError } from '../domain/errors.ts';

export class Outlet {
  readonly #sink: AnswerSink;
  #listens = false;
  #onDrain: (() => void) | null = null;
  hasHead = false;
  isOver = false;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  head(head: AnswerHead): void {
    this.#sink.head(head);
    this.hasHead = true;
  }

  /** False: write no more until `onDrain` is called, once. */
  write(bytes: Buffer, onDrain: () => void): boolean {
    if (this.#sink.write(bytes)) return true;
    this.#onDrain = onDrain;
    if (!this.#listens) {
      this.#listens = true;
      this.#sink.onDrain(() => this.#drained());
    }
    return false;
  }

  end(last: Buffer | null, trailers: Readonly<Record<string, string>> | null = null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#sink.end(last, trailers);
  }

  fail(error: GatewayError, ids: { runId: string; dispatchId: string | null }): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#sink.fail(error, ids);
  }

  #drained(): void {
    const listener = this.#onDrain;
    this.#onDrain = null;
    listener?.();
  }
}
