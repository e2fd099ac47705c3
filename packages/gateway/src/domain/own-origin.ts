/**
 * Whether a request may come from a page of somebody else: a browser on another site must not act through its user's
 * machine, nor through a name that now points here. One rule for both doors. Pure.
 */

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
}

export function isForeign(
  { origin, host: named = '', 'sec-fetch-site': site }: OriginHeaders,
  { host, isOpenToAll }: OwnNames,
): boolean {
  const isForeignOrigin = origin !== undefined && origin.toLowerCase() !== `http://${named.toLowerCase()}`;
  const mustBeOurName = origin !== undefined || isOpenToAll;
  return isForeignOrigin || site === 'cross-site' || (mustBeOurName && !isOurName(named, host));
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
