/**
 * Session keys (design, semantics 5). Keys given as keys are lower-cased, as OpenClaw does; keys made from `user` keep
 * their case, because two users may differ in nothing else. Such a key, given as one, keeps the user's letters too: it
 * names that user's session and no other's. Pure: nothing is looked up here.
 */

/** OpenClaw keeps these first segments for itself. */
const INTERNAL_NAMESPACES = ['subagent', 'cron', 'acp'] as const;

export interface ParsedKey {
  key: string;
  /** The agent that the key names, null for a direct key. */
  agentId: string | null;
}

const OF_USER = /^((?:agent:[^:]+:|direct:)?openai-user:)(.+)$/is;

/** A key as it is kept. */
export function foldedKey(given: string): string {
  const key = given.trim();
  const [, head, user] = OF_USER.exec(key) ?? [];
  return head === undefined ? key.toLowerCase() : head.toLowerCase() + user;
}

/** Whether it is the whole key of a session of direct calls. */
export function isDirectKey(given: string): boolean {
  return /^\s*direct:/i.test(given);
}

/** A key as a caller gave it, made whole: a bare key belongs to the agent of the call. */
export function wholeKey(given: string, agentId: string | null): ParsedKey {
  const key = foldedKey(given);
  const owner = agentOfKey(key);
  if (owner !== null) return { key, agentId: owner };
  if (agentId === null) return { key: isDirectKey(key) ? key : `direct:${key}`, agentId: null };
  return { key: `agent:${agentId}:${key}`, agentId };
}

/** The key of everything that one end user says to one agent, or directly to models. */
export function userKey(user: string, agentId: string | null): string {
  return agentId === null ? `direct:openai-user:${user}` : `agent:${agentId}:openai-user:${user}`;
}

/** Whether a given key, whole or bare, lies in a namespace that callers may not use. */
export function isInternalKey(given: string): boolean {
  const key = given.trim().toLowerCase();
  const rest = agentOfKey(key) === null ? key : key.split(':').slice(2).join(':');
  return INTERNAL_NAMESPACES.some((name) => rest === name || rest.startsWith(`${name}:`));
}

/** The agent that a whole key names, null for a direct one. */
export function agentOfKey(key: string): string | null {
  const [prefix, agentId, ...rest] = key.split(':');
  return prefix === 'agent' && agentId && rest.length > 0 ? agentId : null;
}
