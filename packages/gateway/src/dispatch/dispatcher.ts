/**
 * Makes dispatches: turns a call and a target into the bytes and headers for that provider, and remembers which
 * targets answer only when they are not asked for usage. Decides nothing about retries; that is the run's.
 */
import type { Call } from '../domain/answer.ts';
import type { Attribution } from '../domain/entry.ts';
import type { Provider, Target } from '../domain/provider.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import type { ObjectScan } from '../lib/json-splice.ts';
import type { Pricing } from '../prices/prices.ts';
import { DemoTransport } from '../providers/demo.ts';
import type { Anomaly, Dialect } from '../providers/dialect.ts';
import type { Transport } from '../providers/transport.ts';
import { Dispatch } from './dispatch.ts';
import { type DrainPolicy, Drains } from './drain.ts';
import { fixedHeaders, requestHeaders, withOutbound } from './headers.ts';
import type { Outlet } from './outlet.ts';
import type { DispatchLedger, DispatchTools } from './plan.ts';

export interface DispatcherDeps {
  ledger: DispatchLedger & { readonly ledgerId: string };
  clock: Clock;
  ids: IdSource;
  /** The sockets; the demo answers in process. */
  upstream: Transport;
  prices: Pricing;
  config: { metering: DrainPolicy; limits: { eventBytesMax: number; answerBytesMax: number } };
  onAnomaly?: (dispatchId: string, anomaly: Anomaly) => void;
}

const UNASKABLE_MAX = 1000;

/** One dispatch as the run wants it. */
export interface DispatchOrder {
  runId: string;
  attempt: number;
  call: Call;
  /** Of the call's body. */
  scan: ObjectScan;
  attribution: Attribution;
  target: Target;
  dialect: Dialect;
  /** The agent's instructions as the dialect spells them. */
  leading: Buffer | null;
  /** Headers that the caller's key sends to this provider, lower-cased. */
  outbound: Readonly<Record<string, string>> | undefined;
  /** The provider has just refused what may have been our usage question: this time it is left out. */
  withoutUsageQuestion: boolean;
}

export class Dispatcher {
  readonly #tools: DispatchTools;
  readonly #ids: IdSource;
  readonly #ledgerId: string;
  /** Their part of the headers, made once. */
  readonly #fixed = new Map<Provider, readonly string[]>();
  /** Targets that answered only when they were not asked for usage. */
  readonly #unaskable = new Set<string>();

  constructor({ ledger, clock, ids, upstream, prices, config, onAnomaly }: DispatcherDeps) {
    const demo = new DemoTransport(() => clock.now());
    this.#ids = ids;
    this.#ledgerId = ledger.ledgerId;
    this.#tools = {
      ledger,
      clock,
      transport: (provider) => (provider.kind === 'demo' ? demo : upstream),
      drains: new Drains(config.metering),
      prices,
      limits: config.limits,
      onAnomaly: onAnomaly ?? null,
    };
  }

  prepare(order: DispatchOrder, outlet: Outlet): Dispatch {
    const { call, scan, target, dialect, leading, attribution, outbound } = order;
    const dispatchId = this.#ids.next('dsp');
    const { provider, model } = target;
    const askUsage = call.stream && !call.asksUsage && !order.withoutUsageQuestion && this.#mayAskUsage(target);
    const plan = {
      runId: order.runId,
      dispatchId,
      attempt: order.attempt,
      attribution,
      requestedModel: call.requestedModel,
      target,
      dialect,
      stream: call.stream,
      strips: askUsage,
      onAccepted: order.withoutUsageQuestion ? () => this.#stopAskingUsage(target) : null,
      headers: requestHeaders(
        withOutbound(this.#fixedFor(provider, dialect), outbound),
        dispatchId,
        call.headers,
        attribution.traceparent,
      ),
      body: dialect.encode(call.body, scan, { model, askUsage, leading }),
    };
    return new Dispatch(plan, this.#tools, outlet);
  }

  /** From now on this target is not asked for usage unless the caller asks. */
  #stopAskingUsage(target: Target): void {
    // Callers name the models: what they make us remember has an end, and what is forgotten is learnt again.
    if (this.#unaskable.size >= UNASKABLE_MAX) this.#unaskable.clear();
    this.#unaskable.add(nameOf(target));
  }

  #mayAskUsage(target: Target): boolean {
    return target.provider.asksUsage !== 'no' && !this.#unaskable.has(nameOf(target));
  }

  #fixedFor(provider: Provider, dialect: Dialect): readonly string[] {
    const known = this.#fixed.get(provider);
    if (known !== undefined) return known;
    const made = fixedHeaders(provider, dialect, this.#ledgerId);
    this.#fixed.set(provider, made);
    return made;
  }
}

function nameOf({ provider, model }: Target): string {
  return `${provider.id}/${model}`;
}
