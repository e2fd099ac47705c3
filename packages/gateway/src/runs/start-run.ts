/**
 * The one way in: both doors hand a call here, and from here on it is a run. Admission refuses what must not reach a
 * provider (draining, too many, no ledger, a loop, a name that means nothing); what is admitted is kept in the registry
 * until its last dispatch is settled.
 */

import type { RunInFlight } from '@weighbridge/protocol';
import { HOP_HEADER } from '../dispatch/headers.ts';
import { Outlet } from '../dispatch/outlet.ts';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { Attribution } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Interceptor } from '../domain/interceptor.ts';
import type { PassCall } from '../domain/pass.ts';
import type { Target } from '../domain/provider.ts';
import type { RunTelling } from '../domain/run-facts.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { TransientMap } from '../lib/transient-map.ts';
import { Admission } from './admission.ts';
import type { CallAppends } from './call-appends.ts';
import { type Heard, HeardAnswer } from './heard-answer.ts';
import { IDEMPOTENCY_HEADER, Idempotency } from './idempotency.ts';
import { type SessionHeaders, snapshotFor } from './outbound.ts';
import { type CallKnowledge, Leading, planCall } from './plan-call.ts';
import { type PassKnowledge, planPass } from './plan-pass.ts';
import type { Pressure } from './pressure.ts';
import { type Plan, Run, type RunTools } from './run.ts';
import { isConversation } from './said.ts';
import { tellStart } from './telling.ts';
import { underTerms } from './terms.ts';

/** Configuration, catalogue and dispatcher are asked for anew with each call: a reload changes them together. */
export interface RunsDeps {
  ledger: { readonly ledgerId: string; readonly available: boolean };
  dispatcher: CallKnowledge['dispatcher'] & PassKnowledge['dispatcher'];
  catalogue: { find(ref: string): Target | null; providerIds(): string[] };
  clock: Clock;
  ids: IdSource;
  config: Pick<GatewayConfig, 'agents' | 'limits' | 'providers' | 'auth' | 'outboundHeaders'>;
  /** Null or absent: nothing is remembered from call to call. */
  sessions?: SessionHeaders | null;
  /** Takes what keyed calls said, after their ends. Null or absent: nobody does. */
  appends?: Pick<CallAppends, 'wanted' | 'bytesMax' | 'add'> | null;
  /** Null or absent: no database file of this machine. */
  disk?: { readonly belowFloor: boolean } | null;
  /** Null or absent: only numbers limit what comes in. */
  pressure?: Pick<Pressure, 'admit'> | null;
  /** Null or absent: nobody decides before a dispatch. */
  interceptor?: Interceptor | null;
  /** Null or absent: nobody follows runs as such. */
  telling?: RunTelling | null;
  /** Told of exceptions that are bugs; the caller only hears `internal`. */
  report?: (error: unknown) => void;
  random?: () => number;
}

/** For who must know a run before its answer begins: to end it, or to say what it is asking. */
export type OnAdmitted = (run: { runId: string; view: () => RunInFlight }) => void;

interface Started<C> {
  call: C;
  plan: (call: C) => Plan;
  /** What becomes of a session that is named and not there. */
  session: 'open' | 'snapshot';
  sink: AnswerSink;
  callerGone: AbortSignal;
  onAdmitted?: OnAdmitted | undefined;
}

export class Runs {
  readonly #deps: RunsDeps;
  readonly #tools: RunTools;
  readonly #running = new TransientMap<string, Run>();
  readonly #leading = new Leading();
  readonly #admission: Admission;
  readonly #idempotency: Idempotency;
  /** What is in flight is ended, and so is what is only on its way. */
  #isStopping = false;
  #onIdle: (() => void) | null = null;

  constructor(deps: RunsDeps) {
    this.#deps = deps;
    const { ledger, disk = null, pressure = null } = deps;
    this.#admission = new Admission({ ledger, disk, pressure, runsMax: () => deps.config.limits.runsMax });
    this.#idempotency = new Idempotency(() => deps.config.limits, deps.clock);
    const { interceptor = null, random = Math.random } = deps;
    this.#tools = { now: () => deps.clock.now(), random, interceptor };
  }

  get draining(): boolean {
    return this.#admission.draining;
  }

  /** For doors, before they read a body: why no call may come in now, or null. Takes the place of one call. */
  atDoor(): GatewayError | null {
    return this.#admission.atDoor();
  }

