/**
 * Whose a passed request is: the attribution headers, and those that an agent gateway sends by itself. Pure.
 *
 * OpenClaw's `session_id` and `x-session-affinity` (to OpenRouter `x-session-id`) are a session's id, on most calls with `:0`
 * behind it, on a compaction's without; the session is one.
 */
import type { Attribution } from '../domain/entry.ts';
import type { PassCall } from '../domain/pass.ts';
import { wholeKey } from '../sessions/keys.ts';
import {
  agentLabelOf,
  digestedIfLong,
  endUserOf,
  first,
  type Headers,
  labelsOf,
  sessionHeaderOf,
  shortEnough,
} from './attribution.ts';
import { refuseOtherAgent } from './terms.ts';

/** The owner of sessions that name no agent. */
const NO_AGENT = 'proxy';
const NUMBERED_ID = /^([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}):\d+$/i;
const AFFINITY_HEADERS = ['session_id', 'x-session-affinity', 'x-session-id'] as const;

/** Throws GatewayError where a header that is meant for us cannot be what it says; `user` is the body's own. */
export function attributePass(
  { caller, headers }: PassCall,
  user: string | null,
  limits: { tagsMax: number; metadataBytesMax: number },
): Attribution {
  const label = agentLabelOf(headers);
  const affinity = affinityOf(headers);
  const given = sessionHeaderOf(headers) ?? affinity;
  const session = given === null ? null : wholeKey(shortEnough(given, 'The session key'), label ?? NO_AGENT);
  const agentId = session === null || session.agentId === NO_AGENT ? label : session.agentId;
  refuseOtherAgent(caller, agentId);
  const [endUserId, endUserSource] = endUserOf(headers, user);
  return {
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    agentId,
    sessionKey: session?.key ?? null,
    sessionId: affinity,
    endUserId,
    endUserSource,
    ...labelsOf(headers, limits),
  };
}

function affinityOf(headers: Headers): string | null {
  const given = first(headers, AFFINITY_HEADERS);
  return given === null ? null : digestedIfLong(given).replace(NUMBERED_ID, '$1');
}
