/**
 * What a call names: agent or direct target, session, end user, tags. Pure.
 * Texts and statuses are OpenClaw's where it has them, so that its clients understand us.
 */
import type { Agent } from '../domain/agent.ts';
import type { Call } from '../domain/answer.ts';
import type { Attribution } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import { isInternalKey, userKey, wholeKey } from '../sessions/keys.ts';
import {
  agentHeaderOf,
  agentLabelOf,
  endUserOf,
  labelsOf,
  refuseUnstorable,
  sessionHeaderOf,
  shortEnough,
  shown,
} from './attribution.ts';
import { refuseOtherAgent } from './terms.ts';

/** What resolving needs to know of the configuration. */
export interface ResolveKnowledge {
  agents: { byId: ReadonlyMap<string, Agent>; defaultId: string | null };
  catalogue: { find(ref: string): Target | null; providerIds(): string[] };
  limits: { tagsMax: number; metadataBytesMax: number };
}

export interface Resolved {
  agent: Agent | null;
  /** The first is dispatched to; the rest are fallbacks, in order. Never empty. */
  targets: readonly [Target, ...Target[]];
  attribution: Attribution;
}

const AGENT_MODEL = /^(?:openclaw[/:]|agent:)(.+)$/;

/** Throws GatewayError with what is wrong about the names. */
export function resolveCall(call: Call, known: ResolveKnowledge): Resolved {
  const { headers } = call;
  const named = agentOf(call, known);
  const session = sessionOf(call, named?.id ?? agentLabelOf(call.headers));
  const agent = named === null ? null : agentOfSession(session, named, known);
  const targets = agent ? targetsOfAgent(agent, headers['x-openclaw-model'], known) : [directTarget(call, known)];
  refuseOtherAgent(call.caller, session.agentId);
  const [endUserId, endUserSource] = endUserOf(headers, call.user);
  return {
    agent,
    targets: targets as [Target, ...Target[]],
    attribution: {
      tenantId: call.caller.tenantId,
      keyId: call.caller.keyId,
      agentId: session.agentId,
      sessionKey: session.key,
      sessionId: null,
      endUserId,
      endUserSource,
      ...labelsOf(headers, known.limits),
    },
  };
}

/** The agent that a call runs, null where it goes directly to a model. The header wins over the model, as in OpenClaw. */
function agentOf(call: Call, known: ResolveKnowledge): Agent | null {
  const inModel = AGENT_MODEL.exec(call.requestedModel)?.[1];
  if (inModel === undefined && call.requestedModel !== 'openclaw') return null;
  if (inModel !== undefined && inModel !== 'default') refuseOtherAgent(call.caller, inModel);
  const named = agentHeaderOf(call.headers) ?? inModel ?? 'default';
  return named === 'default' ? defaultAgent(known) : agentById(named, known);
}

/** Throws GatewayError. */
export function agentById(id: string, { agents }: Pick<ResolveKnowledge, 'agents'>): Agent {
  const agent = agents.byId.get(id) ?? agents.byId.get(id.toLowerCase());
  if (agent) return agent;
  throw new GatewayError('invalid_request', `Unknown agent '${shown(id)}'.`, { param: 'model' });
}

/** Throws GatewayError. */
export function defaultAgent({ agents }: Pick<ResolveKnowledge, 'agents'>): Agent {
  const agent = agents.defaultId === null ? undefined : agents.byId.get(agents.defaultId);
  if (agent) return agent;
  const names = [...agents.byId.keys()].map((id) => `openclaw/${id}`).join(', ');
  throw new GatewayError(
    'invalid_request',
    agents.byId.size > 1
      ? `Multiple agents are configured, but this operation has no explicit owner. Select an agent explicitly: ${names}.`
      : 'No agent is configured. Name a model as `<provider>/<model>`.',
    { param: 'model' },
  );
}

/** The session of a call, and the agent it is attributed to: a whole key of another agent wins, as in OpenClaw. */
function sessionOf(call: Call, agentId: string | null): { key: string | null; agentId: string | null } {
  const given = sessionHeaderOf(call.headers);
  if (given === null)
    return { key: call.user === null ? null : userKey(shortEnough(call.user, '`user`'), agentId), agentId };
  if (isInternalKey(given)) {
    throw new GatewayError(
      'invalid_request',
      '`x-openclaw-session-key` cannot use reserved internal session namespaces.',
    );
  }
  return wholeKey(shortEnough(given, 'The session key'), agentId);
}

function agentOfSession({ agentId: owner }: { agentId: string | null }, named: Agent, known: ResolveKnowledge): Agent {
  return owner === null || owner === named.id ? named : agentById(owner, known);
}

function targetsOfAgent(agent: Agent, override: string | undefined, known: ResolveKnowledge): Target[] {
  const refs = override === undefined ? [agent.model, ...agent.fallbacks] : [override];
  return refs.map((ref) => {
    const target = known.catalogue.find(ref);
    if (target) return target;
    throw new GatewayError('model_not_found', `Unknown model: ${shown(ref)}. GET /v1/models lists what there is.`, {
      param: 'model',
    });
  });
}

function directTarget(call: Call, known: ResolveKnowledge): Target {
  refuseUnstorable(call.requestedModel, '`model`');
  const target = known.catalogue.find(call.requestedModel);
  if (target) return target;
  const providers = known.catalogue.providerIds().map((id) => `${id}/…`);
  throw new GatewayError(
    'invalid_request',
    `Invalid \`model\`. Use \`openclaw\` or \`openclaw/<agentId>\`, or \`<provider>/<model>\` with one of: ${providers.join(', ')}.`,
    { param: 'model' },
  );
}