  /** Resolves when the run is over and settled. Never rejects: refusals go to the sink. */
  start(call: Call, sink: AnswerSink, callerGone: AbortSignal, onAdmitted?: OnAdmitted): Promise<void> {
    const { config, catalogue, dispatcher } = this.#deps;
    const { retriesMax } = config.limits;
    const known = { ...config, catalogue, dispatcher, retriesMax, leading: this.#leading };
    const plan = (under: Call) => planCall(under, known);
    const play = (to: AnswerSink, gone: AbortSignal) =>
      this.#run({ call, plan, session: 'open', sink: to, callerGone: gone, onAdmitted });
    if (call.headers[IDEMPOTENCY_HEADER] === undefined || call.session !== undefined) return play(sink, callerGone);
    return this.#idempotency
      .start(call, sink, callerGone, play)
      .catch((error: unknown) => this.#refuse(error, this.#deps.ids.next('run'), new Outlet(sink)));
  }

  /** The same for a request of the pass-through. */
  pass(call: PassCall, sink: AnswerSink, callerGone: AbortSignal): Promise<void> {
    const { config, catalogue, dispatcher } = this.#deps;
    const { providers, limits, auth, outboundHeaders } = config;
    const known = { providers, limits, outboundHeaders, catalogue, dispatcher, isOpenToAll: auth.mode === 'none' };
    return this.#run({ call, plan: (under) => planPass(under, known), session: 'snapshot', sink, callerGone });
  }

  async #run<C extends Call | PassCall>({
    call,
    plan,
    session,
    sink,
    callerGone,
    onAdmitted,
  }: Started<C>): Promise<void> {
    const runId = this.#deps.ids.next('run');
    let outlet = new Outlet(sink);
    let hasEntered = false;
    try {
      this.#refuseUnlessOpen(call.headers);
      const under = underTerms(call);
      const planned = plan(under);
      this.#admission.entered();
      hasEntered = true;
      const { sessions = null, config } = this.#deps;
      const { attribution } = planned;
      const snapshot = snapshotFor(under, attribution, config.outboundHeaders, sessions, session);
      // Not awaited where it is known: what comes in one turn of the loop goes to the ledger in one batch.
      const { sessionId, outboundHeaders } = snapshot instanceof Promise ? await snapshot : snapshot;
      attribution.sessionId ??= sessionId;
      outlet = new Outlet(this.#heard(under, sink, { runId, attribution, callerGone }));
      const run = new Run(runId, planned, outboundHeaders, outlet, this.#tools);
      onAdmitted?.({ runId, view: () => run.view });
      const told = this.#deps.telling && tellStart(this.#deps.telling, runId, planned, this.#deps.clock);
      try {
        await this.#play(run, runId, callerGone);
      } catch (error) {
        told?.ended(run, error);
        throw error;
      }
      told?.ended(run, null);
    } catch (error) {
      this.#refuse(error, runId, outlet);
    } finally {
      if (hasEntered) this.#admission.left();
      if (this.#admission.runs === 0) this.#onIdle?.();
    }
  }

  /** A call that is a turn of its session is heard along; nobody waits for what becomes of it. */
  #heard(
    call: Call | PassCall,
    sink: AnswerSink,
    { runId, attribution, callerGone }: { runId: string; attribution: Attribution; callerGone: AbortSignal },
  ): AnswerSink {
    const { appends = null, clock } = this.#deps;
    const { sessionKey, sessionId } = attribution;
    if (appends === null || sessionKey === null || sessionId === null || !appends.wanted) return sink;
    // A pass-through is nobody's business, and a turn appends itself.
    if (!('ask' in call) || !isConversation(call.ask) || call.session !== undefined) return sink;
    const { asked } = call;
    const startedAt = clock.now();
    const listener = {
      bytesMax: appends.bytesMax,
      isGone: () => callerGone.aborted,
      onHeard: (heard: Heard) => appends.add({ runId, attribution, asked, startedAt, heard }),
    };
    return new HeardAnswer(sink, call.ask, listener);
  }

  async #play(run: Run, runId: string, callerGone: AbortSignal): Promise<void> {
    const onGone = (): void => run.callerGone();
    this.#running.set(runId, run);
    callerGone.addEventListener('abort', onGone, { once: true });
    if (callerGone.aborted) onGone();
    if (this.#isStopping) run.stop('shutdown');
    try {
      await run.play();
    } finally {
      callerGone.removeEventListener('abort', onGone);
      this.#running.take(runId);
    }
  }

  inFlight(): RunInFlight[] {
    return Array.from(this.#running.values(), (run) => run.view);
  }

  /** Ends one run at once, without a drain. False: no such run in flight. */
  stop(runId: string): boolean {
    const run = this.#running.get(runId);
    run?.stop('stopped');
    return run !== undefined;
  }

  /** Accepts no more, waits for what is in flight, then ends the rest. Resolves when all are settled. */
  async drain(timeoutMs: number): Promise<void> {
    this.#admission.drain();
    if (this.#admission.runs === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(() => {
      this.#isStopping = true;
      for (const run of this.#running.values()) run.stop('shutdown');
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  #refuseUnlessOpen(headers: Call['headers']): void {
    const refused = this.#admission.atStart();
    if (refused !== null) throw refused;
    const { ledger } = this.#deps;
    if (headers[HOP_HEADER]?.includes(ledger.ledgerId)) {
      throw new GatewayError(
        'loop_detected',
        'This request came from this very gateway: a provider’s `baseUrl` points back at it. Correct that.',
      );
    }
  }

  #refuse(error: unknown, runId: string, outlet: Outlet): void {
    const isRefusal = error instanceof GatewayError;
    if (!isRefusal) this.#deps.report?.(error);
    const refusal = isRefusal ? error : new GatewayError('internal', 'Internal error; the log has it.');
    outlet.fail(refusal, { runId, dispatchId: null });
  }
}
