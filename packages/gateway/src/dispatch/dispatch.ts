/**
 * One dispatch, from its intent to its last byte: open the ledger entry, ask the provider, meter the answer, settle once
 * in a `finally`, and only then let the answer's end go. How the exchange goes wrong is data here (`End`), not an
 * exception; whatever happens, a dispatch that was opened is settled.
 */
import type { EntrySettlement } from '../domain/entry.ts';
import type { Reading } from '../providers/dialect.ts';
import { tokensOfBytes } from '../providers/estimate.ts';
import type { TransportFailure, UpstreamExchange, UpstreamHandlers, UpstreamHeaders } from '../providers/transport.ts';
import { Delivery } from './delivery.ts';
import type { Drain } from './drain.ts';
import type { Failure } from './fallback.ts';
import { guarded } from './guarded.ts';
import { headerOf } from './headers.ts';
import type { Meter } from './meter.ts';
import type { End, ErrorKind, Exchanged } from './outcome.ts';
import type { Outlet } from './outlet.ts';
import { type DispatchPlan, type DispatchTools, intentOf, type Metering } from './plan.ts';
import { bareSettlement, settlementOf } from './settlement.ts';

/** `over`: the caller has the end. `undelivered`: nothing reached the caller; try again, or `deliver` what there is. */
export type DispatchResult = { kind: 'over' } | { kind: 'undelivered'; failure: Failure; deliver: () => void };

const INTERNAL: End = { outcome: 'failed', errorKind: 'internal' };
/** How long an upstream may take to close a stream that has said its last word. */
const CLOSE_GRACE_MS = 1000;
const OVER: DispatchResult = { kind: 'over' };

