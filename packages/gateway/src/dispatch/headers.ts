/**
 * Which headers go to a provider and which come back. On the doors nothing of the caller's goes out but the trace and
 * its own request id; what the gateway owns (credential, framing, trace) wins over a provider's configured headers.
 * Pure; the part that never changes is made once for each provider.
 */
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import { spellingsOf } from '../domain/attribution-headers.ts';
import { GatewayError } from '../domain/errors.ts';
import { OUTBOUND_PARAM } from '../domain/outbound-headers.ts';
import type { Provider } from '../domain/provider.ts';
import { credentialHeader, VERSION_HEADERS } from '../providers/credentials.ts';
import type { UpstreamHeaders } from '../providers/transport.ts';

export const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
] as const;

export const HOP_HEADER = 'x-weighbridge-hop';
const LEDGER_ID = /led_[0-9A-HJKMNP-TV-Z]{26}/g;

/** Never taken from a provider's configured headers: ours, or set for each request. */
const GATEWAY_OWNED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'content-type',
  'accept-encoding',
  'expect',
  'traceparent',
  'tracestate',
  'x-client-request-id',
]);

/**
 * Never passed to a caller: about the connection, or about the provider's origin instead of ours. The length is set
 * anew from the bytes that are sent.
 */
const UPSTREAM_ONLY: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'content-length',
  'date',
  'set-cookie',
  'set-cookie2',
  'x-request-id',
  'alt-svc',
  'strict-transport-security',
  'public-key-pins',
  'www-authenticate',
  'clear-site-data',
  '__proto__',
]);

/** The headers that are the same on every request to this provider: alternating names and values. */
export function fixedHeaders(provider: Provider, ledgerId: string): readonly string[] {
  const merged = new Map([
    ['accept', 'application/json'],
    ['user-agent', `weighbridge/${WEIGHBRIDGE_VERSION}`],
    ...(VERSION_HEADERS[provider.api] ?? []),
  ]);
  for (const [name, value] of Object.entries(provider.headers)) {
    const lower = name.toLowerCase();
    if (!GATEWAY_OWNED.has(lower) && !lower.startsWith('x-weighbridge-')) merged.set(lower, value);
  }
  if (provider.credential !== null) merged.set(...credentialHeader(provider.api, provider.credential));
  merged.set('content-type', 'application/json');
  // A compressed answer could be neither edited nor counted as it passes.
  merged.set('accept-encoding', 'identity');
  if (!provider.isVendorOrigin) merged.set(HOP_HEADER, ledgerId);
  return [...merged].flat();
}

/**
 * A session's and a key's own headers take the place of the provider's configured ones. What the gateway owns neither can
 * name: domain/header-rules.ts.
 */
export function withOutbound(
  fixed: readonly string[],
  outbound: Readonly<Record<string, string>> | undefined,
): readonly string[] {
  if (outbound === undefined) return fixed;
  const own = Object.entries(outbound);
  if (own.length === 0) return fixed;
  const said = spellingsOf(outbound);
  const kept = fixed.filter((_, at) => !said.has(fixed[at - (at % 2)]!));
  return [...kept, ...own.flat()];
}

/** Common servers read 8 to 16 KiB of headers, and say little where there is more. */
const MERGED_BYTES_MAX = 12_288;

/** What each part may have is bounded where it is set; together they may be too much all the same. Throws GatewayError. */
export function refuseOversized(headers: readonly string[], providerId: string): void {
  const bytes = headers.reduce((sum, { length }) => sum + length + 2, 0);
  if (bytes <= MERGED_BYTES_MAX) return;
  throw new GatewayError(
    'invalid_request',
    `The headers for provider '${providerId}' have ${bytes} bytes together, which is more than ${MERGED_BYTES_MAX}; set fewer or shorter outbound headers, or have the operator shorten the provider's own.`,
    { param: OUTBOUND_PARAM },
  );
}

/** Headers of the caller's that are part of what is asked take the place of the provider's configured ones. */
export function withCallers(
  headers: readonly string[],
  names: readonly string[],
  caller: Readonly<Record<string, string>>,
): readonly string[] {
  const own = names.filter((name) => caller[name] !== undefined);
  return own.length === 0
    ? headers
    : withOutbound(headers, Object.fromEntries(own.map((name) => [name, caller[name]!])));
}

/** The gateways that a request has come through, this one last: a loop over two of them is found only if both stay named. */
export function hopsOf(caller: Readonly<Record<string, string>>, ledgerId: string): string {
  return [...(caller[HOP_HEADER]?.match(LEDGER_ID) ?? []), ledgerId].join(', ');
}

/** The fixed headers and those of one dispatch. */
export function requestHeaders(
  fixed: readonly string[],
  dispatchId: string,
  caller: Readonly<Record<string, string>>,
  traceparent: string | null,
): string[] {
  const headers = [...fixed, 'x-client-request-id', caller['x-client-request-id'] || dispatchId];
  if (caller[HOP_HEADER] !== undefined) nameHops(headers, caller);
  if (traceparent === null) return headers;
  headers.push('traceparent', traceparent);
  const tracestate = caller.tracestate;
  if (tracestate !== undefined) headers.push('tracestate', tracestate);
  return headers;
}

function nameHops(headers: string[], caller: Readonly<Record<string, string>>): void {
  const own = headers.indexOf(HOP_HEADER) + 1;
  if (own > 0) headers[own] = hopsOf(caller, headers[own]!);
}

/** What of a provider's answer head goes to the caller. */
export function answerHeaders(headers: UpstreamHeaders): Record<string, string> {
  const named = namedByConnection(headers.connection);
  const kept: Record<string, string> = {};
  for (const name in headers) {
    if (isUpstreamOnly(name) || named?.includes(name)) continue;
    const value = headers[name];
    if (value !== undefined) kept[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return kept;
}

/** One value of a header, the first where it was repeated. */
export function headerOf(headers: UpstreamHeaders, name: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : (value[0] ?? null);
}

/** About the connection to the provider, about its origin, or in our name: never a caller's business. */
export function isUpstreamOnly(name: string): boolean {
  return UPSTREAM_ONLY.has(name) || name.startsWith('access-control-') || name.startsWith('x-weighbridge-');
}

/** Headers that the upstream declares hop-by-hop itself. */
export function namedByConnection(connection: string | string[] | undefined): string[] | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null;
  return String(connection)
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
}
