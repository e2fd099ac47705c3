/**
 * Which agent a turn runs and in which session, from what the caller gave and what its key forces. Pure. As OpenClaw does
 * it: a bare key belongs to the agent, an agent without a key has its main session, and where neither is named the run
 * has a session of its own.
 */
import type { Agent } from '../domain/agent.ts';
import { ATTRIBUTION_HEADERS, CHANNEL_HEADER } from '../domain/attribution-headers.ts';
import { GatewayError } from '../domain/errors.ts';
import { isDirectKey, isInternalKey, wholeKey } from '../sessions/keys.ts';
import { agentHeaderOf, type Headers, sessionHeaderOf, shortEnough, shown } from './attribution.ts';
import { agentById, defaultAgent, type ResolveKnowledge } from './resolve.ts';
import { refuseOtherAgent, underTerms } from './terms.ts';
import type { TurnRequest } from './turn.ts';

export interface TurnNames {
  agent: Agent;
  sessionKey: string;
  /** For the run: what the caller would have sent as headers. */
  headers: Headers;
}

/** Throws GatewayError. */
export function namesOfTurn(
  { caller, sessionKey, agentId, model, traceparent, channel }: TurnRequest,
  runId: string,
  known: Pick<ResolveKnowledge, 'agents'>,
): TurnNames {
  const given: Record<string, string> = {};
  if (sessionKey !== null) given[ATTRIBUTION_HEADERS.session[0]] = sessionKey;
  if (agentId !== null) given[ATTRIBUTION_HEADERS.agent[0]] = agentId;
  if (model) given['x-openclaw-model'] = model;
  if (traceparent) given.traceparent = traceparent;
  if (channel) given[CHANNEL_HEADER] = channel;
  const { headers } = underTerms({ caller, headers: given });
  const namedAgent = agentHeaderOf(headers);
  const namedKey = sessionHeaderOf(headers);
  const agent = namedAgent === null ? null : agentById(namedAgent, known);
  const { key, agentId: owner } = keyOf(namedKey, agent, runId, known);
  if (agent !== null && owner !== agent.id) {
    throw new GatewayError(
      'invalid_request',
      `The session '${shown(key)}' is the agent '${shown(owner)}'s, not '${agent.id}'s; name one of the two.`,
    );
  }
  refuseOtherAgent(caller, owner);
  const whole = { ...headers, [ATTRIBUTION_HEADERS.session[0]]: key, [ATTRIBUTION_HEADERS.agent[0]]: owner };
  return { agent: agent ?? agentById(owner, known), sessionKey: key, headers: whole };
}

function keyOf(
  given: string | null,
  agent: Agent | null,
  runId: string,
  known: Pick<ResolveKnowledge, 'agents'>,
): { key: string; agentId: string } {
  if (given === null) {
    const { id } = agent ?? defaultAgent(known);
    return { key: `agent:${id}:${agent === null ? `explicit:${runId.toLowerCase()}` : 'main'}`, agentId: id };
  }
  if (isInternalKey(given)) {
    throw new GatewayError('invalid_request', 'The session key lies in a reserved internal namespace; choose another.');
  }
  if (isDirectKey(given)) {
    throw new GatewayError(
      'invalid_request',
      'The session is of direct calls, which no agent runs in; choose another.',
    );
  }
  const whole = wholeKey(shortEnough(given, 'The session key'), null);
  if (whole.agentId !== null) return { key: whole.key, agentId: whole.agentId };
  const { id } = agent ?? defaultAgent(known);
  return { key: wholeKey(given, id).key, agentId: id };
}
