/** Which agents a caller sees, and which is meant where none is named. Pure. */
import type { Agent } from '../domain/agent.ts';
import type { Caller } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';

export function mainAgent({ byId, defaultId }: GatewayConfig['agents']): string {
  return defaultId ?? [...byId.keys()][0] ?? 'main';
}

/** A key that is bound to an agent sees that one. */
export function agentsSeenBy({ terms }: Caller, { byId }: GatewayConfig['agents']): Agent[] {
  const bound = terms?.agentId ?? null;
  return [...byId.values()].filter(({ id }) => bound === null || bound === id);
}
