/**
 * The HTTP door's end of an answer: what dispatch writes goes to the raw response, past the framework, because a stream
 * must not be buffered. Before the head an error is an answer of its own; after it, an SSE event and then the end without
 * `[DONE]`, or for a plain body a cut connection: whoever saw a proper end has a settled entry.
 */
import type { ServerResponse } from 'node:http';
import type { AnswerHead, AnswerSink } from '../domain/answer.ts';
import type { GatewayError } from '../domain/errors.ts';
import { headersOf } from './errors.ts';

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

const LF = 0x0a;
const CR = 0x0d;

/** What differs between doors. */
export interface AnswerForm {
  errorBody(error: GatewayError): object;
  /** After the head, an error in a stream is this event; null: the connection is cut, as it is inside a plain body. */
  errorEvent: ((error: GatewayError) => string) | null;
}

export class HttpAnswerSink implements AnswerSink {
  readonly #raw: ServerResponse;
  readonly #unreadTimeoutMs: number;
  readonly #form: AnswerForm;
  /** An error may be put into the answer as an event of its own. */
  #takesEvents = false;
  /** The stream stands between two events, so that an error can be one of its own. */
  #isBetweenEvents = true;
  /** The answer says itself where it ends. */
  #isFramed = true;

  constructor(raw: ServerResponse, { unreadTimeoutMs }: { unreadTimeoutMs: number }, form: AnswerForm) {
    this.#raw = raw;
    this.#unreadTimeoutMs = unreadTimeoutMs;
    this.#form = form;
  }

  head({ status, headers, runId, dispatchId }: AnswerHead): void {
    // Nothing of ours can be put among compressed bytes.
    const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
    this.#takesEvents =
      this.#form.errorEvent !== null && isPlain && String(headers['content-type']).startsWith('text/event-stream');
    this.#raw.writeHead(status, {
      ...headers,
      ...SECURITY_HEADERS,
      'x-request-id': runId,
      'x-weighbridge-dispatch-id': dispatchId,
    });
    this.#isFramed = this.#raw.chunkedEncoding || headers['content-length'] !== undefined;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#takesEvents && bytes.length > 0) this.#isBetweenEvents = endsEvent(bytes);
    return this.#raw.write(bytes);
  }

  onDrain(listener: () => void): void {
    this.#raw.on('drain', listener);
    // A caller who went never drains: whoever waits for one must not wait for ever.
    this.#raw.once('close', listener);
  }

  end(last: Uint8Array | null, trailers: Readonly<Record<string, string>> | null = null): void {
    if (trailers !== null && this.#raw.chunkedEncoding) this.#raw.addTrailers(trailers);
    if (last) this.#raw.end(last);
    else this.#raw.end();
    this.#cutUnlessRead();
  }

  fail(error: GatewayError, { runId, dispatchId }: { runId: string; dispatchId: string | null }): void {
    if (!this.#raw.headersSent) this.#refuse(error, runId, dispatchId);
    else if (this.#takesEvents) this.#raw.end(`${this.#isBetweenEvents ? '' : '\n\n'}${this.#form.errorEvent!(error)}`);
    else this.#cut();
    this.#cutUnlessRead();
  }

  /** Where the connection's end is the answer's, as in HTTP/1.0, only a reset says that something is missing. */
  #cut(): void {
    if (this.#isFramed || this.#raw.socket === null) this.#raw.destroy();
    else this.#raw.socket.resetAndDestroy();
  }

  /** The run is over and waits no longer: what lies in our memory must not lie there for as long as a caller likes. */
  #cutUnlessRead(): void {
    // Nearly always the kernel has taken it all at once.
    if (this.#raw.destroyed || this.#raw.socket?.writableLength === 0) return;
    // Counts only while nothing moves. Over once the end is with the kernel, before Node sets its own time for the next request.
    this.#raw.setTimeout(this.#unreadTimeoutMs);
    this.#raw.prependOnceListener('finish', () => this.#raw.socket?.setTimeout(0));
  }

  #refuse(error: GatewayError, runId: string, dispatchId: string | null): void {
    const body = Buffer.from(JSON.stringify(this.#form.errorBody(error)));
    this.#raw.writeHead(error.refusal.status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': body.length,
      ...headersOf(error),
      ...SECURITY_HEADERS,
      'x-request-id': runId,
      ...(dispatchId === null ? {} : { 'x-weighbridge-dispatch-id': dispatchId }),
    });
    this.#raw.end(body);
  }
}

/** A blank line at the end: LF LF, or CR LF CR LF. */
function endsEvent(bytes: Uint8Array): boolean {
  const last = bytes.length - 1;
  if (bytes[last] !== LF) return false;
  return bytes[last - 1] === LF || (bytes[last - 1] === CR && bytes[last - 2] === LF);
}
