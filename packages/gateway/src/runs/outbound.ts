/**
 * Which outbound headers a run carries, decided once when it is admitted: its session's, with what the call itself asks for
 * laid on them. A patch and the snapshot are one step: what the patch gave back is the snapshot, not what is read after it.
 * What of them goes to which provider is asked again for each dispatch.
 */
import type { Caller } from '../domain/caller.ts';
import type { Attribution } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import {
  allowedFor,
  applyPatch,
  type HeaderPatch,
  type HeaderRules,
  NO_OUTBOUND,
  OUTBOUND_PARAM,
  type OutboundHeaders,
  readHeaderPatch,
} from '../domain/outbound-headers.ts';
import type { Provider } from '../domain/provider.ts';
import { scanObject } from '../lib/json-splice.ts';

export const OUTBOUND_HEADER = 'x-weighbridge-outbound-headers';

/** What sessions remember. A promise only where memory does not know. */
export interface SessionHeaders {
  snapshot(tenantId: string, sessionKey: string): MaybePromise<Remembered | null>;
  /** The same; where there is none, it is made. */
  open(tenantId: string, sessionKey: string): MaybePromise<Remembered>;
  /** Likewise. */
  patch(tenantId: string, sessionKey: string, patch: { outboundHeaders: HeaderPatch }): Promise<Remembered>;
}

/** What a run has of its session. */
export interface Remembered {
  /** Null: it has none. */
  readonly sessionId: string | null;
  readonly outboundHeaders: OutboundHeaders;
}
type MaybePromise<Value> = Value | Promise<Value>;

const NO_SESSION: Remembered = { sessionId: null, outboundHeaders: NO_OUTBOUND };

interface Asking {
  caller: Caller;
  headers: Readonly<Record<string, string>>;
  /** Taken by the door already. */
  session?: Remembered;
}

/** The snapshot for a run; `wanted` says whether a session that is not there is made. Throws GatewayError, or rejects with it. */
export function snapshotFor(
  call: Asking,
  { tenantId, sessionKey }: Pick<Attribution, 'tenantId' | 'sessionKey'>,
  rules: HeaderRules,
  sessions: SessionHeaders | null,
  wanted: 'open' | 'snapshot',
): MaybePromise<Remembered> {
  if (call.session !== undefined) return call.session;
  const given = call.headers[OUTBOUND_HEADER];
  const patch = given === undefined ? undefined : readHeaderPatch(parsed(given), rules, call.caller);
  if (sessionKey === null || sessions === null) {
    return patch === undefined ? NO_SESSION : { sessionId: null, outboundHeaders: applyPatch(NO_OUTBOUND, patch) };
  }
  const before = sessions[wanted](tenantId, sessionKey);
  const next = (found: Remembered | null): MaybePromise<Remembered> => {
    const current = found ?? NO_SESSION;
    const { outboundHeaders } = current;
    // Most calls say what their session knows already, and then nothing is written.
    if (patch === undefined || isSame(outboundHeaders, applyPatch(outboundHeaders, patch))) return current;
    return sessions.patch(tenantId, sessionKey, { outboundHeaders: patch });
  };
  return before instanceof Promise ? before.then(next) : next(before);
}

export interface Sending {
  provider: Provider;
  /** The call was meant for another provider. */
  isFallback: boolean;
  caller: Caller;
  snapshot: OutboundHeaders;
  /** The gateway's own list. */
  allow: readonly string[];
}

/** What a dispatch to this provider carries of its session's, with what the key forces on top. */
export function outboundTo({ provider, isFallback, caller, snapshot, allow }: Sending): OutboundHeaders | undefined {
  const forced = caller.terms?.forced;
  // What a key sends to a provider is not for another one that a call falls back to.
  const own = isFallback ? undefined : forced?.outbound;
  if (snapshot === NO_OUTBOUND) return own;
  const recipient = { own: provider.outboundAllow ?? null, gateway: allow, isFallback, forced };
  return { ...allowedFor(recipient, snapshot), ...own };
}

function parsed(text: string): unknown {
  if (text.trim() === 'null') return null;
  const bytes = Buffer.from(text);
  const scan = scanObject(bytes);
  const [twice] = typeof scan === 'string' ? [] : scan.duplicates;
  if (twice !== undefined) throw refused('names a header more than once.');
  try {
    return JSON.parse(text);
  } catch {
    throw refused('must be a JSON object of names and texts, or null.');
  }
}

function isSame(one: OutboundHeaders, other: OutboundHeaders): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function refused(what: string): GatewayError {
  return new GatewayError('invalid_request', `\`${OUTBOUND_HEADER}\` ${what}`, { param: OUTBOUND_PARAM });
}
