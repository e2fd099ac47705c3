/**
 * Makes dispatches: turns a call and a target into the bytes and headers for that provider, and remembers which
 * targets answer only when they are not asked for usage. Decides nothing about retries; that is the run's.
 */
import { presentedCredential } from '../access/authenticate.ts';
import type { Call } from '../domain/answer.ts';
import { CHANNEL_HEADER, spellingsOf } from '../domain/attribution-headers.ts';
import type { Attribution } from '../domain/entry.ts';
import { isUpload, type PassCall, type Upload } from '../domain/pass.ts';
import type { Provider, Target } from '../domain/provider.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import type { ObjectScan } from '../lib/json-splice.ts';
import type { Pricing } from '../prices/prices.ts';
import type { Wanted } from '../providers/chat/translation.ts';
import { credentialHeader } from '../providers/credentials.ts';
import { DemoTransport } from '../providers/demo.ts';
import type { Anomaly, AnswerReader, Dialect } from '../providers/dialect.ts';
import type { Endpoint } from '../providers/endpoints.ts';
import { watchedPrompt } from '../providers/estimate.ts';
import { openaiCompletions } from '../providers/openai-completions.ts';
import { askForUsage } from '../providers/openai-request.ts';
import type { PassedRequest } from '../providers/passed-request.ts';
import { readerOf } from '../providers/readers.ts';
import type { Transport } from '../providers/transport.ts';
import { withContext } from './context-headers.ts';
import { Dispatch } from './dispatch.ts';
import { DOOR } from './door-manner.ts';
import { type DrainPolicy, Drains } from './drain.ts';
import { fixedHeaders, hopsOf, refuseOversized, requestHeaders, withCallers, withOutbound } from './headers.ts';
import type { Outlet } from './outlet.ts';
import { passedHeaders } from './pass-headers.ts';
import { PASS } from './pass-manner.ts';
import type { DispatchLedger, DispatchPlan, DispatchTools } from './plan.ts';
import { TRANSLATED } from './translated-manner.ts';

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
  /** What the session and the caller's key send to this provider, lower-cased. */
  outbound: Readonly<Record<string, string>> | undefined;
  /** The provider has just refused what may have been our usage question: this time it is left out. */
  withoutUsageQuestion: boolean;
}

