/**
 * Which session a client means, and whether its key may touch it: whole or bare keys, in OpenClaw's words where it has
 * them. One way for every method that names a session, so that none of them checks less than another. Pure.
 */
import type { Caller } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import { agentOfKey, foldedKey, isDirectKey, wholeKey } from '../sessions/keys.ts';
import { mainAgent } from './agents-seen.ts';
import { invalid } from './wire-errors.ts';

const KEY_CHARACTERS_MAX = 512;

export interface KeyAsked {
  key: string;
  agentId?: string | undefined;
}

/** The whole key. Throws where there is no such agent, or the caller's key is bound to another. */
export function sessionKeyOf({ key, agentId }: KeyAsked, caller: Caller, agents: GatewayConfig['agents']): string {
  if (key.trim() === '' || key.length > KEY_CHARACTERS_MAX) throw invalid('the session key is empty or too long');
  if (key.includes('\0') || !key.isWellFormed())
    throw invalid('the session key holds a NUL or half of a surrogate pair');
  if (isDirectKey(key)) {
    // It is no agent's.
    refuseForeignAgent('', caller);
    return foldedKey(key);
  }
  const bound = caller.terms?.agentId ?? null;
  const owner = agentId?.toLowerCase() ?? bound ?? mainAgent(agents);
  const whole = wholeKey(key, owner).key;
  const named = agentOfKey(whole);
  if (agentId !== undefined && named !== null && named !== owner) {
    throw invalid(`agentId "${agentId.slice(0, 64)}" does not match the session key's agent "${named.slice(0, 64)}"`);
  }
  refuseForeignAgent(named, caller);
  return whole;
}

/** The same, for what runs: it must be an agent's, and the agent configured. */
export function runnableKeyOf(asked: KeyAsked, caller: Caller, agents: GatewayConfig['agents']): string {
  const key = sessionKeyOf(asked, caller, agents);
  if (isDirectKey(key)) throw invalid('the session is of direct calls, which no agent runs in');
  refuseUnknownAgent(agentOfKey(key), agents);
  return key;
}

export function refuseUnknownAgent(agentId: string | null, agents: GatewayConfig['agents']): void {
  if (agentId === null || agents.byId.has(agentId)) return;
  throw invalid(`Agent "${agentId.slice(0, 64)}" no longer exists in configuration`);
}

/** Null: none is named, which means the key's own. */
export function refuseForeignAgent(named: string | null, { terms }: Caller): void {
  const bound = terms?.agentId ?? null;
  if (bound === null || named === null || named === bound) return;
  throw new GatewayError('forbidden', `This key may use the agent '${bound}' only; name a session of that agent.`);
}
