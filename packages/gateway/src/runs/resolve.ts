/**
 * What a call names: agent or direct target, session, end user, tags. Pure, and the only reader of attribution headers.
 * Texts and statuses are OpenClaw's where it has them, so that its clients understand us.
 */
import { type Agent, RESERVED_NAMES } from '../domain/agent.ts';
import type { Call } from '../domain/answer.ts';
import type { Attribution } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import { isInternalKey, userKey, wholeKey } from '../sessions/keys.ts';

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
/** W3C Trace Context: no all-zero ids, no version ff; only versions after 00 may carry more. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
/** Who is meant by a direct call's agent header: a label of the caller's own, not one of our agents. */
const AGENT_LABEL = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const AGENT_HEADERS = ['x-weighbridge-agent-id', 'x-openclaw-agent-id'] as const;
const END_USER_HEADERS = ['x-weighbridge-end-user-id', 'x-litellm-end-user-id', 'x-litellm-customer-id'] as const;
const VALUE_CHARS_MAX = 256;

/** Throws GatewayError with what is wrong about the names. */
export function resolveCall(call: Call, known: ResolveKnowledge): Resolved {
  const { headers } = call;
  const named = agentOf(call, known);
  const session = sessionOf(call, named?.id ?? labelOf(call));
  const agent = named === null ? null : agentOfSession(session, named, known);
  const targets = agent ? targetsOfAgent(agent, headers['x-openclaw-model'], known) : [directTarget(call, known)];
  const [endUserId, endUserSource] = endUserOf(call);
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
      tags: tagsOf(headers['x-weighbridge-tags'], known.limits.tagsMax),
      metadata: metadataOf(headers['x-weighbridge-metadata'], known.limits.metadataBytesMax),
      traceparent: traceparentOf(headers.traceparent),
    },
  };
}

/** The agent that a call runs, null where it goes directly to a model. The header wins over the model, as in OpenClaw. */
function agentOf(call: Call, known: ResolveKnowledge): Agent | null {
  const inModel = AGENT_MODEL.exec(call.requestedModel)?.[1];
  if (inModel === undefined && call.requestedModel !== 'openclaw') return null;
  const named = first(call.headers, AGENT_HEADERS) ?? inModel ?? 'default';
  return named === 'default' ? defaultAgent(known) : agentById(named, known);
}

/** A direct call runs no agent, but its caller may say on whose behalf it is made. */
function labelOf({ headers }: Call): string | null {
  const label = first(headers, AGENT_HEADERS)?.toLowerCase() ?? null;
  if (label === null || (AGENT_LABEL.test(label) && !RESERVED_NAMES.some((name) => name === label))) return label;
  throw new GatewayError(
    'invalid_request',
    `The agent id '${shown(label)}' cannot be one: letters, digits, '.', '_' and '-', at most 64, and no reserved name.`,
  );
}

function agentById(id: string, { agents }: ResolveKnowledge): Agent {
  const agent = agents.byId.get(id) ?? agents.byId.get(id.toLowerCase());
  if (agent) return agent;
  throw new GatewayError('invalid_request', `Unknown agent '${shown(id)}'.`, { param: 'model' });
}

function defaultAgent({ agents }: ResolveKnowledge): Agent {
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
  const given = first(call.headers, ['x-weighbridge-session-key', 'x-openclaw-session-key']);
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

/** Cutting a name short would make two of one; so it is refused. */
function shortEnough(value: string, what: string): string {
  if (value.length <= VALUE_CHARS_MAX) return value;
  throw new GatewayError('invalid_request', `${what} is longer than ${VALUE_CHARS_MAX} characters.`);
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
  const target = known.catalogue.find(call.requestedModel);
  if (target) return target;
  const providers = known.catalogue.providerIds().map((id) => `${id}/…`);
  throw new GatewayError(
    'invalid_request',
    `Invalid \`model\`. Use \`openclaw\` or \`openclaw/<agentId>\`, or \`<provider>/<model>\` with one of: ${providers.join(', ')}.`,
    { param: 'model' },
  );
}

function endUserOf(call: Call): [string | null, Attribution['endUserSource']] {
  const header = first(call.headers, END_USER_HEADERS);
  if (header !== null) return [shortEnough(header, 'The end user’s id'), 'header'];
  if (call.user !== null) return [shortEnough(call.user, '`user`'), 'user'];
  return [null, null];
}

function tagsOf(header: string | undefined, tagsMax: number): string[] {
  if (header === undefined) return [];
  const tags = [...new Set(header.split(',').map((tag) => tag.trim()))].filter((tag) => tag !== '');
  if (tags.length <= tagsMax) return tags;
  throw new GatewayError('invalid_request', `\`x-weighbridge-tags\` has more than ${tagsMax} tags.`);
}

function metadataOf(header: string | undefined, bytesMax: number): Record<string, unknown> {
  if (header === undefined) return {};
  if (Buffer.byteLength(header) > bytesMax) {
    throw new GatewayError('invalid_request', `\`x-weighbridge-metadata\` is larger than ${bytesMax} bytes.`);
  }
  const parsed = parsedObject(header);
  if (parsed) return parsed;
  throw new GatewayError('invalid_request', '`x-weighbridge-metadata` must be a JSON object.');
}

function parsedObject(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A trace that is not well-formed is dropped, as its standard asks; it never refuses a call. */
function traceparentOf(header: string | undefined): string | null {
  const match = header === undefined ? null : TRACEPARENT.exec(header);
  if (match === null) return null;
  return match[1] === '00' && match[2] !== undefined ? null : match[0];
}

function first(headers: Call['headers'], names: readonly string[]): string | null {
  for (const name of names) {
    const value = headers[name]?.trim();
    if (value) return value;
  }
  return null;
}

function shown(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
