/**
 * One run's answer for several callers: what came is kept in order, each caller gets it from the start at its own pace, and
 * whoever comes after the end gets the same bytes again. The run waits only while every caller does; who falls too far
 * behind, or comes when there was too much to keep, is told so. The run is gone when the last caller is.
 */
import type { AnswerHead, AnswerSink } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';

type End =
  | { kind: 'end'; last: Uint8Array | null; trailers: Readonly<Record<string, string>> | null }
  | { kind: 'fail'; error: GatewayError; ids: { runId: string; dispatchId: string | null } };

export interface SharedListener {
  /** Whether another so many bytes may be kept; the answer has so many already. */
  mayKeep(bytes: number, kept: number): boolean;
  /** It is over, and can be had again unless `isWhole` is false. */
  onOver(isWhole: boolean): void;
  /** The last caller went before its end. */
  onGone(): void;
}

export class SharedAnswer implements AnswerSink {
  readonly #listener: SharedListener;
  readonly #bytesBehindMax: number;
  readonly #gone = new AbortController();
  #head: AnswerHead | null = null;
  #chunks: Uint8Array[] = [];
  /** Chunks that were let go, because there were too many to keep. */
  #dropped = 0;
  #end: End | null = null;
  #isWhole = true;
  readonly #taps = new Set<Tap>();
  #onDrain: (() => void) | null = null;
  /** Bytes that are kept. */
  bytes = 0;

  constructor(bytesBehindMax: number, listener: SharedListener) {
    this.#bytesBehindMax = bytesBehindMax;
    this.#listener = listener;
  }

  /** For the run: nobody listens any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether another caller can have it from the start. */
  get isWhole(): boolean {
    return this.#isWhole && !this.gone.aborted;
  }

  get ids(): { runId: string; dispatchId: string | null } | null {
    return this.#end?.kind === 'fail' ? this.#end.ids : this.#head;
  }

  /** A refusal before any provider was asked. */
  get isRefusal(): boolean {
    if (this.#head !== null || this.#end?.kind !== 'fail') return false;
    // Where the ledger could not open the entry, the dispatch that has an id was never made.
    return this.#end.ids.dispatchId === null || this.#end.error.code === 'ledger_unavailable';
  }

  /** Resolves when the caller has it all, or went. */
  join(sink: AnswerSink, callerGone: AbortSignal): Promise<void> {
    const tap = new Tap(sink, () => this.#pump(tap));
    this.#taps.add(tap);
    const leave = (): void => this.#left(tap);
    callerGone.addEventListener('abort', leave, { once: true });
    if (this.#head !== null) sink.head(this.#head);
    this.#pump(tap);
    if (callerGone.aborted) leave();
    return tap.done.promise.finally(() => callerGone.removeEventListener('abort', leave));
  }

  head(head: AnswerHead): void {
    this.#head = head;
    for (const { sink } of this.#taps) sink.head(head);
  }

  write(bytes: Uint8Array): boolean {
    this.#keep(bytes);
    this.#chunks.push(bytes);
    for (const tap of this.#taps) {
      this.#pump(tap);
      if (!tap.isWaiting) continue;
      tap.bytesBehind += bytes.length;
      if (tap.bytesBehind > this.#bytesBehindMax) this.#cut(tap);
    }
    if (!this.#isWhole) this.#dropPassed();
    return this.#taps.size === 0 || [...this.#taps].some(({ isWaiting }) => !isWaiting);
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  end(last: Uint8Array | null, trailers: Readonly<Record<string, string>> | null = null): void {
    this.#over({ kind: 'end', last, trailers });
  }

  fail(error: GatewayError, ids: { runId: string; dispatchId: string | null }): void {
    this.#over({ kind: 'fail', error, ids });
  }

  #over(end: End): void {
    this.#end = end;
    if (end.kind === 'end' && end.last !== null) this.#keep(end.last);
    for (const tap of [...this.#taps]) this.#pump(tap);
    if (!this.gone.aborted) this.#listener.onOver(this.#isWhole);
  }

  #keep({ length }: Uint8Array): void {
    if (!this.#isWhole) return;
    this.#isWhole = this.#listener.mayKeep(length, this.bytes);
    if (this.#isWhole) this.bytes += length;
  }

  #pump(tap: Tap): void {
    while (!tap.isWaiting && tap.at - this.#dropped < this.#chunks.length)
      tap.write(this.#chunks[tap.at++ - this.#dropped]!);
    if (!tap.isWaiting) {
      tap.bytesBehind = 0;
      this.#onDrain?.();
    }
    if (tap.isWaiting || this.#end === null || tap.at - this.#dropped < this.#chunks.length) return;
    if (this.#end.kind === 'end') tap.sink.end(this.#end.last, this.#end.trailers);
    else tap.sink.fail(this.#end.error, this.#end.ids);
    this.#taps.delete(tap);
    if (!this.#isWhole) this.#dropPassed();
    tap.done.resolve();
  }

  #left(tap: Tap): void {
    if (!this.#taps.delete(tap)) return;
    tap.done.resolve();
    if (this.#taps.size === 0 && this.#end === null) {
      this.#gone.abort();
      this.#listener.onGone();
    } else this.#onDrain?.();
  }

  #cut(tap: Tap): void {
    this.#taps.delete(tap);
    tap.sink.fail(notKept(), this.ids ?? { runId: 'unknown', dispatchId: null });
    tap.done.resolve();
  }

  #dropPassed(): void {
    const passed = Math.min(...Array.from(this.#taps, ({ at }) => at), this.#dropped + this.#chunks.length);
    this.#chunks.splice(0, passed - this.#dropped);
    this.#dropped = passed;
  }
}

/** One caller and how far it is. */
class Tap {
  readonly sink: AnswerSink;
  readonly done = Promise.withResolvers<void>();
  at = 0;
  isWaiting = false;
  bytesBehind = 0;

  constructor(sink: AnswerSink, onReady: () => void) {
    this.sink = sink;
    sink.onDrain(() => {
      this.isWaiting = false;
      onReady();
    });
  }

  write(bytes: Uint8Array): void {
    this.isWaiting = !this.sink.write(bytes);
  }
}

export function notKept(): GatewayError {
  return new GatewayError(
    'answer_not_kept',
    'The answer under this idempotency key is longer than what is kept of one; use a new key to call again.',
  );
}
