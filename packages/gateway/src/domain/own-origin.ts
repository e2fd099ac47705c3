/**
 * Whether a request may come from a page of somebody else: a browser on another site must not act through its user's
 * machine, nor through a name that now points here. One rule for both doors. Pure.
 */
import type { GatewayConfig } from './config.ts';

export interface OriginHeaders {
  origin?: string | undefined;
  host?: string | undefined;
  'sec-fetch-site'?: string | string[] | undefined;
}

export interface OwnNames {
  /** The host we were told to bind to: a name of ours besides loopback and addresses. */
  host: string;
  /** Without a credential the name is all that tells our callers from a web page whose name now points here. */
  isOpenToAll: boolean;
  /** Origins that a proxy before us has: `https://meter.example.com`, in lower case. */
  allowedOrigins: readonly string[];
}

export function ownNamesOf({ host, auth, allowedOrigins }: GatewayConfig): OwnNames {
  return { host, isOpenToAll: auth.mode === 'none', allowedOrigins };
}

export function isForeign(
  { origin, host: named = '', 'sec-fetch-site': site }: OriginHeaders,
  { host, isOpenToAll, allowedOrigins }: OwnNames,
): boolean {
  // A page of that origin asks; under which name its proxy passes that on is the proxy's affair.
  if (origin !== undefined && allowedOrigins.includes(origin.toLowerCase())) return false;
  const isForeignOrigin = origin !== undefined && origin.toLowerCase() !== `http://${named.toLowerCase()}`;
  const mustBeOurName = origin !== undefined || isOpenToAll;
  return (
    isForeignOrigin ||
    site === 'cross-site' ||
    (mustBeOurName && !isOurName(named, host) && allowedAs(named, allowedOrigins) === undefined)
  );
}

/** Where a browser reaches whoever was asked under that name: a proxy's origin, else our own. */
export function originOf(hostHeader: string, { allowedOrigins }: OwnNames): string {
  return allowedAs(hostHeader, allowedOrigins) ?? `http://${hostHeader}`;
}

function allowedAs(hostHeader: string, origins: readonly string[]): string | undefined {
  return origins.find((origin) => origin.endsWith(`://${hostHeader.toLowerCase()}`));
}

function isOurName(hostHeader: string, host: string): boolean {
  const name = hostHeader
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
  // No name in the world's directory is made of digits and dots alone, or has a colon: those are addresses.
  const isAddress = /^[\d.]+$/.test(name) || name.includes(':');
  return name === 'localhost' || name === host.toLowerCase() || isAddress;
}
