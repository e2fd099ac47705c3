/**
 * The names of the headers that attribute a call, in families: the spellings of one fact, the first that is there counts.
 * Who forces one spelling must keep the others of its family out, or a caller could still choose.
 */
export const ATTRIBUTION_HEADERS = {
  agent: ['x-weighbridge-agent-id', 'x-openclaw-agent-id'],
  session: ['x-weighbridge-session-key', 'x-openclaw-session-key'],
  endUser: ['x-weighbridge-end-user-id', 'x-litellm-end-user-id', 'x-litellm-customer-id'],
  tags: ['x-weighbridge-tags'],
  metadata: ['x-weighbridge-metadata'],
} as const satisfies Record<string, readonly string[]>;

/** OpenClaw's clients say here which messenger they serve. */
export const CHANNEL_HEADER = 'x-openclaw-message-channel';

const FAMILIES: readonly (readonly string[])[] = Object.values(ATTRIBUTION_HEADERS);

/** All spellings of what this header says; null: it attributes nothing. */
export function familyOf(name: string): readonly string[] | null {
  return FAMILIES.find((names) => names.includes(name)) ?? null;
}

/** Every spelling of what these headers say. */
export function spellingsOf(headers: Readonly<Record<string, string>>): ReadonlySet<string> {
  return new Set(Object.keys(headers).flatMap((name) => familyOf(name) ?? [name]));
}

/** An agent id that may be recorded: lower case. */
export const AGENT_LABEL = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** W3C Trace Context: no all-zero ids, no version ff; only versions after 00 may carry more. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** A trace that is not well-formed is dropped, as its standard asks; it never refuses a call. */
export function traceparentOf(header: string | null | undefined): string | null {
  const match = header == null ? null : TRACEPARENT.exec(header);
  if (match === null) return null;
  return match[1] === '00' && match[2] !== undefined ? null : match[0];
}
