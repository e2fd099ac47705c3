/**
 * What a passed request is about: which model, a stream or not, for whom. Only looked at: a body that cannot be read passes
 * all the same and is then about an unknown model. Pure.
 */
import { type Member, type ObjectScan, scanObject } from '../lib/json-splice.ts';
import type { JsonWatch } from '../lib/json-watch.ts';
import type { Endpoint } from './endpoints.ts';

export interface PassedRequest {
  /** Null: neither path nor body names one. */
  model: string | null;
  stream: boolean;
  /** The caller asked for the usage chunk itself. */
  asksUsage: boolean;
  /** OpenAI's `user`, the end user's id. */
  user: string | null;
  /** Of a body that may be edited: one object that names nothing twice. */
  scan: ObjectScan | null;
}

/** Deeper than any vendor's request; the scan ends there. */
const DEPTH_MAX = 512;
/** Anything longer is no name. */
const NAME_CHARS_MAX = 256;
const VALUE_BYTES_MAX = 2048;

export function readPassedRequest(endpoint: Endpoint | null, body: Buffer | null): PassedRequest {
  const scan = endpoint === null || body === null ? 'malformed' : scanObject(body, 0, DEPTH_MAX);
  const named = { model: nameIn(endpoint?.model), stream: endpoint?.stream ?? false };
  if (typeof scan === 'string' || body === null) return { ...named, asksUsage: false, user: null, scan: null };
  const options = jsonAt(body, lastMember(scan, 'stream_options'));
  return {
    model: named.model ?? nameIn(jsonAt(body, lastMember(scan, 'model'))),
    stream: endpoint?.stream ?? jsonAt(body, lastMember(scan, 'stream')) === true,
    asksUsage:
      typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true,
    user: nameIn(jsonAt(body, lastMember(scan, 'user'))),
    // Of a name that comes twice nobody knows which one the provider reads.
    scan: scan.duplicates.length === 0 ? scan : null,
  };
}

/** The same of a body that has begun to pass: as far as it was seen. */
export function readPassingRequest(endpoint: Endpoint | null, watch: JsonWatch): PassedRequest {
  const named = (key: string) => (endpoint === null ? null : nameIn(watch.scalar(key)));
  return {
    model: nameIn(endpoint?.model) ?? named('model'),
    stream: endpoint !== null && (endpoint.stream ?? watch.scalar('stream') === true),
    asksUsage: false,
    user: named('user'),
    scan: null,
  };
}

/** Most parsers let the last one win. */
function lastMember(scan: ObjectScan, key: string): Member | null {
  return scan.members.findLast((member) => member.key === key) ?? null;
}

/** What could not be recorded as it is names nothing: too long, with a NUL, or with half a surrogate pair. */
function nameIn(value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.length > NAME_CHARS_MAX) return null;
  return value.isWellFormed() && !value.includes('\0') ? value : null;
}

function jsonAt(body: Buffer, member: Member | null): unknown {
  if (member === null || member.end - member.start > VALUE_BYTES_MAX) return null;
  try {
    return JSON.parse(body.toString('utf8', member.start, member.end));
  } catch {
    return null;
  }
}
