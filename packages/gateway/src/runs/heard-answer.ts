/**
 * An answer on its way to an HTTP caller, heard along for its session's transcript. Bytes go on first and unchanged; what
 * is heard is bounded, and an answer that cannot be read (compressed, too long, no JSON) is one without a text. Whoever
 * wants to know is told after the end went out, in a later turn of the event loop.
 */
import type { AnswerHead, AnswerSink, Ask } from '../domain/answer.ts';
import type { GatewayError } from '../domain/errors.ts';
import { frameData, SseFramer } from '../lib/sse-frames.ts';
import type { RunOutcome } from '../sessions/session.ts';
import { bodyPiece, type Piece, pieceOf } from './said.ts';

export interface Heard extends Piece {
  outcome: RunOutcome;
}

export interface HeardListener {
  /** Longest text, bytes. */
  bytesMax: number;
  /** The caller went, and what still came was not for it. */
  isGone: () => boolean;
  /** Not called where nothing was dispatched. */
  onHeard: (heard: Heard) => void;
}

/** Of an answer that is one body: its text is a part of it. */
const BODY_TO_TEXT = 4;

export class HeardAnswer implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #ask: Ask;
  readonly #listener: HeardListener;
  #status: number | null = null;
  #framer: SseFramer | null = null;
  #body: Buffer[] | null = null;
  #bodyBytes = 0;
  readonly #heard: Piece = { text: '', omitted: 0, stopReason: null };

  constructor(sink: AnswerSink, ask: Ask, listener: HeardListener) {
    this.#sink = sink;
    this.#ask = ask;
    this.#listener = listener;
  }

  get #bytesMax(): number {
    return this.#listener.bytesMax;
  }

  head(head: AnswerHead): void {
    this.#sink.head(head);
    this.#status = head.status;
    const encoding = head.headers['content-encoding'];
    if (head.status >= 300) return;
    if (encoding !== undefined && encoding !== 'identity') this.#heard.omitted++;
    else if (String(head.headers['content-type']).startsWith('text/event-stream')) {
      this.#framer = new SseFramer(this.#bytesMax, (frame) => this.#take(frame));
    } else this.#body = [];
  }

  write(bytes: Uint8Array): boolean {
    const goesOn = this.#sink.write(bytes);
    this.#hear(bytes);
    return goesOn;
  }

  onDrain(listener: () => void): void {
    this.#sink.onDrain(listener);
  }

  end(last: Uint8Array | null, trailers?: Readonly<Record<string, string>> | null): void {
    this.#sink.end(last, trailers);
    if (last !== null) this.#hear(last);
    if (this.#listener.isGone()) this.#tell('aborted');
    else if (this.#status !== null) this.#tell(this.#status < 300 ? 'completed' : 'failed');
  }

  fail(error: GatewayError, ids: { runId: string; dispatchId: string | null }): void {
    this.#sink.fail(error, ids);
    if (this.#status === null && ids.dispatchId === null) return;
    this.#tell(error.code === 'draining' ? 'aborted' : 'failed');
  }

  #hear(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#framer !== null) {
      // An event that is larger than any text we keep: the rest is not heard.
      if (!this.#framer.push(buffer)) this.#deafen();
    } else if (this.#body !== null) {
      this.#bodyBytes += buffer.length;
      if (this.#bodyBytes > BODY_TO_TEXT * this.#bytesMax) this.#deafen();
      else this.#body.push(buffer);
    }
  }

  #deafen(): void {
    this.#framer = null;
    this.#body = null;
    this.#heard.omitted++;
  }

  #take(frame: Buffer): void {
    if (this.#heard.text.length > this.#bytesMax) return;
    const data = frameData(frame);
    if (data === null || data === '[DONE]') return;
    const event = parsed(data);
    if (event !== null) this.#add(pieceOf(this.#ask, event));
  }

  #add({ text, omitted, stopReason }: Piece): void {
    this.#heard.text += text;
    this.#heard.omitted += omitted;
    this.#heard.stopReason = stopReason ?? this.#heard.stopReason;
  }

  #tell(outcome: RunOutcome): void {
    setImmediate(() => {
      const rest = this.#framer?.end() ?? null;
      if (rest !== null) this.#take(rest);
      const body = this.#body === null ? null : parsed(Buffer.concat(this.#body).toString('utf8'));
      if (body !== null) this.#add(bodyPiece(this.#ask, body));
      this.#listener.onHeard({ ...this.#heard, outcome });
    });
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
