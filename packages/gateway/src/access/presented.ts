/**
 * The credentials a request presents: the four headers that vendors' SDKs use for theirs, so that every SDK works
 * against us. Whoever forwards headers leaves all four behind.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Headers that may carry our credential; never forwarded. */
export const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'] as const;

const BEARER = /^bearer +/i;

/** In the order of `CREDENTIAL_HEADERS`; empty ones count as absent. */
export function presentedCredentials(headers: IncomingHttpHeaders): string[] {
  const found: string[] = [];
  const authorization = headers.authorization;
  if (authorization !== undefined && BEARER.test(authorization)) {
    const bearer = authorization.replace(BEARER, '');
    if (bearer !== '') found.push(bearer);
  }
  for (let index = 1; index < CREDENTIAL_HEADERS.length; index++) {
    const value = headers[CREDENTIAL_HEADERS[index]!];
    if (typeof value === 'string' && value !== '') found.push(value);
  }
  return found;
}
