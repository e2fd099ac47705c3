/**
 * One run: a plan, its targets, and one dispatch after the other until one of them has answered or nothing more is worth
 * trying. Each try is a dispatch of its own, with its own entry; only while no byte has reached the caller is there
 * another. Knows nothing of admission, nor of what is asked for.
 */

import type { RunInFlight } from '@weighbridge/protocol';
import type { Dispatch, DispatchResult } from '../dispatch/dispatch.ts';
import { nextStep } from '../dispatch/fallback.ts';
import { refusalOf } from '../dispatch/outcome.ts';
import type { Outlet } from '../dispatch/outlet.ts';
import type { Attribution } from '../domain/entry.ts';
import type { Interceptor } from '../domain/interceptor.ts';
import type { OutboundHeaders } from '../domain/outbound-headers.ts';
import type { Target } from '../domain/provider.ts';
import { intercepted } from './intercepted.ts';

/** One try as the run wants it. */
export interface Try {
  runId: string;
  /** 1 for the first. */
  attempt: number;
  target: Target;
  /** The provider has just refused what may have been our usage question: this time it is left out. */
  withoutUsageQuestion: boolean;
  /** The run's, with the tags that an interceptor adds to this try. */
  attribution: Attribution;
  /** The run's outbound headers: the same for each try, but for what an interceptor adds. */
  outbound: OutboundHeaders;
}

/** What was asked for, ready to be tried. */
export interface Plan {
  attribution: Attribution;
  requestedModel: string;
  source: 'gateway' | 'proxy';
  /** The first is dispatched to; the rest are fallbacks, in order. */
  targets: readonly [Target, ...Target[]];
  /** Tries again at the same target, for each. */
  retriesMax: number;
  /** The target that a name stands for, where the call can be asked there; null: it cannot. Absent: nothing else can be. */
  retarget?(name: string, instead: Target): Target | null;
  prepare(of: Try, outlet: Outlet): Dispatch;
}

export interface RunTools {
  now: () => number;
  random: () => number;
  /** Null: nobody decides before a dispatch. */
  interceptor: Interceptor | null;
}

export class Run {
  /** Those that were made, and how the last of them ended. */
  dispatches = 0;
  end: Dispatch['outcome'] = null;
  readonly #runId: string;
  readonly #plan: Plan;
  readonly #outbound: OutboundHeaders;
  readonly #tools: RunTools;
  readonly #outlet: Outlet;
  readonly #startedAt: number;
  #targetIndex = 0;
  #attempt = 0;
  #withoutUsageQuestion = false;
  #current: Dispatch | null = null;
  #isCallerGone = false;
  #stopped: 'stopped' | 'shutdown' | null = null;
  #wake: (() => void) | null = null;

  /** `outbound`: what its session had to send when it was admitted. */
  constructor(runId: string, plan: Plan, outbound: OutboundHeaders, outlet: Outlet, tools: RunTools) {
    this.#runId = runId;
    this.#plan = plan;
    this.#outbound = outbound;
    this.#outlet = outlet;
    this.#tools = tools;
    this.#startedAt = tools.now();
  }

  /** For people who look at what is in flight. */
  get view(): RunInFlight {
    const { tenantId, agentId, sessionKey } = this.#plan.attribution;
    const { provider, model } = this.#target;
    return {
      runId: this.#runId,
      tenantId,
      agentId,
      sessionKey,
      provider: provider.id,
      model,
      attempt: this.#attempt,
      startedAt: new Date(this.#startedAt).toISOString(),
      tokens: this.#current?.outputTokens ?? 0,
    };
  }

  /** Resolves when every dispatch is settled and the caller has the end. */
  async play(): Promise<void> {
    let retries = 0;
    while (!this.#isOver()) {
      const result = await this.#dispatch();
      if (result.kind === 'over') return;
      if (this.#isOver()) return;
      const { targets, retriesMax } = this.#plan;
      const tries = { retries, retriesMax, targetsLeft: targets.length - 1 - this.#targetIndex };
      const next = nextStep(result.failure, tries, this.#tools.now(), this.#tools.random);
      if (next.step === 'give_up') {
        result.deliver();
        return;
      }
      if (next.step === 'retry') {
        retries++;
        await this.#wait(next.waitMs);
      } else if (next.step === 'retry_without_usage') {
        this.#withoutUsageQuestion = true;
      } else {
        retries = 0;
        this.#withoutUsageQuestion = false;
        this.#targetIndex++;
      }
    }
  }

  callerGone(): void {
    this.#isCallerGone = true;
    this.#current?.callerGone();
    this.#wake?.();
  }

  stop(reason: 'stopped' | 'shutdown'): void {
    this.#stopped ??= reason;
    this.#current?.stop(reason);
    this.#wake?.();
  }

  get #target(): Target {
    return this.#plan.targets[this.#targetIndex]!;
  }

  async #dispatch(): Promise<DispatchResult> {
    this.#attempt++;
    const planned: Try = {
      runId: this.#runId,
      attempt: this.#attempt,
      target: this.#target,
      withoutUsageQuestion: this.#withoutUsageQuestion,
      attribution: this.#plan.attribution,
      outbound: this.#outbound,
    };
    const { interceptor } = this.#tools;
    // Nothing is waited for where nobody decides.
    const of = interceptor?.isWanted ? await intercepted(interceptor, this.#plan, planned) : planned;
    if (of !== planned && this.#isOver()) return { kind: 'over' };
    this.#current = this.#plan.prepare(of, this.#outlet);
    try {
      return await this.#current.run();
    } finally {
      this.dispatches++;
      this.end = this.#current.outcome;
      this.#current = null;
    }
  }

  /** Nobody waits for another dispatch. A caller who is still there is told why. */
  #isOver(): boolean {
    if (this.#isCallerGone) {
      this.#outlet.end(null);
      return true;
    }
    if (this.#stopped === null) return false;
    const ids = { runId: this.#runId, dispatchId: null };
    this.#outlet.fail(refusalOf(this.#stopped, this.#target.provider.id), ids);
    return true;
  }

  #wait(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#wake = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }
}
