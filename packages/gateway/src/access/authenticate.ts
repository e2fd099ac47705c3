/**
 * Turns a presented credential into a caller. Scopes come from the credential's record, never from the request. The
 * credential may travel in any of the headers that the vendors' SDKs use; what is wrong is treated like what is absent.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Caller, DEFAULT_TENANT, type Scope } from '../domain/caller.ts';
import type { AuthMode, GatewaySecrets } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { FailureLimiter, type LimiterOptions } from './limiter.ts';

/** Headers that may carry our credential. None of them is ever forwarded to a provider. */
export const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'] as const;

export interface Access {
  /** Throws GatewayError `unauthorized`, or `rate_limited` once the source failed too often. */
  authenticate(headers: IncomingHttpHeaders, remoteAddress: string): Caller;
}

const OPERATOR: Caller = {
  tenantId: DEFAULT_TENANT,
  keyId: null,
  scopes: new Set<Scope>(['dispatch', 'read', 'metrics', 'admin']),
};

export function createAccess(
  auth: { mode: AuthMode; rateLimit: LimiterOptions },
  secrets: GatewaySecrets,
  clock: Clock,
): Access {
  if (auth.mode === 'none') return { authenticate: () => OPERATOR };
  const expected = auth.mode === 'token' ? secrets.token : secrets.password;
  if (!expected) throw new Error(`authentication by ${auth.mode} was asked for, but there is no ${auth.mode}`);
  const limiter = new FailureLimiter(auth.rateLimit, clock);
  return {
    authenticate(headers, remoteAddress) {
      const presented = presentedCredential(headers);
      if (presented !== null && expected.equals(presented)) return OPERATOR;
      throw refusal(limiter.fail(remoteAddress));
    },
  };
}

/** The first credential header that is there; `Bearer` is case-insensitive, as RFC 9110 says of schemes. */
export function presentedCredential(headers: IncomingHttpHeaders): string | null {
  for (const name of CREDENTIAL_HEADERS) {
    const value = headers[name];
    if (typeof value !== 'string' || value === '') continue;
    if (name !== 'authorization') return value;
    const bearer = /^bearer +(\S+)$/i.exec(value);
    if (bearer) return bearer[1]!;
  }
  return null;
}

function refusal(lockedMs: number): GatewayError {
  if (lockedMs > 0) {
    return new GatewayError('rate_limited', 'Too many failed authentication attempts. Please try again later.', {
      retryAfterSeconds: Math.ceil(lockedMs / 1000),
    });
  }
  return new GatewayError('unauthorized', 'Unauthorized');
}
