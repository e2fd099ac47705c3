/**
 * Who is at the other end of a WebSocket, from its `connect`. The credential decides who it is and the most it may do;
 * the rest is what it says about itself, which is shown and never trusted. Throws what the client is told before its
 * socket is closed.
 */
import type { ConnectParams } from '@openclaw/gateway-protocol';
import type { Caller } from '../domain/caller.ts';
import type { AuthMode } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import { Secret } from '../lib/secret.ts';
import { deviceFault } from './device.ts';
import { granted, type WireScope } from './scopes.ts';
import { invalid, WireFailure } from './wire-errors.ts';

export const PROTOCOL_MIN = 3;
export const PROTOCOL_MAX = 4;

export interface Identity {
  caller: Caller;
  /** Its credential, to be asked about again; null: it showed none. */
  presented: Secret | null;
  scopes: ReadonlySet<WireScope>;
  protocol: number;
  client: ConnectParams['client'];
  /** Null: it showed none. */
  deviceId: string | null;
}

export interface IdentityDeps {
  authenticate(headers: Record<string, string>, remoteAddress: string): Caller | Promise<Caller>;
  authMode: () => AuthMode;
  now: () => number;
}

/** `protocol mismatch` closes with a code of its own. */
export const CLOSE_POLICY = 1008;
export const CLOSE_PROTOCOL = 1002;

export class HandshakeRefusal extends WireFailure {
  readonly closeCode: number;

  constructor({ shape }: WireFailure, closeCode = CLOSE_POLICY) {
    super(shape);
    this.closeCode = closeCode;
  }
}

export async function identify(
  params: ConnectParams,
  { nonce, address }: { nonce: string; address: string },
  deps: IdentityDeps,
): Promise<Identity> {
  if (params.role !== undefined && params.role !== 'operator') throw new HandshakeRefusal(invalid('invalid role'));
  const protocol = agreedProtocol(params);
  const presented = params.auth?.token ?? params.auth?.password ?? '';
  const caller = await callerOf(presented, params.device !== undefined, address, deps);
  const fault = deviceFault(params, nonce, deps.now());
  if (fault !== null) throw badDevice(fault);
  return {
    caller,
    presented: presented === '' ? null : heldSecret(presented),
    protocol,
    scopes: shared(granted(caller, params.scopes ?? null, protocol)),
    client: params.client,
    deviceId: params.device?.id ?? null,
  };
}

/** Thousands of connections have one of a few sets, and most the same credential: each is kept once. */
const sets = new Map<string, ReadonlySet<WireScope>>();
let lastSecret = new Secret('');

function shared(scopes: readonly WireScope[]): ReadonlySet<WireScope> {
  const name = scopes.join();
  const known = sets.get(name);
  if (known !== undefined) return known;
  const own = new Set(scopes);
  // Of eight scopes there are two hundred and fifty-six sets.
  sets.set(name, own);
  return own;
}

function heldSecret(presented: string): Secret {
  if (!lastSecret.equals(presented)) lastSecret = new Secret(presented);
  return lastSecret;
}

function agreedProtocol({ minProtocol, maxProtocol }: ConnectParams): number {
  if (minProtocol <= PROTOCOL_MAX && maxProtocol >= PROTOCOL_MIN) return Math.min(maxProtocol, PROTOCOL_MAX);
  const details = {
    code: 'PROTOCOL_MISMATCH',
    clientMinProtocol: minProtocol,
    clientMaxProtocol: maxProtocol,
    expectedProtocol: PROTOCOL_MAX,
    minimumProbeProtocol: PROTOCOL_MIN,
  };
  throw new HandshakeRefusal(invalid('protocol mismatch', details), CLOSE_PROTOCOL);
}

async function callerOf(presented: string, hasDevice: boolean, address: string, deps: IdentityDeps): Promise<Caller> {
  try {
    return await deps.authenticate(presented === '' ? {} : { 'x-weighbridge-key': presented }, address);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code === 'rate_limited') throw lockedOut(error.retryAfterSeconds ?? 1);
    if (error.code !== 'unauthorized') throw error;
    if (presented === '' && !hasDevice) throw deviceless();
    throw wrongCredential(deps.authMode() === 'password' ? 'password' : 'token', presented === '');
  }
}

function deviceless(): HandshakeRefusal {
  const details = { code: 'DEVICE_IDENTITY_REQUIRED' };
  return new HandshakeRefusal(new WireFailure({ code: 'NOT_PAIRED', message: 'device identity required', details }));
}

function wrongCredential(kind: 'token' | 'password', isMissing: boolean): HandshakeRefusal {
  const what = isMissing ? 'missing' : 'mismatch';
  const message = `unauthorized: gateway ${kind} ${what} (provide gateway auth ${kind})`;
  const details = {
    code: `AUTH_${kind.toUpperCase()}_${what.toUpperCase()}`,
    authReason: `${kind}_${what}`,
    canRetryWithDeviceToken: false,
    recommendedNextStep: isMissing ? 'update_auth_configuration' : 'update_auth_credentials',
  };
  return new HandshakeRefusal(invalid(message, details));
}

function lockedOut(seconds: number): HandshakeRefusal {
  const details = {
    code: 'AUTH_RATE_LIMITED',
    authReason: 'rate_limited',
    canRetryWithDeviceToken: false,
    recommendedNextStep: 'wait_then_retry',
  };
  const message = 'unauthorized: too many failed authentication attempts (retry later)';
  return new HandshakeRefusal(
    new WireFailure({ code: 'INVALID_REQUEST', message, details, retryable: true, retryAfterMs: seconds * 1000 }),
  );
}

function badDevice(reason: string): HandshakeRefusal {
  const code = {
    'device-id-mismatch': 'DEVICE_AUTH_DEVICE_ID_MISMATCH',
    'device-nonce-mismatch': 'DEVICE_AUTH_NONCE_MISMATCH',
    'device-signature-stale': 'DEVICE_AUTH_SIGNATURE_EXPIRED',
    'device-signature': 'DEVICE_AUTH_SIGNATURE_INVALID',
  }[reason]!;
  const message = reason === 'device-signature' ? 'device signature invalid' : reason.replaceAll('-', ' ');
  return new HandshakeRefusal(invalid(message, { code, reason }));
}
