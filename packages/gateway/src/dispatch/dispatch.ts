/**
 * One dispatch, from its intent to its last byte: open the ledger entry, ask the provider, meter the answer, settle once
 * in a `finally`, and only then let the answer's end go. How the exchange goes wrong is data here (`End`), not an
 * exception; whatever happens, a dispatch that was opened is settled.
 */
import { GatewayError } from '../domain/errors.ts';
import type { Reading } from '../providers/dialect.ts';
import { tokensOfBytes } from '../providers/estimate.ts';
import type { TransportFailure, UpstreamExchange, UpstreamHandlers, UpstreamHeaders } from '../providers/transport.ts';
import { bodyMeter, isEventStream, streamMeter } from './choose-meter.ts';
import { costFacts } from './cost.ts';
import type { Drain } from './drain.ts';
import type { Failure } from './fallback.ts';
import { guarded } from './guarded.ts';
import { answerHeaders, headerOf } from './headers.ts';
import { BodyMeter, type Meter } from './meter.ts';
import { type End, type ErrorKind, refusalOf, usageOutcome } from './outcome.ts';
import type { Outlet } from './outlet.ts';
import { type DispatchPlan, type DispatchTools, intentOf } from './plan.ts';

/** `over`: the caller has the end. `undelivered`: nothing reached the caller; try again, or `deliver` what there is. */
export type DispatchResult = { kind: 'over' } | { kind: 'undelivered'; failure: Failure; deliver: () => void };

const COMPLETED: End = { outcome: 'completed', errorKind: null };
const DONE = Buffer.from('data: [DONE]\n\n');
/** How long an upstream may take to close a stream that has said its last word. */
const CLOSE_GRACE_MS = 1000;
const OVER: DispatchResult = { kind: 'over' };

export class Dispatch implements UpstreamHandlers {
  readonly #plan: DispatchPlan;
  readonly #tools: DispatchTools;
  readonly #outlet: Outlet;
  readonly #ended = Promise.withResolvers<void>();
  #startedAt = 0;
  /** The same moment on the wall clock: the price that holds then is the dispatch's. */
  #startedAtMs = 0;
  #exchange: UpstreamExchange | null = null;
  #meter: Meter | null = null;
  #end: End | null = null;
  #endedAt = 0;
  #firstByteAt: number | null = null;
  #wasSent = false;
  #status: number | null = null;
  #headers: UpstreamHeaders = {};
  #isStream = false;
  #upstreamEnded = false;
  /** The upstream broke off, which an answer that is whole survives. */
  #isCut = false;
  #onUpstreamEnd: (() => void) | null = null;
  #isCallerGone = false;
  readonly #bugs: unknown[] = [];
  #drain: Drain | null = null;
  #totalTimer: NodeJS.Timeout | null = null;
  #stallTimer: NodeJS.Timeout | null = null;
  readonly #onDrained = (): void => this.#resume();

  constructor(plan: DispatchPlan, tools: DispatchTools, outlet: Outlet) {
    this.#plan = plan;
    this.#tools = tools;
    this.#outlet = outlet;
  }

