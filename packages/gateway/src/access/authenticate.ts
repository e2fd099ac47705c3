/**
 * Turns a presented credential into a caller: the operator's own, or a key. Scopes come from the credential's record, never
 * from the request. The credential may travel in any of the headers that the vendors' SDKs use; what is wrong is treated
 * like what is absent, and nothing tells an unknown key from a revoked one.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Caller, DEFAULT_TENANT, SCOPES } from '../domain/caller.ts';
import type { AuthMode, GatewaySecrets } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { keyIdIn } from './key-text.ts';
import type { Keys } from './keys.ts';
import { FailureLimiter, type LimiterOptions } from './limiter.ts';
import { SignIns, signInCookie } from './sign-in.ts';

/**
 * Headers that may carry our credential; the first that is there decides. None of them is ever forwarded to a provider,
 * but where the caller's own credential goes to the provider in one of the others: ours is then in the first.
 */
export const CREDENTIAL_HEADERS = [
  'x-weighbridge-key',
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'api-key',
] as const;

export interface Access {
  /**
   * Throws GatewayError `unauthorized`, or `rate_limited` once the source failed too often. A promise only where keys are
   * shared with other gateways and their revocations could not be read lately.
   */
  authenticate(headers: IncomingHttpHeaders, remoteAddress: string): Caller | Promise<Caller>;
  /** Whether that is the operator's own credential; counts nothing. */
  isOperators(presented: string | null): boolean;
  /** Cookies and links of the page. */
  readonly signIns: SignIns;
}

const OPERATOR: Caller = { tenantId: DEFAULT_TENANT, keyId: null, scopes: new Set(SCOPES) };
const NO_KEYS: Pick<Keys, 'callerOf' | 'callerOfId'> = { callerOf: () => null, callerOfId: () => null };

export function createAccess(
  auth: { mode: AuthMode; rateLimit: LimiterOptions },
  secrets: GatewaySecrets,
  clock: Clock,
  keys: Pick<Keys, 'callerOf' | 'callerOfId'> = NO_KEYS,
  /** Of the access before a reload: who has guessed too often has done so still. */
  limiter = new FailureLimiter(auth.rateLimit, clock),
): Access {
  const isOperators = operatorsCredential(auth.mode, secrets);
  const secret = auth.mode === 'none' ? null : secrets[auth.mode];
  const signIns = new SignIns({ operator: OPERATOR, secret, keys, clock });
  return {
    signIns,
    isOperators,
    authenticate(headers, remoteAddress) {
      const presented = presentedCredential(headers);
      if (isOperators(presented)) return OPERATOR;
      const cookie = presented === null ? signInCookie(headers) : null;
      // Not counted as a failure: it cannot be guessed, and a page left open over night must not lock its machine out.
      if (cookie !== null) return signIns.callerOf(cookie).then(orSignedOut);
      const known = (caller: Caller | null): Caller => {
        if (caller !== null) return caller;
        throw refusal(limiter.fail(remoteAddress));
      };
      const found = presented === null ? null : keys.callerOf(presented);
      return found instanceof Promise ? found.then(known) : known(found);
    },
  };
}

function orSignedOut(caller: Caller | null): Caller {
  if (caller !== null) return caller;
  throw refusal(0);
}

/** Without authentication everybody is the operator but who presents a key: its calls are for its tenant or for nobody. */
function operatorsCredential(mode: AuthMode, secrets: GatewaySecrets): (presented: string | null) => boolean {
  if (mode === 'none') return (presented) => presented === null || keyIdIn(presented) === null;
  const expected = mode === 'token' ? secrets.token : secrets.password;
  if (!expected) throw new Error(`authentication by ${mode} was asked for, but there is no ${mode}`);
  return (presented) => presented !== null && expected.equals(presented);
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
