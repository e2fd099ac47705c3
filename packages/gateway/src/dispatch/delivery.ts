/**
 * The caller's side of one dispatch: what of the upstream's answer goes out, under which head, and which refusal stands
 * in its place. Knows when nothing may go out any more; knows neither sockets nor the ledger.
 */
import { GatewayError } from '../domain/errors.ts';
import type { UpstreamHeaders } from '../providers/transport.ts';
import { concealedBytes, concealedHeaders, secretsSentTo } from './conceal.ts';
import { isUpstreamOnly } from './headers.ts';
import type { Meter } from './meter.ts';
import { type ErrorKind, refusalOf } from './outcome.ts';
import type { Outlet } from './outlet.ts';
import type { DispatchPlan } from './plan.ts';

/** Errors that are the provider's own answer. */
const OWN_ANSWERS: ReadonlySet<ErrorKind> = new Set(['http_error', 'provider_error', 'invalid_answer']);
const NO_CONTENT = 204;
const NOTHING = Buffer.alloc(0);

type AnswerHeaders = Record<string, string | string[]>;

export class Delivery {
  readonly #plan: DispatchPlan;
  readonly #outlet: Outlet;
  #status = 0;
  #headers: UpstreamHeaders = {};

  constructor(plan: DispatchPlan, outlet: Outlet) {
    this.#plan = plan;
    this.#outlet = outlet;
  }

  /** Something has reached the caller: no other dispatch may answer. */
  get hasHead(): boolean {
    return this.#outlet.hasHead;
  }

  /** What the upstream answered with; nothing goes out yet. */
  answered(status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  /** The head of a stream, before any byte of it. */
  begin(): void {
    this.#head(this.#answerHeaders());
  }

  /** The head now, though no byte of the answer has come: Node's own flush would write it as UTF-8, and it is bytes. */
  beginAlone(onDrained: () => void): void {
    if (!this.#outlet.hasHead) this.write(NOTHING, onDrained);
  }

  /** A piece of a stream. False: write no more until `onDrained` is called. */
  write(bytes: Buffer, onDrained: () => void): boolean {
    if (this.#outlet.isOver) return true;
    this.begin();
    return this.#outlet.write(bytes, onDrained);
  }

  /** A stream's end. */
  end(last: Buffer | null, trailers: UpstreamHeaders | null): void {
    this.begin();
    this.#outlet.end(last, trailersOf(trailers));
  }

  /** Nobody listens any more. */
  abandon(): void {
    this.#outlet.end(null);
  }

  /** A whole answer: the provider's own where there is one, else ours about it. */
  whole(errorKind: ErrorKind | null, meter: Meter | null): void {
    // What cannot be read cannot be translated.
    const isUnsayable = errorKind === 'invalid_answer' && this.#plan.translated !== null;
    if (meter === null || isUnsayable || (errorKind !== null && !OWN_ANSWERS.has(errorKind))) {
      this.refuse(errorKind!);
      return;
    }
    const headers = this.#answerHeaders();
    if (errorKind === null) this.#body(headers, meter.takeHeld());
    else this.#ownError(headers, meter);
  }

  refuse(errorKind: ErrorKind): void {
    this.fail(refusalOf(errorKind, this.#plan.target.provider.id));
  }

  /** With what the ledger said; whatever else it is, the caller hears no more than that. */
  fail(error: unknown): void {
    const { runId, dispatchId } = this.#plan;
    const refusal =
      error instanceof GatewayError ? error : new GatewayError('internal', 'The call could not be recorded.');
    this.#outlet.fail(refusal, { runId, dispatchId });
  }

  #answerHeaders(): AnswerHeaders {
    const answered = { status: this.#status, headers: this.#headers };
    return this.#plan.manner.headers(this.#plan, answered);
  }

  #ownError(answered: AnswerHeaders, meter: Meter): void {
    const secrets = secretsSentTo(this.#plan.target.provider);
    const headers = concealedHeaders(answered, secrets);
    const text = meter.text();
    const concealed = text === null ? null : concealedBytes(text, secrets);
    if (concealed === text) {
      this.#body(headers, meter.takeHeld());
      return;
    }
    // It was found in the decoded copy, so that goes out.
    delete headers['content-encoding'];
    this.#body(headers, concealed);
  }

  #body(headers: AnswerHeaders, body: Buffer | null): void {
    if (this.#status !== NO_CONTENT) headers['content-length'] = String(body?.length ?? 0);
    this.#head(headers);
    this.#outlet.end(body);
  }

  #head(headers: AnswerHeaders): void {
    if (this.#outlet.hasHead || this.#outlet.isOver) return;
    const { runId, dispatchId } = this.#plan;
    this.#outlet.head({ status: this.#status, headers, runId, dispatchId });
  }
}

/** Those that came; a head's own fields have no place there (RFC 9110, 6.5.1). */
function trailersOf(trailers: UpstreamHeaders | null): Record<string, string> | null {
  const kept = Object.entries(trailers ?? {}).filter(([name]) => !isUpstreamOnly(name));
  if (kept.length === 0) return null;
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}
