/**
 * Calls that come again under their `Idempotency-Key`: the same request from the same caller joins the run that is on its
 * way, or gets the answer of the one that has ended, byte for byte and without another dispatch. Another request under
 * the key is refused. In memory, bounded in time, number and bytes; a refusal before any dispatch is not kept, nor is
 * what nobody stayed to hear.
 */
import { createHash } from 'node:crypto';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { notKept, SharedAnswer } from './shared-answer.ts';

export const IDEMPOTENCY_HEADER = 'idempotency-key';
const KEY = /^[\x20-\x7e]{1,255}$/;
/** Headers that make another request of the same body. */
const TELLING = /^x-(?:openclaw|weighbridge|litellm)-/;

type Limits = Pick<
  GatewayConfig['limits'],
  'idempotencyKeepMs' | 'idempotencyKeysMax' | 'idempotencyAnswerBytesMax' | 'idempotencyBytesMax'
>;

interface Known {
  print: string;
  answer: SharedAnswer;
  /** Null while it is on its way. */
  until: number | null;
}

/** Starts the run: into this sink, until nobody listens. */
export type StartRun = (sink: AnswerSink, gone: AbortSignal) => Promise<void>;

export class Idempotency {
  readonly #limits: () => Limits;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** What has ended stands behind what ended before it. */
  readonly #known = new Map<string, Known>();
  #bytes = 0;

  constructor(limits: () => Limits, clock: Pick<Clock, 'monotonic'>) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Throws GatewayError; else resolves when the caller has its answer, or went, and the run that it began is over. */
  async start(call: Call, sink: AnswerSink, callerGone: AbortSignal, run: StartRun): Promise<void> {
    const name = nameOf(call);
    const print = printOf(call);
    this.#forgetOld();
    const known = this.#known.get(name);
    if (known !== undefined) return this.#join(known, print, sink, callerGone);
    const answer = this.#begin(name, print);
    const joined = answer.join(sink, callerGone);
    await Promise.all([run(answer, answer.gone), joined]);
  }

  #join({ print, answer }: Known, asked: string, sink: AnswerSink, callerGone: AbortSignal): Promise<void> {
    if (print !== asked) {
      throw new GatewayError(
        'idempotency_mismatch',
        'Another request came under this idempotency key; use a new key for each request.',
      );
    }
    if (!answer.isWhole) throw notKept();
    return answer.join(sink, callerGone);
  }

  #begin(name: string, print: string): SharedAnswer {
    const { idempotencyAnswerBytesMax } = this.#limits();
    const forget = (): void => {
      if (this.#known.get(name) === known) this.#forget(name, known);
    };
    const answer: SharedAnswer = new SharedAnswer(idempotencyAnswerBytesMax, {
      mayKeep: (bytes, kept) => this.#mayKeep(bytes, kept),
      onOver: () => (answer.isRefusal ? forget() : this.#ended(name, known)),
      onGone: forget,
    });
    const known: Known = { print, answer, until: null };
    this.#known.set(name, known);
    return answer;
  }

  #mayKeep(bytes: number, kept: number): boolean {
    const { idempotencyAnswerBytesMax, idempotencyBytesMax } = this.#limits();
    if (kept + bytes > idempotencyAnswerBytesMax) return false;
    this.#bytes += bytes;
    this.#forgetOld();
    if (this.#bytes <= idempotencyBytesMax) return true;
    this.#bytes -= bytes;
    return false;
  }

  #ended(name: string, known: Known): void {
    known.until = this.#clock.monotonic() + this.#limits().idempotencyKeepMs;
    this.#known.delete(name);
    this.#known.set(name, known);
    this.#forgetOld();
  }

  #forgetOld(): void {
    const { idempotencyKeysMax, idempotencyBytesMax } = this.#limits();
    const now = this.#clock.monotonic();
    for (const [name, known] of this.#known) {
      const isTooMuch = this.#known.size > idempotencyKeysMax || this.#bytes > idempotencyBytesMax;
      // What is on its way is somebody's answer.
      if (known.until === null) continue;
      if (known.until > now && !isTooMuch) return;
      this.#forget(name, known);
    }
  }

  #forget(name: string, { answer }: Known): void {
    this.#known.delete(name);
    this.#bytes = Math.max(0, this.#bytes - answer.bytes);
  }
}

function nameOf({ caller, headers }: Call): string {
  const key = headers[IDEMPOTENCY_HEADER]!;
  if (KEY.test(key)) return JSON.stringify([caller.tenantId, caller.keyId, key]);
  throw new GatewayError('invalid_request', '`Idempotency-Key` must be 1 to 255 printable ASCII characters.');
}

function printOf({ ask, body, headers }: Call): string {
  const telling = Object.entries(headers).filter(([name]) => TELLING.test(name) && name !== 'x-weighbridge-key');
  const hash = createHash('sha256').update(JSON.stringify([ask, telling.sort()]));
  return hash.update(body).digest('base64');
}
