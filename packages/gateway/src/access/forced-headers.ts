/**
 * Which headers a key may force on its calls, decided when it is made. Attribution is ours to read; anything else goes to
 * the provider, and so must be neither credential, framing, routing nor somebody's billing. A refusal names the header
 * and the rule, never the value. Pure.
 */
import { ATTRIBUTION_HEADERS, familyOf } from '../domain/attribution-headers.ts';
import type { ForcedHeaders } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';

const HEADERS_MAX = 16;
const BYTES_MAX = 8192;
const VALUE_BYTES_MAX = 1024;
const METADATA_BYTES_MAX = 4096;
/** No underscore: servers fold it to a hyphen, and then it is another name. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

const DENIED: ReadonlySet<string> = new Set(
  `authorization host cookie cookie2 connection keep-alive te trailer transfer-encoding upgrade expect forwarded via
   x-real-ip x-client-ip x-cluster-client-ip true-client-ip x-method-override range user-agent origin referer date
   www-authenticate idempotency-key traceparent tracestate baggage x-client-request-id x-request-id x-goog-user-project
   x-session-affinity openai-organization openai-project constructor`.split(/\s+/),
);
const DENIED_PREFIXES =
  `set-cookie content- proxy- x-forwarded cf- fastly- x-original- x-rewrite- x-http-method accept if- sec- access-control-
   x-stainless- x-gateway- x-openclaw- x-weighbridge- x-amz- anthropic- x-portkey- helicone-`.split(/\s+/);
const DENIED_SUFFIXES = '-key -token -secret -auth -authorization -signature -password'.split(' ');

/** Throws GatewayError `invalid_request`. Names are lower-cased. */
export function forcedHeaders(given: Iterable<readonly [string, string]>): ForcedHeaders {
  const forced = { attribution: {} as Record<string, string>, outbound: {} as Record<string, string> };
  const taken = new Set<string>();
  let bytes = 0;
  for (const [givenName, givenValue] of given) {
    const name = givenName.toLowerCase();
    const value = givenValue.replace(/^[ \t]+|[ \t]+$/g, '');
    const family = checkedFamily(name, taken);
    checkValue(name, value, family);
    taken.add(name);
    bytes += name.length + value.length + 4;
    if (family !== null) forced.attribution[name] = value;
    // A spelling that is not our own is read by the provider too.
    if (!name.startsWith('x-weighbridge-') && !name.startsWith('x-openclaw-')) forced.outbound[name] = value;
  }
  if (taken.size > HEADERS_MAX) throw refused(`A key can force at most ${HEADERS_MAX} headers.`);
  if (bytes > BYTES_MAX) throw refused(`The headers of a key may have ${BYTES_MAX} bytes together, no more.`);
  return forced;
}

function checkedFamily(name: string, taken: ReadonlySet<string>): readonly string[] | null {
  if (!NAME.test(name)) {
    throw refused(`The header '${printable(name)}' has no usable name: letters, digits and hyphens, at most 64.`);
  }
  if (ATTRIBUTION_HEADERS.agent.some((agent) => agent === name)) {
    throw refused(`The header '${name}' is not forced as a header; give the key its agent instead.`);
  }
  const family = familyOf(name);
  const twice = (family ?? [name]).find((spelling) => taken.has(spelling));
  if (twice !== undefined) throw refused(`The header '${name}' says the same as '${twice}'; force one of them.`);
  if (family === null && isDenied(name)) {
    throw refused(
      `The header '${name}' cannot be forced: it is about credentials, framing, routing or another’s billing.`,
    );
  }
  return family;
}

function checkValue(name: string, value: string, family: readonly string[] | null): void {
  const isMetadata = family === ATTRIBUTION_HEADERS.metadata;
  const max = isMetadata ? METADATA_BYTES_MAX : VALUE_BYTES_MAX;
  if (value.length > max) throw refused(`The value of the header '${name}' is longer than ${max} bytes.`);
  if (!VALUE.test(value)) throw refused(`The value of the header '${name}' must be visible ASCII, and not empty.`);
  if (isMetadata && !isObject(value)) throw refused(`The value of the header '${name}' must be a JSON object.`);
}

function isDenied(name: string): boolean {
  return (
    DENIED.has(name) ||
    DENIED_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    // `api-key` is a name of its own, not only an ending.
    DENIED_SUFFIXES.some((suffix) => name.endsWith(suffix) || name === suffix.slice(1))
  );
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
  return new GatewayError('invalid_request', message, { param: 'headers' });
}

function printable(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
