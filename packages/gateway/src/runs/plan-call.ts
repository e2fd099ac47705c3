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
import { type ResolveKnowledge, resolveCall } from './resolve.ts';
import type { Plan } from './run.ts';

export interface CallKnowledge extends ResolveKnowledge {
  dispatcher: Pick<Dispatcher, 'prepare'>;
  retriesMax: number;
  leading: Leading;
}

/** Throws GatewayError. */
export function planCall(call: Call, known: CallKnowledge): Plan {
  const { agent, targets, attribution } = resolveCall(call, known);
  spokenBy(targets[0], call.ask);
  const scan = scanObject(call.body);
  if (typeof scan === 'string') throw new GatewayError('invalid_json', 'The body is not one JSON object.');
  return {
    attribution,
    targets: [targets[0], ...targets.slice(1).filter((target) => canHelp(target, call, scan))],
    retriesMax: known.retriesMax,
    prepare: (of, outlet) => {
      const dialect = spokenBy(of.target, call.ask);
      const leading = known.leading.of(agent, dialect);
      // What a key sends to a provider is not for another one that a call falls back to.
      const isFirst = of.target.provider.id === targets[0].provider.id;
      const outbound = isFirst ? call.caller.terms?.forced.outbound : undefined;
      return known.dispatcher.prepare({ ...of, call, scan, attribution, dialect, leading, outbound }, outlet);
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

/** Whether the call can be said to a fallback: in a dialect that is spoken, and that has words for it. */
function canHelp({ provider, model }: Target, { ask, body, stream }: Call, scan: ObjectScan): boolean {
  const dialect = dialectOf(ask, provider.api);
  if (dialect === null || dialect.translation === null) return dialect !== null;
  try {
    dialect.pathTo(model, stream);
    dialect.encode(body, scan, { model, maxTokens: null, askUsage: false, leading: null });
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

/** The dialect of a target for that ask; throws `unsupported_dialect`. */
function spokenBy({ provider }: Target, ask: Ask): Dialect {
  const dialect = dialectOf(ask, provider.api);
  if (dialect !== null) return dialect;
  throw new GatewayError(
    'unsupported_dialect',
    `Provider '${provider.id}' speaks ${provider.api}, which this door does not; use a model of a provider that speaks ${apisFor(ask).join(' or ')}.`,
    { param: 'model' },
  );
}
