/**
 * The end of a turn's run that reads: our own chat completion stream, as any HTTP caller would get it, taken apart into
 * text. Whatever dialect answered, whatever fell back, it arrives here in one form. Never holds the run up.
 */
import type { AnswerHead, AnswerSink } from '../domain/answer.ts';
import type { GatewayError } from '../domain/errors.ts';
import { frameData, SseFramer } from '../lib/sse-frames.ts';
import type { TurnError } from './turn.ts';

/** Of an error's body, which is for people. */
const ERROR_BYTES_MAX = 65_536;

export interface TurnAnswerListener {
  onHead(head: AnswerHead): void;
  onText(delta: string): void;
  /** There is more text than is kept of one answer; nothing more is heard. */
  onTooLong(): void;
}

export class TurnAnswer implements AnswerSink {
  readonly #listener: TurnAnswerListener;
  readonly #framer: SseFramer;
  readonly #textMax: number;
  #isDeaf = false;
  #status: number | null = null;
  readonly #errorBody: Buffer[] = [];
  #errorBytes = 0;
  text = '';
  stopReason: string | null = null;
  /** Null: it came to its end. */
  error: TurnError | null = null;
  /** What could not be read as text (tool calls). */
  omitted = 0;
  /** Of the dispatch that answered, or of the last that could not. */
  dispatchId: string | null = null;
  /** The refusal that ended it; null: none of ours did. */
  refusal: GatewayError | null = null;

  constructor(listener: TurnAnswerListener, limits: { eventBytesMax: number; answerBytesMax: number }) {
    this.#listener = listener;
    this.#textMax = limits.answerBytesMax;
    this.#framer = new SseFramer(limits.eventBytesMax, (frame) => this.#take(frame));
  }

  head(head: AnswerHead): void {
    this.#status = head.status;
    this.dispatchId = head.dispatchId;
    this.#listener.onHead(head);
  }

  write(bytes: Uint8Array): boolean {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#isAnswer) this.#framer.push(buffer);
    else this.#keepError(buffer);
    return true;
  }

  onDrain(): void {}

  end(last: Uint8Array | null): void {
    if (last !== null) this.write(last);
    const rest = this.#framer.end();
    if (rest !== null && this.#isAnswer) this.#take(rest);
    if (this.#status !== null && !this.#isAnswer) this.error = this.#providerError();
  }

  fail(error: GatewayError, { dispatchId }: { dispatchId: string | null }): void {
    this.dispatchId ??= dispatchId;
    this.refusal = error;
    this.error = { code: error.code, message: error.message, status: error.refusal.status };
  }

  get #isAnswer(): boolean {
    return this.#status !== null && this.#status < 300;
  }

  #take(frame: Buffer): void {
    const text = frameData(frame);
    if (text === null || text === '[DONE]') return;
    const chunk = parsed(text);
    if (chunk === null) return;
    if (chunk.error) this.error ??= errorOf(chunk, 502);
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    if (typeof choice.finish_reason === 'string') this.stopReason = choice.finish_reason;
    const delta = choice.delta?.content;
    if (Array.isArray(choice.delta?.tool_calls)) this.omitted++;
    if (typeof delta !== 'string' || delta === '' || this.#isDeaf) return;
    this.#isDeaf = this.text.length + delta.length > this.#textMax;
    if (this.#isDeaf) {
      this.#listener.onTooLong();
      return;
    }
    this.text += delta;
    this.#listener.onText(delta);
  }

  #keepError(bytes: Buffer): void {
    if (this.#errorBytes >= ERROR_BYTES_MAX) return;
    this.#errorBody.push(bytes.subarray(0, ERROR_BYTES_MAX - this.#errorBytes));
    this.#errorBytes += bytes.length;
  }

  #providerError(): TurnError {
    const text = Buffer.concat(this.#errorBody).toString('utf8');
    const body = parsed(text);
    return errorOf(body ?? {}, this.#status!, text.slice(0, 300));
  }
}

interface Chunk {
  choices?: { delta?: { content?: unknown; tool_calls?: unknown }; finish_reason?: unknown }[];
  error?: { message?: unknown } | string;
}

function parsed(text: string): Chunk | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Chunk) : null;
  } catch {
    return null;
  }
}

function errorOf({ error }: Chunk, status: number, raw = ''): TurnError {
  const said = typeof error === 'object' && error !== null ? error.message : error;
  const message = typeof said === 'string' && said !== '' ? said : raw;
  return { code: 'provider_error', message: message === '' ? `The provider answered ${status}.` : message, status };
}