export class Dispatch implements UpstreamHandlers {
  readonly #plan: DispatchPlan;
  readonly #tools: DispatchTools;
  readonly #delivery: Delivery;
  readonly #ended = Promise.withResolvers<void>();
  #startedAt = 0;
  /** The same moment on the wall clock: the price that holds then is the dispatch's. */
  #startedAtMs = 0;
  #exchange: UpstreamExchange | null = null;
  #metering: Metering | null = null;
  #end: End | null = null;
  #endedAt = 0;
  #firstByteAt: number | null = null;
  #wasSent = false;
  #status: number | null = null;
  #headers: UpstreamHeaders = {};
  #upstreamEnded = false;
  /** It ended as it should, with these trailers. */
  #hasEndedWell = false;
  #trailers: UpstreamHeaders | null = null;
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
    this.#delivery = new Delivery(plan, outlet);
  }

  get #meter(): Meter | null {
    return this.#metering?.meter ?? null;
  }

  /** How it ended; null until it has. */
  get outcome(): End | null {
    return this.#end;
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
      this.#delivery.fail(error);
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
    this.#delivery.fail(refused);
    return OVER;
  }

  /** The caller hung up. Known before the upstream's end was seen, this makes the dispatch `aborted`. */
  callerGone(): void {
    if (this.#isCallerGone || this.#end !== null) return;
    this.#isCallerGone = true;
    this.#resume();
    const limit = (): void => this.#abort('caller_gone');
    // What is never counted is not read on: others need the place.
    const isWorthReading = this.#exchange !== null && this.#plan.reader !== null;
    this.#drain = !isWorthReading ? null : this.#tools.drains.begin(this.outputTokens, limit);
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
    this.#delivery.answered(status, headers);
    if (status < 300) this.#plan.onAccepted?.();
    const { manner } = this.#plan;
    const answered = { status, headers };
    const metering = manner.meter(this.#plan, this.#tools, answered, (bytes) => this.#forward(bytes));
    if (typeof metering === 'string') {
      this.#break(metering);
      return;
    }
    this.#metering = metering;
    // What came with the head goes out with it: only when this read has nothing more does the head go alone.
    if (metering.isStream && manner.isHeadFirst(this.#plan, answered)) queueMicrotask(() => this.#beginAlone());
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
    else if (meter.isTerminal) this.#finish(this.#properEnd());
    else if (this.#drain?.isSpent(this.outputTokens)) this.#abort('caller_gone');
  }

  end(trailers: UpstreamHeaders | null = null): void {
    this.#upstreamEnded = true;
    this.#hasEndedWell = true;
    this.#trailers = trailers;
    const meter = this.#meter;
    if (meter === null) this.#break('truncated');
    else meter.finish((bug) => (bug === null ? this.#finish(this.#properEnd()) : this.#fault(bug)));
    this.#onUpstreamEnd?.();
  }

  failed(kind: TransportFailure): void {
    this.#upstreamEnded = true;
    this.#isCut = true;
    const broken: End = { outcome: 'failed', errorKind: kind };
    const meter = this.#meter;
    if (meter === null) this.#finish(this.#gone(broken));
    else meter.catchUp((bug) => (bug === null ? this.#finish(this.#endOfCut(meter, broken)) : this.#fault(bug)));
    this.#onUpstreamEnd?.();
  }

  #send(): void {
    const { target, request } = this.#plan;
    const { totalTimeoutMs } = target.provider.timeouts;
    if (totalTimeoutMs > 0) this.#totalTimer = setTimeout(() => this.#break('total_timeout'), totalTimeoutMs);
    this.#exchange = this.#tools.transport(target.provider).send(
      { provider: target.provider, ...request },
      guarded(this, (bug) => this.#fault(bug)),
    );
  }

  #beginAlone(): void {
    if (this.#end !== null || this.#isCallerGone) return;
    try {
      this.#delivery.beginAlone(this.#onDrained);
    } catch (bug) {
      this.#fault(bug);
    }
  }

  #forward(bytes: Buffer): void {
    if (this.#isCallerGone) return;
    try {
      if (this.#delivery.write(bytes, this.#onDrained)) return;
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
  #properEnd(): End {
    const answered = { status: this.#status!, headers: this.#headers };
    return this.#gone(this.#plan.manner.endOf(answered, this.#metering!));
  }

  /** Where the count and the stop reason have come, a missing last word takes nothing from the answer. */
  #endOfCut(meter: Meter, broken: End): End {
    return this.#metering?.isStream && meter.isWhole ? this.#properEnd() : this.#gone(broken);
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
    this.#finish(INTERNAL);
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
    try {
      await this.#tools.ledger.settle(this.#settlement());
      return null;
    } catch (error) {
      return error;
    }
  }

  #settlement(): EntrySettlement {
    const { clock, prices, onAnomaly } = this.#tools;
    // Without an end something of ours threw; the dispatch is settled all the same.
    this.#end ??= INTERNAL;
    const times = {
      firstByteMs: this.#firstByteAt === null ? null : this.#firstByteAt - this.#startedAt,
      endMs: (this.#endedAt || clock.monotonic()) - this.#startedAt,
      startedAt: this.#startedAtMs,
      endedAt: clock.now(),
    };
    try {
      const exchanged = this.#exchanged(this.#end, this.#meter?.reading() ?? null);
      if (exchanged.reading?.anomaly) onAnomaly?.(this.#plan.dispatchId, exchanged.reading.anomaly);
      return settlementOf(this.#plan, prices, exchanged, this.#headers, times);
    } catch (bug) {
      this.#bugs.push(bug);
      this.#end = INTERNAL;
      return bareSettlement(this.#plan, this.#exchanged(INTERNAL, null), times);
    }
  }

  #exchanged(end: End, reading: Reading | null): Exchanged {
    const isComplete = (this.#upstreamEnded && end.outcome === 'completed') || this.#meter?.isWhole === true;
    return { end, wasSent: this.#wasSent, status: this.#status, isComplete, reading };
  }

  async #releaseOrThrow(): Promise<DispatchResult> {
    const result = await this.#release().catch((bug: unknown) => this.#fault(bug));
    if (this.#bugs.length > 0) throw this.#bugs[0];
    return result ?? OVER;
  }

  async #release(): Promise<DispatchResult> {
    const end = this.#end!;
    const delivery = this.#delivery;
    if (this.#isCallerGone) {
      this.#closeUpstream();
      delivery.abandon();
    } else if (end.outcome === 'aborted') {
      delivery.refuse(end.errorKind!);
    } else if (end.outcome === 'failed' && !delivery.hasHead && this.#plan.manner.isReplaceable(this.#metering)) {
      const deliver = (): void => delivery.whole(end.errorKind, this.#meter);
      return { kind: 'undelivered', failure: this.#failure(end.errorKind!), deliver };
    } else if (this.#metering?.isStream) {
      await this.#endStream(end, this.#metering.meter);
    } else {
      delivery.whole(end.errorKind, this.#meter);
    }
    return OVER;
  }

  async #endStream(end: End, meter: Meter): Promise<void> {
    if (!this.#plan.manner.endsWell(end, meter, this.#hasEndedWell)) {
      this.#delivery.refuse(end.errorKind ?? 'truncated');
      return;
    }
    if (!this.#upstreamEnded) await this.#awaitUpstreamEnd(meter);
    // Cut after its count and before its last word: the caller gets the word that was due.
    const due = this.#isCut ? meter.lastWord() : null;
    this.#delivery.end(due ?? meter.takeHeld(), this.#trailers);
  }

  /** The last word goes out now, what may follow it when it has come. */
  #awaitUpstreamEnd(meter: Meter): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#closeUpstream(), CLOSE_GRACE_MS);
    this.#onUpstreamEnd = () => {
      clearTimeout(timer);
      resolve();
    };
    const held = meter.takeHeld();
    if (held !== null) this.#delivery.write(held, this.#onDrained);
    // An end that lies behind a pause comes within this call.
    this.#exchange?.resume();
    return promise;
  }

  #failure(errorKind: ErrorKind): Failure {
    const answer = this.#plan.strips && errorKind === 'http_error' ? (this.#meter?.text() ?? null) : null;
    return {
      errorKind,
      status: this.#status,
      retryAfter: headerOf(this.#headers, 'retry-after'),
      refusedUsageQuestion: answer !== null && this.#plan.refusesUsageQuestion?.(this.#status!, answer) === true,
    };
  }
}
