/**
 * Which headers a key may force on its calls, decided when it is made. Attribution is ours to read; anything else goes to
 * the provider, and so must be neither credential, framing, routing nor somebody's billing. A refusal names the header
 * and the rule, never the value. Pure.
 */
import { ATTRIBUTION_HEADERS, familyOf } from '../domain/attribution-headers.ts';
import type { ForcedHeaders } from '../domain/caller.ts';
import type { GatewayError } from '../domain/errors.ts';
import { checkedName, checkedValue, checkSizes, isDeniedHeader, refusedHeader } from '../domain/header-rules.ts';

const PARAM = 'headers';

/** Throws GatewayError `invalid_request`. Names are lower-cased. */
export function forcedHeaders(given: Iterable<readonly [string, string]>): ForcedHeaders {
  const forced = { attribution: {} as Record<string, string>, outbound: {} as Record<string, string> };
  const all: Record<string, string> = {};
  for (const [givenName, givenValue] of given) {
    const name = checkedName(givenName, PARAM);
    const family = checkedFamily(name, all);
    const value = checkedValue(name, givenValue, PARAM);
    if (family === ATTRIBUTION_HEADERS.metadata && !isObject(value)) {
      throw refused(`The value of the header '${name}' must be a JSON object.`);
    }
    all[name] = value;
    if (family !== null) forced.attribution[name] = value;
    // A spelling that is not our own is read by the provider too.
    if (!name.startsWith('x-weighbridge-') && !name.startsWith('x-openclaw-')) forced.outbound[name] = value;
  }
  checkSizes(all, 'A key', PARAM);
  return forced;
}

function checkedFamily(name: string, taken: Readonly<Record<string, string>>): readonly string[] | null {
  if (ATTRIBUTION_HEADERS.agent.some((agent) => agent === name)) {
    throw refused(`The header '${name}' is not forced as a header; give the key its agent instead.`);
  }
  const family = familyOf(name);
  const twice = (family ?? [name]).find((spelling) => Object.hasOwn(taken, spelling));
  if (twice !== undefined) throw refused(`The header '${name}' says the same as '${twice}'; force one of them.`);
  if (family === null && isDeniedHeader(name)) {
    throw refused(
      `The header '${name}' cannot be forced: it is about credentials, framing, routing or another’s billing.`,
    );
  }
  return family;
}

function isObject(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

function refused(message: string): GatewayError {
  return refusedHeader(message, PARAM);
}