/** One request of the pass-through. */
export interface PassOrder {
  runId: string;
  attempt: number;
  call: PassCall;
  /** What it is about, as far as that can be seen. */
  about: PassedRequest;
  /** Null: its answer says nothing of its cost. */
  endpoint: Endpoint | null;
  attribution: Attribution;
  target: Target;
  /** What the session and the caller's key send to this provider, lower-cased. */
  outbound: Readonly<Record<string, string>> | undefined;
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
    const { call, scan, target, dialect, leading, attribution } = order;
    const dispatchId = this.#ids.next('dsp');
    const { provider, model } = target;
    const { reader, refusesUsageQuestion } = dialect;
    const isAskable = refusesUsageQuestion !== null && call.stream && !call.asksUsage;
    const askUsage = isAskable && !order.withoutUsageQuestion && this.#mayAskUsage(target);
    const outbound = withContext(provider, knownOf(order, dispatchId, call.runKind ?? call.ask), order.outbound);
    const headers = requestHeaders(
      withOutbound(withCallers(this.#fixedFor(provider), dialect.callersHeaders, call.headers), outbound),
      dispatchId,
      call.headers,
      attribution.traceparent,
    );
    if (outbound !== undefined) refuseOversized(headers, provider.id);
    const body = dialect.encode(call.body, scan, { model, maxTokens: maxTokensOf(target), askUsage, leading });
    const plan = {
      runId: order.runId,
      dispatchId,
      attempt: order.attempt,
      attribution,
      requestedModel: call.requestedModel,
      target,
      source: 'gateway' as const,
      api: dialect.api,
      manner: dialect.translation === null ? DOOR : TRANSLATED,
      translated: dialect.translation && { translation: dialect.translation, wanted: this.#wanted(order, dispatchId) },
      request: {
        method: 'POST',
        path: dialect.pathTo(model, call.stream),
        headers,
        body,
      },
      reader,
      stream: call.stream,
      strips: askUsage,
      estimatePrompt: () => reader?.estimatePrompt(body) ?? 0,
      refusesUsageQuestion,
      onAccepted: order.withoutUsageQuestion ? () => this.#stopAskingUsage(target) : null,
    };
    return new Dispatch(plan, this.#tools, outlet);
  }

  /** A request of the pass-through: nothing is edited but that usage is asked for where the caller did not. */
  preparePass(order: PassOrder, outlet: Outlet): Dispatch {
    const { call, about, endpoint, target, attribution } = order;
    const { provider } = target;
    const dispatchId = this.#ids.next('dsp');
    const isAskable = endpoint?.api === 'openai-completions' && about.stream && !about.asksUsage && about.scan !== null;
    const askUsage = isAskable && !order.withoutUsageQuestion && this.#mayAskUsage(target);
    const body = askUsage ? askForUsage(call.body as Buffer, about.scan!) : call.body;
    const reader = endpoint && readerOf(endpoint.api);
    const outbound = withContext(provider, knownOf(order, dispatchId, 'proxy'), order.outbound) ?? {};
    // Of what passes only our own part: how much of the caller's own is too much the provider says.
    refuseOversized(Object.entries(outbound).flat(), provider.id);
    const credential = provider.takesCallersCredential ? null : provider.credential;
    const plan: DispatchPlan = {
      runId: order.runId,
      dispatchId,
      attempt: order.attempt,
      attribution,
      requestedModel: target.model,
      target,
      source: 'proxy',
      api: endpoint?.api ?? provider.api,
      manner: PASS,
      translated: null,
      request: {
        method: call.method,
        path: call.path,
        headers: passedHeaders({
          provider,
          credential: credential && credentialHeader(provider.api, credential),
          dispatchId,
          hops: hopsOf(call.headers, this.#ledgerId),
          received: call.rawHeaders,
          presented: presentedBy(call),
          wantsIdentity: askUsage,
          outbound,
          // A provider that reads another spelling than we do must not be told otherwise.
          withheld: spellingsOf({ ...call.caller.terms?.forced.attribution, ...outbound }),
          length: isUpload(body) ? (call.headers['content-length'] ?? null) : null,
        }),
        body: isUpload(body) ? body.stream : body,
      },
      reader,
      stream: about.stream,
      strips: askUsage,
      estimatePrompt: () => estimatePassedPrompt(reader!, call.body),
      refusesUsageQuestion: openaiCompletions.refusesUsageQuestion,
      onAccepted: order.withoutUsageQuestion ? () => this.#stopAskingUsage(target) : null,
    };
    return new Dispatch(plan, this.#tools, outlet);
  }

  /** What a translated answer depends on besides the provider's. */
  #wanted({ call, target }: DispatchOrder, dispatchId: string): Wanted {
    const createdAt = Math.floor(this.#tools.clock.now() / 1000);
    return { id: dispatchId, model: target.model, createdAt, usage: call.asksUsage };
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

  #fixedFor(provider: Provider): readonly string[] {
    const known = this.#fixed.get(provider);
    if (known !== undefined) return known;
    const made = fixedHeaders(provider, this.#ledgerId);
    this.#fixed.set(provider, made);
    return made;
  }
}

function knownOf(
  { runId, attempt, attribution, call }: DispatchOrder | PassOrder,
  dispatchId: string,
  runKind: string,
) {
  return { runId, dispatchId, attempt, attribution, runKind, channel: call.headers[CHANNEL_HEADER] || null };
}

/** Of a caller's credentials the one that is ours; where everybody may call, it may have come in any header. */
function presentedBy({ headers, caller }: PassCall): string | null {
  return headers['x-weighbridge-key'] || (caller.keyId === null ? null : presentedCredential(headers));
}

function maxTokensOf({ provider, model }: Target): number | null {
  return provider.models.find(({ id }) => id === model)?.maxTokens ?? null;
}

function nameOf({ provider, model }: Target): string {
  return `${provider.id}/${model}`;
}

function estimatePassedPrompt(reader: AnswerReader, body: Buffer | Upload | null): number {
  if (isUpload(body)) return watchedPrompt(reader.api, body.watch);
  return body === null ? 0 : reader.estimatePrompt(body);
}
