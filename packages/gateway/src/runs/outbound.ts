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

/** What sessions remember. A session that is patched and not there is made. */
export interface SessionHeaders {
  /** A promise only where memory does not know. */
  snapshot(tenantId: string, sessionKey: string): MaybePromise<Remembered | null>;
  patch(tenantId: string, sessionKey: string, patch: { outboundHeaders: HeaderPatch }): Promise<Remembered>;
}

type Remembered = { readonly outboundHeaders: OutboundHeaders };
type MaybePromise<Value> = Value | Promise<Value>;

interface Asking {
  caller: Caller;
  headers: Readonly<Record<string, string>>;
  /** Taken by the door already, together with the rest of its session. */
  outbound?: OutboundHeaders;
}

/** The snapshot for a run. Throws GatewayError, or rejects with it. */
export function snapshotFor(
  call: Asking,
  { tenantId, sessionKey }: Pick<Attribution, 'tenantId' | 'sessionKey'>,
  rules: HeaderRules,
  sessions: SessionHeaders | null,
): MaybePromise<OutboundHeaders> {
  if (call.outbound !== undefined) return call.outbound;
  const given = call.headers[OUTBOUND_HEADER];
  const patch = given === undefined ? undefined : readHeaderPatch(parsed(given), rules, call.caller);
  if (sessionKey === null || sessions === null)
    return patch === undefined ? NO_OUTBOUND : applyPatch(NO_OUTBOUND, patch);
  const before = sessions.snapshot(tenantId, sessionKey);
  const next = (found: Remembered | null): MaybePromise<OutboundHeaders> => {
    const current = found?.outboundHeaders ?? NO_OUTBOUND;
    // Most calls say what their session knows already, and then nothing is written.
    if (patch === undefined || isSame(current, applyPatch(current, patch))) return current;
    return sessions
      .patch(tenantId, sessionKey, { outboundHeaders: patch })
      .then(({ outboundHeaders }) => outboundHeaders);
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