  /** Generated tokens so far, an estimate. */
  get outputTokens(): number {
    return tokensOfBytes(this.#meter?.outputBytes ?? 0);
  }

  /**
   * Resolves when the entry is settled and, unless `undelivered`, the caller has the end. Rejects only with a bug of
   * ours, and then the entry is settled all the same.
   */
  async run(): Promise<DispatchResult> {
    const { clock, ledger } = this.#tools;
    this.#startedAt = clock.monotonic();
    this.#startedAtMs = clock.now();
    try {
      await ledger.open(intentOf(this.#plan, this.#startedAtMs));
    } catch (error) {
      this.#refuse(error);
      return OVER;
    }
    let refused: unknown = null;
    try {
      if (this.#end === null) this.#send();
      await this.#ended.promise;
    } finally {
      this.#clear();
      refused = await this.#settle();
    }
    if (refused === null) return this.#releaseOrThrow();
    this.#exchange?.abort();
    this.#refuse(refused);
    return OVER;
  }

  /** The caller hung up. Known before the upstream's end was seen, this makes the dispatch `aborted`. */
  callerGone(): void {
    if (this.#isCallerGone || this.#end !== null) return;
    this.#isCallerGone = true;
    this.#resume();
    const limit = (): void => this.#abort('caller_gone');
    this.#drain = this.#exchange === null ? null : this.#tools.drains.begin(this.outputTokens, limit);
    if (this.#drain === null) limit();
  }

  /** Ends it now, without a drain. */
  stop(reason: 'stopped' | 'shutdown'): void {
    this.#abort(reason);
  }

  sent(): void {
    this.#wasSent = true;
  }

  head(status: number, headers: UpstreamHeaders): void {
    if (this.#end !== null) return;
    this.#status = status;
    this.#headers = headers;
    if (status < 300) this.#plan.onAccepted?.();
    if (status >= 300 && status < 400) this.#break('redirect');
    else {
      this.#isStream = isEventStream(status, headers, this.#plan.stream);
      this.#meter = this.#isStream
        ? streamMeter(this.#plan, this.#tools, headers, (bytes) => this.#forward(bytes))
        : bodyMeter(this.#plan, this.#tools, headers);
    }
  }

  chunk(bytes: Buffer): void {
    const meter = this.#meter;
    if (meter === null) return;
    this.#firstByteAt ??= this.#tools.clock.monotonic();
    const overflow = meter.push(bytes);
    if (this.#end !== null) {
      // Settling or settled: what still comes is held; more than the limit of it is not worth reading.
      if (overflow !== null) this.#closeUpstream();
      return;
    }
    if (overflow !== null) this.#break(overflow);
    else if (meter.isTerminal) this.#finish(this.#finalEnd(meter.reading()));
    else if (this.#drain?.isSpent(this.outputTokens)) this.#abort('caller_gone');
  }

  end(): void {
    this.#upstreamEnded = true;
    const meter = this.#meter;
    if (meter === null) this.#break('truncated');
    else meter.finish((bug) => (bug === null ? this.#finish(this.#endOf(meter)) : this.#fault(bug)));
    this.#onUpstreamEnd?.();
  }

  failed(kind: TransportFailure): void {
    this.#upstreamEnded = true;
    // Where the count and the stop reason have come, a missing last word takes nothing from the answer.
    this.#isCut = true;
    if (this.#isStream && this.#meter?.isWhole) this.#finish(this.#finalEnd(this.#meter.reading()));
    else this.#finish(this.#gone({ outcome: 'failed', errorKind: kind }));
    this.#onUpstreamEnd?.();
  }

  #send(): void {
    const { target, dialect } = this.#plan;
    const { totalTimeoutMs } = target.provider.timeouts;
    if (totalTimeoutMs > 0) this.#totalTimer = setTimeout(() => this.#break('total_timeout'), totalTimeoutMs);
    const request = {
      provider: target.provider,
      path: dialect.path,
      headers: this.#plan.headers,
      body: this.#plan.body,
    };
    this.#exchange = this.#tools.transport(target.provider).send(
      request,
      guarded(this, (bug) => this.#fault(bug)),
    );
  }

  #forward(bytes: Buffer): void {
    if (this.#isCallerGone || this.#outlet.isOver) return;
    try {
      this.#sendHead(null);
      if (this.#outlet.write(bytes, this.#onDrained)) return;
    } catch (bug) {
      // A decoder's callback may stand behind this call, where nobody else would catch it.
      this.#fault(bug);
      return;
    }
    this.#exchange?.pause();
    const { idleTimeoutMs } = this.#plan.target.provider.timeouts;
    if (this.#end === null && this.#stallTimer === null && idleTimeoutMs > 0) {
      this.#stallTimer = setTimeout(() => this.#abort('caller_stalled'), idleTimeoutMs);
    }
  }

  #resume(): void {
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    this.#stallTimer = null;
    this.#exchange?.resume();
  }

  /** What a proper end of the upstream means. */
  #endOf(meter: Meter): End {
    const reading = meter.reading();
    if (this.#status! > 299) return this.#gone({ outcome: 'failed', errorKind: 'http_error' });
    const isCut =
      this.#isStream && !meter.isWhole && reading.stopReason === null && reading.anomaly !== 'encoding_broken';
    if (isCut && reading.errorKind === null) return this.#gone({ outcome: 'failed', errorKind: 'truncated' });
    return this.#finalEnd(reading);
  }

  #finalEnd({ errorKind }: Reading): End {
    return this.#gone(errorKind === null ? COMPLETED : { outcome: 'failed', errorKind });
  }

  /** An end that comes while nobody listens any more is an abort, whatever it was. */
  #gone(end: End): End {
    return this.#isCallerGone ? { outcome: 'aborted', errorKind: 'caller_gone' } : end;
  }

  #break(errorKind: ErrorKind): void {
    this.#finish(this.#gone({ outcome: 'failed', errorKind }));
    this.#closeUpstream();
  }

  #abort(errorKind: ErrorKind): void {
    if (this.#end !== null) return;
    this.#finish({ outcome: 'aborted', errorKind });
    this.#closeUpstream();
  }

  /** A bug of ours, wherever it was met: the dispatch is settled, and `run` rejects with it. */
  #fault(bug: unknown): void {
    this.#bugs.push(bug);
    this.#finish({ outcome: 'failed', errorKind: 'internal' });
    this.#closeUpstream();
  }

  #closeUpstream(): void {
    if (this.#upstreamEnded) return;
    this.#exchange?.abort();
    this.#upstreamEnded = true;
    this.#onUpstreamEnd?.();
  }

  /** The first call decides; the rest of the dispatch follows in `run`. */
  #finish(end: End): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#endedAt = this.#tools.clock.monotonic();
    this.#ended.resolve();
  }

  #clear(): void {
    this.#drain?.end();
    if (this.#totalTimer !== null) clearTimeout(this.#totalTimer);
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    this.#totalTimer = null;
    this.#stallTimer = null;
  }

  /** Returns what the ledger refused with, null when the settlement is durable. */
  async #settle(): Promise<unknown> {
    const { ledger, clock, prices, onAnomaly } = this.#tools;
    const { dispatchId, attribution, target, dialect, body } = this.#plan;
    const startedAt = this.#startedAtMs;
    // Without an end something of ours threw; the dispatch is settled all the same.
    this.#end ??= { outcome: 'failed', errorKind: 'internal' };
    const end = this.#end;
    const reading = this.#meter?.reading() ?? null;
    if (reading?.anomaly) onAnomaly?.(dispatchId, reading.anomaly);
    const isComplete = (this.#upstreamEnded && end.outcome === 'completed') || this.#meter?.isWhole === true;
    const exchanged = { end, wasSent: this.#wasSent, status: this.#status, isComplete, reading };
    const latencyMs = Math.round((this.#endedAt || clock.monotonic()) - this.#startedAt);
    const counted = usageOutcome(exchanged, () => dialect.estimatePrompt(body));
    const settlement = {
      dispatchId,
      tenantId: attribution.tenantId,
      outcome: end.outcome,
      httpStatus: this.#status,
      errorKind: end.errorKind,
      stopReason: reading?.stopReason ?? null,
      serviceTier: reading?.serviceTier ?? null,
      ...counted,
      rawUsage: reading?.rawUsage ?? null,
      ...costFacts(prices, target, { usage: counted.usage, reading, startedAt, headers: this.#headers }),
      latencyMs,
      timeToFirstTokenMs: this.#firstByteAt === null ? null : Math.round(this.#firstByteAt - this.#startedAt),
      endedAt: clock.now(),
      providerRequestId: headerOf(this.#headers, 'x-request-id') ?? reading?.responseId ?? null,
    };
    try {
      await ledger.settle(settlement);
      return null;
    } catch (error) {
      return error;
    }
  }

  #refuse(error: unknown): void {
    const { runId, dispatchId } = this.#plan;
    const refusal =
      error instanceof GatewayError ? error : new GatewayError('internal', 'The call could not be recorded.');
    this.#outlet.fail(refusal, { runId, dispatchId });
  }

  async #releaseOrThrow(): Promise<DispatchResult> {
    const result = await this.#release().catch((bug: unknown) => this.#fault(bug));
    if (this.#bugs.length > 0) throw this.#bugs[0];
    return result ?? OVER;
  }

  async #release(): Promise<DispatchResult> {
    const end = this.#end!;
    if (this.#isCallerGone) {
      this.#closeUpstream();
      this.#outlet.end(null);
      return OVER;
    }
    if (end.outcome === 'aborted') {
      this.#refuse(refusalOf(end.errorKind!, this.#plan.target.provider.id));
      return OVER;
    }
    if (end.outcome === 'failed' && !this.#outlet.hasHead) {
      return { kind: 'undelivered', failure: this.#failure(end.errorKind!), deliver: () => this.#deliver() };
    }
    if (this.#isStream) await this.#endStream(end);
    else this.#deliver();
    return OVER;
  }

  async #endStream({ outcome, errorKind }: End): Promise<void> {
    const meter = this.#meter!;
    if (outcome === 'failed' && errorKind !== 'provider_error') {
      this.#refuse(refusalOf(errorKind!, this.#plan.target.provider.id));
      return;
    }
    this.#sendHead(null);
    if (!this.#upstreamEnded) await this.#awaitUpstreamEnd(meter);
    // Cut after its count and before its last word: the caller gets the word that was due.
    this.#outlet.end(this.#isCut && !meter.isTerminal ? DONE : meter.takeHeld());
  }

  /** The last word goes out now, what may follow it when it has come. */
  #awaitUpstreamEnd(meter: Meter): Promise<void> {
    const held = meter.takeHeld();
    if (held !== null) this.#outlet.write(held, this.#onDrained);
    this.#exchange?.resume();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#closeUpstream(), CLOSE_GRACE_MS);
    this.#onUpstreamEnd = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }

  /** The provider's own answer where there is one, else ours about it. */
  #deliver(): void {
    const { errorKind } = this.#end!;
    const isAnswer =
      errorKind === null ||
      errorKind === 'http_error' ||
      errorKind === 'provider_error' ||
      errorKind === 'invalid_answer';
    if (!isAnswer || this.#meter === null) {
      this.#refuse(refusalOf(errorKind!, this.#plan.target.provider.id));
      return;
    }
    const body = this.#meter.takeHeld();
    this.#sendHead(body?.length ?? 0);
    this.#outlet.end(body);
  }

  #sendHead(contentLength: number | null): void {
    if (this.#outlet.hasHead) return;
    const headers = answerHeaders(this.#headers);
    if (contentLength !== null) headers['content-length'] = String(contentLength);
    this.#outlet.head({ status: this.#status!, headers, runId: this.#plan.runId, dispatchId: this.#plan.dispatchId });
  }

  #failure(errorKind: ErrorKind): Failure {
    const { dialect, strips } = this.#plan;
    const held = this.#meter instanceof BodyMeter ? this.#meter.held() : null;
    const isRefused = strips && errorKind === 'http_error' && held !== null;
    return {
      errorKind,
      status: this.#status,
      retryAfter: headerOf(this.#headers, 'retry-after'),
      refusedUsageQuestion: isRefused && dialect.refusesUsageQuestion(this.#status!, held),
    };
  }
}
