/**
 * The attribution headers, and nothing else reads them: which agent, which session, for whom, with which tags. Values that
 * would be cut are refused, because cutting a name short makes two of one. Pure.
 */
import { createHash } from 'node:crypto';
import { RESERVED_NAMES } from '../domain/agent.ts';
import { AGENT_LABEL, ATTRIBUTION_HEADERS, traceparentOf } from '../domain/attribution-headers.ts';
import type { Attribution } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';

/** Lower-cased names. */
export type Headers = Readonly<Record<string, string>>;

const { agent: AGENT_HEADERS, session: SESSION_HEADERS, endUser: END_USER_HEADERS } = ATTRIBUTION_HEADERS;
const VALUE_CHARS_MAX = 256;

export function agentHeaderOf(headers: Headers): string | null {
  return first(headers, AGENT_HEADERS);
}

export function sessionHeaderOf(headers: Headers): string | null {
  return first(headers, SESSION_HEADERS);
}

/** Tags, metadata and trace: what is recorded as it was given. */
export function labelsOf(
  headers: Headers,
  limits: { tagsMax: number; metadataBytesMax: number },
): Pick<Attribution, 'tags' | 'metadata' | 'traceparent'> {
  return {
    tags: tagsOf(headers['x-weighbridge-tags'], limits.tagsMax),
    metadata: metadataOf(headers['x-weighbridge-metadata'], limits.metadataBytesMax),
    traceparent: traceparentOf(headers.traceparent),
  };
}

/** Without an agent of ours to run, a caller may still say on whose behalf a call is made. */
export function agentLabelOf(headers: Headers): string | null {
  const label = agentHeaderOf(headers)?.toLowerCase() ?? null;
  if (label === null || (AGENT_LABEL.test(label) && !RESERVED_NAMES.some((name) => name === label))) return label;
  throw new GatewayError(
    'invalid_request',
    `The agent id '${shown(label)}' cannot be one: letters, digits, '.', '_' and '-', at most 64, and no reserved name.`,
  );
}

export function shortEnough(value: string, what: string): string {
  refuseUnstorable(value, what);
  if (value.length <= VALUE_CHARS_MAX) return value;
  throw new GatewayError('invalid_request', `${what} is longer than ${VALUE_CHARS_MAX} characters.`);
}

/** For a header that was meant for the provider, who may take any: the call is not ours to refuse, and two names stay two. */
export function digestedIfLong(value: string): string {
  if (value.length <= VALUE_CHARS_MAX) return value;
  return `sha256:${createHash('sha256').update(value).digest('hex')}`;
}

/** No engine keeps these as they are, and what replaces them would make one name of two. */
export function refuseUnstorable(value: string, what: string): void {
  if (value.isWellFormed() && !value.includes('\0')) return;
  throw new GatewayError('invalid_request', `${what} holds a NUL or half of a surrogate pair; no name can.`);
}

/** `user`: the body's own, which no header has overridden. */
export function endUserOf(headers: Headers, user: string | null): [string | null, Attribution['endUserSource']] {
  const header = first(headers, END_USER_HEADERS);
  if (header !== null) return [shortEnough(header, 'The end user’s id'), 'header'];
  if (user !== null) return [shortEnough(user, '`user`'), 'user'];
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

export function first(headers: Headers, names: readonly string[]): string | null {
  for (const name of names) {
    const value = headers[name]?.trim();
    if (value) return value;
  }
  return null;
}

export function shown(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
