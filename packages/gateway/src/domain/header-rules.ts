/**
 * What a header that somebody else than the operator gives may be, wherever it comes from: a key's forced headers and a
 * session's outbound ones are held to the same names, values and sizes. The deny list lies here and only here; no
 * configuration overrides it. Who may send what to whom is decided by those who ask. Pure.
 */
import { GatewayError } from './errors.ts';

export const HEADERS_MAX = 16;
/** Of all together: names, values, and four bytes of framing each. */
export const HEADERS_BYTES_MAX = 8192;
const VALUE_BYTES_MAX = 1024;
const METADATA_BYTES_MAX = 4096;

/**
 * No underscore: servers fold it to a hyphen, and then it is another name. Asked before the case is folded, which makes
 * letters of characters that are none (U+212A becomes k).
 */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/;
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

const DENIED: ReadonlySet<string> = new Set(
  `authorization host cookie cookie2 connection keep-alive te trailer transfer-encoding upgrade expect forwarded via
   x-host x-http-host-override x-real-ip x-client-ip x-cluster-client-ip true-client-ip x-method-override range user-agent
   origin referer date www-authenticate idempotency-key x-idempotency-key traceparent tracestate baggage
   x-client-request-id x-request-id x-session-affinity openai-organization openai-project constructor prototype`.split(
    /\s+/,
  ),
);
/** `x-pass-`: LiteLLM takes it off and sends the rest to the vendor, `x-pass-authorization` too. */
const DENIED_PREFIXES =
  `set-cookie content- proxy- x-proxy- x-forwarded cf- fastly- x-original- x-rewrite- x-envoy- x-http-method accept if-
   sec- access-control- x-stainless- x-gateway- x-openclaw- x-weighbridge- x-amz- x-goog- x-pass- x-auth- x-remote-
   anthropic- x-portkey- helicone-`.split(/\s+/);
const DENIED_SUFFIXES =
  '-key -apikey -token -jwt -secret -auth -authorization -signature -password -credential -credentials'.split(' ');

/** Credentials, host, framing, the connection, routing, another's billing, and what the gateway says itself. */
export function isDeniedHeader(name: string): boolean {
  return (
    DENIED.has(name) ||
    DENIED_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    // `api-key` is a name of its own, not only an ending; `x-token` and `token` are one thing.
    DENIED_SUFFIXES.some((suffix) => name.endsWith(suffix) || name === suffix.slice(1))
  );
}

/** The name lower-cased. Throws GatewayError; `param` says which field it stood in. */
export function checkedName(given: string, param: string): string {
  if (NAME.test(given)) return given.toLowerCase();
  throw refusedHeader(
    `The header '${printable(given)}' has no usable name: letters, digits and hyphens, at most 64.`,
    param,
  );
}

/** The value without the blanks around it. Throws GatewayError that names the header, never the value. */
export function checkedValue(name: string, given: string, param: string): string {
  const value = given.replace(/^[ \t]+|[ \t]+$/g, '');
  const max = name.endsWith('-metadata') ? METADATA_BYTES_MAX : VALUE_BYTES_MAX;
  if (value.length > max) throw refusedHeader(`The value of the header '${name}' is longer than ${max} bytes.`, param);
  if (VALUE.test(value)) return value;
  throw refusedHeader(`The value of the header '${name}' must be visible ASCII, and not empty.`, param);
}

/** `whose`: what has them, as the refusal says it. */
export function checkSizes(headers: Readonly<Record<string, string>>, whose: string, param: string): void {
  const all = Object.entries(headers);
  if (all.length > HEADERS_MAX) throw refusedHeader(`${whose} can have at most ${HEADERS_MAX} headers.`, param);
  const bytes = all.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  if (bytes <= HEADERS_BYTES_MAX) return;
  throw refusedHeader(`The headers of ${whose} may have ${HEADERS_BYTES_MAX} bytes together, no more.`, param);
}

export function refusedHeader(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', message, { param });
}

export function printable(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
