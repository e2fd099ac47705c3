/**
 * One run: a call, its targets, and one dispatch after the other until one of them has answered or nothing more is worth
 * trying. Each try is a dispatch of its own, with its own entry; only while no byte has reached the caller is there
 * another. Knows nothing of admission.
 */

import type { RunInFlight } from '@weighbridge/protocol';
import type { Dispatch, DispatchResult } from '../dispatch/dispatch.ts';
import type { DispatchOrder } from '../dispatch/dispatcher.ts';
import { nextStep } from '../dispatch/fallback.ts';
import { refusalOf } from '../dispatch/outcome.ts';
import type { Outlet } from '../dispatch/outlet.ts';
import type { Call } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import type { ObjectScan } from '../lib/json-splice.ts';
import type { Dialect } from '../providers/dialect.ts';
import { dialectOf } from '../providers/dialects.ts';
import type { Resolved } from './resolve.ts';

export interface RunTools {
  dispatcher: {
    prepare(order: DispatchOrder, outlet: Outlet): Dispatch;
  };
  /** The agent's instructions in the words of a dialect, null when it has none. */
  leading: (agent: Resolved['agent'], dialect: Dialect) => Buffer | null;
  now: () => number;
  random: () => number;
  retriesMax: number;
}

/** What is in flight, for people who look. */
export type RunView = RunInFlight;

export interface RunStart {
  runId: string;
  call: Call;
  scan: ObjectScan;
  resolved: Resolved;
}

export class Run {
  readonly #start: RunStart;
  readonly #tools: RunTools;
  readonly #outlet: Outlet;
  readonly #startedAt: number;
  readonly #targets: readonly Target[];
  #targetIndex = 0;
  #attempt = 0;
  #withoutUsageQuestion = false;
  #current: Dispatch | null = null;
  #isCallerGone = false;
  #stopped: 'stopped' | 'shutdown' | null = null;
  #wake: (() => void) | null = null;

  constructor(start: RunStart, outlet: Outlet, tools: RunTools) {
    this.#start = start;
    this.#outlet = outlet;
    this.#tools = tools;
    this.#startedAt = tools.now();
    // A fallback whose dialect is not spoken cannot help; admission has looked at the first.
    this.#targets = start.resolved.targets.filter((target, index) => index === 0 || dialectOf(target.provider.api));
  }

  get view(): RunView {
    const { runId, resolved } = this.#start;
    const { tenantId, agentId, sessionKey } = resolved.attribution;
    const { provider, model } = this.#target;
    return {
      runId,
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
      const targetsLeft = this.#targets.length - 1 - this.#targetIndex;
      const tries = { retries, retriesMax: this.#tools.retriesMax, targetsLeft };
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
    return this.#targets[this.#targetIndex]!;
  }

  async #dispatch(): Promise<DispatchResult> {
    const { runId, call, scan, resolved } = this.#start;
    const target = this.#target;
    const dialect = spokenBy(target);
    this.#attempt++;
    const order = {
      runId,
      attempt: this.#attempt,
      call,
      scan,
      attribution: resolved.attribution,
      target,
      dialect,
      leading: this.#tools.leading(resolved.agent, dialect),
      withoutUsageQuestion: this.#withoutUsageQuestion,
    };
    this.#current = this.#tools.dispatcher.prepare(order, this.#outlet);
    try {
      return await this.#current.run();
    } finally {
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
    const ids = { runId: this.#start.runId, dispatchId: null };
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

/** The dialect of a target; throws `unsupported_dialect`. */
export function spokenBy({ provider }: Target): Dialect {
  const dialect = dialectOf(provider.api);
  if (dialect !== null) return dialect;
  throw new GatewayError(
    'unsupported_dialect',
    `Provider '${provider.id}' speaks ${provider.api}, which this door does not; use a model of another provider.`,
    { param: 'model' },
  );
}
