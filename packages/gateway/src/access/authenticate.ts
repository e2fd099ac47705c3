/**
 * Turns a request's credential into a caller. The comparison is constant-time and comes first; only a wrong credential
 * meets the failure limiter. A garbage credential and none at all are answered alike, so that nothing can be probed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Caller, DEFAULT_TENANT, type Scope } from '../domain/caller.ts';
import type { GatewayConfig, GatewaySecrets } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import { FailureLimiter } from './limiter.ts';
import { presentedCredentials } from './presented.ts';
import { canonicalSource } from './source.ts';

export interface Access {
  /** Throws GatewayError `unauthorized` or `rate_limited`. */
  authenticate(headers: IncomingHttpHeaders, remoteAddress: string): Caller;
}

const EVERY_SCOPE: readonly Scope[] = ['dispatch', 'read', 'metrics', 'admin'];

export function createAccess(
  auth: GatewayConfig['auth'],
  secrets: GatewaySecrets,
  clock: Pick<Clock, 'monotonic'>,
): Access {
  const operator: Caller = Object.freeze({
    tenantId: DEFAULT_TENANT,
    keyId: null,
    scopes: new Set(EVERY_SCOPE),
  });
  if (auth.mode === 'none') return { authenticate: () => operator };
  const secret = secretOf(auth.mode, secrets);
  const limiter = new FailureLimiter(auth.rateLimit, clock);
  return {
    authenticate(headers, remoteAddress) {
      const presented = presentedCredentials(headers);
      for (const candidate of presented) if (secret.equals(candidate)) return operator;
      // Each wrong credential is a guess; a request without any is one too.
      throw refusal(limiter.fail(canonicalSource(remoteAddress), Math.max(1, presented.length)));
    },
  };
}

function secretOf(mode: 'token' | 'password', secrets: GatewaySecrets): Secret {
  const secret = secrets[mode];
  if (secret === null) throw new Error(`gateway.auth.mode is "${mode}" but there is no ${mode}`);
  return secret;
}

function refusal(waitMs: number): GatewayError {
  if (waitMs === 0) return new GatewayError('unauthorized', 'Unauthorized');
  return new GatewayError('rate_limited', 'Too many failed authentication attempts. Please try again later.', {
    retryAfterSeconds: Math.ceil(waitMs / 1000),
  });
}
