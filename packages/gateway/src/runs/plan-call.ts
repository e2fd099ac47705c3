/**
 * A door's call made ready to be tried: names resolved, the body scanned once, each try encoded in its target's dialect.
 * Refuses what no try could help.
 */
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Agent } from '../domain/agent.ts';
import type { Ask, Call } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import { type ObjectScan, scanObject } from '../lib/json-splice.ts';
import type { Dialect } from '../providers/dialect.ts';
import { apisFor, dialectOf } from '../providers/dialects.ts';
import { outboundTo } from './outbound.ts';
import { type ResolveKnowledge, resolveCall } from './resolve.ts';
import type { Plan } from './run.ts';

export interface CallKnowledge extends ResolveKnowledge {
  dispatcher: Pick<Dispatcher, 'prepare'>;
  retriesMax: number;
  outboundHeaders: { allow: readonly string[] };
  leading: Leading;
}

/** Throws GatewayError. */
export function planCall(call: Call, known: CallKnowledge): Plan {
  const { agent, targets, attribution } = resolveCall(call, known);
  const first = spoken(targets[0], call.ask) ?? refuseDialect(targets[0], call.ask);
  const scan = scanObject(call.body);
  if (typeof scan === 'string') throw new GatewayError('invalid_json', 'The body is not one JSON object.');
  const fallbacks = targets.slice(1).flatMap((target) => spoken(target, call.ask) ?? []);
  const tried = [first, ...fallbacks.filter((fallback) => hasWords(fallback, call, scan))] as const;
  const dialects = new Map(tried.map(({ target, dialect }) => [target, dialect]));
  return {
    attribution,
    targets: [first.target, ...tried.slice(1).map(({ target }) => target)],
    retriesMax: known.retriesMax,
    requestedModel: call.requestedModel,
    source: 'gateway',
    retarget: (name, { provider }) => {
      const found = known.catalogue.find(name) ?? known.catalogue.find(`${provider.id}/${name}`);
      const other = found && spoken(found, call.ask);
      if (other === null || !hasWords(other, call, scan)) return null;
      dialects.set(other.target, other.dialect);
      return other.target;
    },
    prepare: (of, outlet) => {
      const dialect = dialects.get(of.target)!;
      const leading = known.leading.of(agent, dialect);
      const { provider } = of.target;
      const isFallback = provider.id !== targets[0].provider.id;
      const { allow } = known.outboundHeaders;
      const outbound = outboundTo({ provider, isFallback, caller: call.caller, snapshot: of.outbound, allow });
      return known.dispatcher.prepare({ ...of, call, scan, dialect, leading, outbound }, outlet);
    },
  };
}

/** Agents' instructions in the words of a dialect, made once for each. */
export class Leading {
  readonly #made = new WeakMap<Agent, Map<Dialect, Buffer>>();

  of(agent: Agent | null, dialect: Dialect): Buffer | null {
    if (agent === null || agent.instructions === null) return null;
    const own = this.#made.get(agent) ?? new Map<Dialect, Buffer>();
    const made = own.get(dialect) ?? dialect.leadingMessage(agent.instructions);
    this.#made.set(agent, own.set(dialect, made));
    return made;
  }
}

interface Spoken {
  target: Target;
  dialect: Dialect;
}

/** How a target can be asked that: as its provider is configured, else in another dialect that its vendor speaks. */
function spoken(target: Target, ask: Ask): Spoken | null {
  const { provider, model } = target;
  const own = dialectOf(ask, provider.api);
  if (own !== null) return { target, dialect: own };
  for (const other of Object.values(provider.also ?? {})) {
    const dialect = dialectOf(ask, other.api);
    if (dialect !== null && dialect.translation === null) return { target: { provider: other, model }, dialect };
  }
  return null;
}

/** Whether a fallback's dialect has words for the call. */
function hasWords({ target, dialect }: Spoken, { body, stream }: Call, scan: ObjectScan): boolean {
  if (dialect.translation === null) return true;
  const { model } = target;
  try {
    dialect.pathTo(model, stream);
    dialect.encode(body, scan, { model, maxTokens: null, askUsage: false, leading: null });
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

function refuseDialect({ provider }: Target, ask: Ask): never {
  throw new GatewayError(
    'unsupported_dialect',
    `Provider '${provider.id}' speaks ${provider.api}, which this door does not; use a model of a provider that speaks ${apisFor(ask).join(' or ')}.`,
    { param: 'model' },
  );
}
