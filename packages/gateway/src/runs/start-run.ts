/**
 * The one way in: both doors hand a call here, and from here on it is a run. Admission refuses what must not reach a
 * provider (draining, too many, no ledger, a loop, a name that means nothing); what is admitted is kept in the registry
 * until its last dispatch is settled.
 */

import { HOP_HEADER } from '../dispatch/headers.ts';
import { Outlet } from '../dispatch/outlet.ts';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { scanObject } from '../lib/json-splice.ts';
import type { Dialect } from '../providers/dialect.ts';
import { Admission } from './admission.ts';
import type { Pressure } from './pressure.ts';
import { type Resolved, resolveCall } from './resolve.ts';
import { Run, type RunTools, type RunView, spokenBy } from './run.ts';

export interface RunsDeps {
  ledger: { readonly ledgerId: string; readonly available: boolean };
  dispatcher: RunTools['dispatcher'];
  catalogue: { find(ref: string): Target | null; providerIds(): string[] };
  clock: Clock;
  ids: IdSource;
  config: Pick<GatewayConfig, 'agents' | 'limits'>;
  /** Null or absent: no database file of this machine. */
  disk?: { readonly belowFloor: boolean } | null;
  /** Null or absent: only numbers limit what comes in. */
  pressure?: Pick<Pressure, 'admit'> | null;
  /** Told of exceptions that are bugs; the caller only hears `internal`. */
  report?: (error: unknown) => void;
  random?: () => number;
}

export class Runs {
  readonly #deps: RunsDeps;
  readonly #tools: RunTools;
  readonly #running = new Map<string, Run>();
  readonly #leading = new Map<string, Buffer>();
  readonly #admission: Admission;
  #onIdle: (() => void) | null = null;

  constructor(deps: RunsDeps) {
    this.#deps = deps;
    const { ledger, disk = null, pressure = null, config } = deps;
    this.#admission = new Admission({ ledger, disk, pressure, runsMax: () => config.limits.runsMax });
    this.#tools = {
      dispatcher: deps.dispatcher,
      leading: (agent, dialect) => this.#leadingOf(agent, dialect),
      now: () => deps.clock.now(),
      random: deps.random ?? Math.random,
      retriesMax: deps.config.limits.retriesMax,
    };
  }

  get draining(): boolean {
    return this.#admission.draining;
  }

  /** For doors, before they read a body: why no call may come in now, or null. Takes the place of one call. */
  atDoor(): GatewayError | null {
    return this.#admission.atDoor();
  }

  /** Resolves when the run is over and settled. Never rejects: refusals go to the sink. */
  async start(call: Call, sink: AnswerSink, callerGone: AbortSignal): Promise<void> {
    const runId = this.#deps.ids.next('run');
    const outlet = new Outlet(sink);
    const run = this.#admit(runId, call, outlet);
    if (run === null) return;
    const onGone = (): void => run.callerGone();
    this.#running.set(runId, run);
    this.#admission.entered();
    callerGone.addEventListener('abort', onGone, { once: true });
    if (callerGone.aborted) onGone();
    try {
      await run.play();
    } catch (error) {
      this.#refuse(error, runId, outlet);
    } finally {
      callerGone.removeEventListener('abort', onGone);
      this.#running.delete(runId);
      this.#admission.left();
      if (this.#running.size === 0) this.#onIdle?.();
    }
  }

  inFlight(): RunView[] {
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
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(() => {
      for (const run of this.#running.values()) run.stop('shutdown');
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  #admit(runId: string, call: Call, outlet: Outlet): Run | null {
    try {
      this.#refuseUnlessOpen(call);
      const resolved = resolveCall(call, { ...this.#deps.config, catalogue: this.#deps.catalogue });
      spokenBy(resolved.targets[0]);
      const scan = scanObject(call.body);
      if (typeof scan === 'string') throw new GatewayError('invalid_json', 'The body is not one JSON object.');
      return new Run({ runId, call, scan, resolved }, outlet, this.#tools);
    } catch (error) {
      this.#refuse(error, runId, outlet);
      return null;
    }
  }

  #refuseUnlessOpen({ headers }: Call): void {
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

  #leadingOf(agent: Resolved['agent'], dialect: Dialect): Buffer | null {
    if (agent === null || agent.instructions === null) return null;
    const key = `${dialect.api} ${agent.id}`;
    const known = this.#leading.get(key);
    if (known !== undefined) return known;
    const made = dialect.leadingMessage(agent.instructions);
    this.#leading.set(key, made);
    return made;
  }
}
