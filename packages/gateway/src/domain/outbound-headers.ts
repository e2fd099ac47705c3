/**
 * A session's outbound headers: what somebody asks for read as a patch, the patch laid on what is there, and what of the
 * result may go to a provider. Every way in (WebSocket methods, sessions, HTTP) reads with `readHeaderPatch`, and nothing
 * reaches a socket but through `allowedFor`, which checks all of it again: a rule that got stricter holds for what was
 * stored before it. Pure; refusals name the header and the rule, never the value.
 */
import { spellingsOf } from './attribution-headers.ts';
import type { Caller } from './caller.ts';
import { GatewayError } from './errors.ts';
import { checkedName, checkedValue, checkSizes, isDeniedHeader, printable, refusedHeader } from './header-rules.ts';

/** Lower-cased names; without prototype, so that no name means anything. */
export type OutboundHeaders = Readonly<Record<string, string>>;

/** Null clears all; a null value takes one name away. Absent fields are no patch: whoever reads them knows. */
export type HeaderPatch = null | Readonly<Record<string, string | null>>;

/** Names, or beginnings of names that end in `-*`. Lower-cased. */
export type HeaderAllowList = readonly string[];

export interface HeaderRules {
  /** What may be set: the gateway's list and those of the providers together. */
  settable: HeaderAllowList;
}

export const NO_OUTBOUND: OutboundHeaders = frozen({});
export const OUTBOUND_PARAM = 'outboundHeaders';

/** Reads what a caller asks for. Throws `forbidden` where its key may not, `invalid_request` where it cannot be. */
export function readHeaderPatch(asked: unknown, { settable }: HeaderRules, caller: Caller): HeaderPatch {
  if (caller.terms?.noOutboundHeaders) {
    throw new GatewayError('forbidden', 'This key may not set outbound headers; leave them out, or use another key.', {
      param: OUTBOUND_PARAM,
    });
  }
  if (asked === null) return null;
  if (!isPlainObject(asked)) {
    throw refused('Outbound headers must be an object of names and texts; null clears them all.');
  }
  const patch: Record<string, string | null> = Object.create(null);
  for (const [given, value] of Object.entries(asked)) {
    const name = checkedName(given, OUTBOUND_PARAM);
    if (name in patch) throw refused(`The header '${name}' is there more than once; case makes no difference.`);
    patch[name] = patchedValue(name, value, settable);
  }
  checkSizes(withoutNulls(patch), 'A session', OUTBOUND_PARAM);
  return Object.freeze(patch);
}

/** What the session then has. Throws `invalid_request` where it were too much; then nothing has changed. */
export function applyPatch(current: OutboundHeaders, patch: HeaderPatch): OutboundHeaders {
  if (patch === null) return NO_OUTBOUND;
  const next = withoutNulls({ ...current, ...patch });
  checkSizes(next, 'A session', OUTBOUND_PARAM);
  return frozen(next);
}

/** Headers as a store gives them back, whatever has become of them there. */
export function outboundOf(stored: unknown): OutboundHeaders {
  if (!isPlainObject(stored)) return NO_OUTBOUND;
  const texts = Object.entries(stored).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return frozen(Object.fromEntries(texts));
}

export interface Recipient {
  /** The provider's own list; null: it has none, and the gateway's holds. */
  own: HeaderAllowList | null;
  gateway: HeaderAllowList;
  /** It answers in another provider's place: without a list of its own it gets nothing. */
  isFallback: boolean;
  /** What the caller's key says itself, and every other spelling of it, is not the session's to say. */
  forced: { attribution: OutboundHeaders; outbound: OutboundHeaders } | undefined;
}

/** The last check: what of a session's headers goes to a provider. What may not is left out. */
export function allowedFor({ own, gateway, isFallback, forced }: Recipient, headers: OutboundHeaders): OutboundHeaders {
  const allow = own ?? (isFallback ? [] : gateway);
  const forcedNames = forced && new Set([...spellingsOf(forced.attribution), ...spellingsOf(forced.outbound)]);
  const kept = Object.entries(headers).filter(
    ([name, value]) => isAllowed(name, allow) && !forcedNames?.has(name) && isSendable(name, value),
  );
  return kept.length === 0 ? NO_OUTBOUND : frozen(Object.fromEntries(kept));
}

/** An entry of an allow list as the operator wrote it, lower-cased; or what is wrong about it. */
export function allowEntry(given: string): { entry: string } | { problem: string } {
  const entry = given.trim().toLowerCase();
  const isPrefix = entry.endsWith('*');
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(isPrefix ? entry.slice(0, -1) : entry) || (isPrefix && !entry.endsWith('-*'))) {
    return { problem: `must be a header's name, or a beginning that ends in "-*", like "x-*".` };
  }
  if (isDeniedHeader(isPrefix ? entry.slice(0, -1) : entry)) {
    return { problem: 'names a header that is never sent for a caller, whatever a list says.' };
  }
  return { entry };
}

function patchedValue(name: string, value: unknown, settable: HeaderAllowList): string | null {
  // Whatever is there may be taken away, also by a name that is no longer allowed.
  if (value === null) return null;
  if (isDeniedHeader(name)) {
    throw refused(
      `The header '${name}' cannot be set: it is about credentials, framing, routing or another’s billing.`,
    );
  }
  if (!isAllowed(name, settable)) {
    throw refused(`The header '${name}' is in no allow list; the operator’s are ${settable.join(', ') || 'empty'}.`);
  }
  if (typeof value !== 'string') throw refused(`The value of the header '${printable(name)}' must be a text, or null.`);
  return checkedValue(name, value, OUTBOUND_PARAM);
}

function isAllowed(name: string, allow: HeaderAllowList): boolean {
  return allow.some((entry) => (entry.endsWith('*') ? name.startsWith(entry.slice(0, -1)) : name === entry));
}

function isSendable(name: string, value: string): boolean {
  try {
    return checkedName(name, '') === name && checkedValue(name, value, '') === value && !isDeniedHeader(name);
  } catch {
    return false;
  }
}

function withoutNulls(patch: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(Object.entries(patch).filter((entry): entry is [string, string] => entry[1] !== null));
}

function frozen(headers: Record<string, string>): OutboundHeaders {
  return Object.freeze(Object.assign(Object.create(null) as Record<string, string>, headers));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(message: string): GatewayError {
  return refusedHeader(message, OUTBOUND_PARAM);
}
