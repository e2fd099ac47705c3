/**
 * Proof of a device: an Ed25519 signature over who connects, as what, and the challenge it was given. A client need not
 * send one when its credential is good; one that is sent must be right, because somebody may rely on it. Pure.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { ConnectParams } from '@openclaw/gateway-protocol';

export type DeviceFault =
  | 'device-id-mismatch'
  | 'device-nonce-mismatch'
  | 'device-signature-stale'
  | 'device-signature';

const KEY_BYTES = 32;
/** Clocks of client and server may differ by this much. */
const SKEW_MAX_MS = 10 * 60_000;
/** What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** Null: there is no device, or its signature holds. */
export function deviceFault(params: ConnectParams, nonce: string, now: number): DeviceFault | null {
  const { device } = params;
  if (device === undefined) return null;
  const raw = Buffer.from(device.publicKey, 'base64url');
  if (raw.length !== KEY_BYTES || createHash('sha256').update(raw).digest('hex') !== device.id.toLowerCase()) {
    return 'device-id-mismatch';
  }
  if (device.nonce !== nonce) return 'device-nonce-mismatch';
  if (Math.abs(now - device.signedAt) > SKEW_MAX_MS) return 'device-signature-stale';
  const signature = Buffer.from(device.signature, 'base64url');
  const isSigned = signedTexts(params).some((text) => isBy(keyOf(raw), text, signature));
  return isSigned ? null : 'device-signature';
}

/** The third form, and the second, which older clients sign. */
function signedTexts({ device, client, role = 'operator', scopes = [], auth }: ConnectParams): string[] {
  const { id, signedAt, nonce } = device!;
  const token = auth?.token ?? auth?.deviceToken ?? auth?.bootstrapToken ?? '';
  const common = [id, client.id, client.mode, role, scopes.join(','), signedAt, token, nonce].join('|');
  const machine = [client.platform, client.deviceFamily ?? ''].map((name) => name.trim().toLowerCase()).join('|');
  return [`v3|${common}|${machine}`, `v2|${common}`];
}

function keyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' });
}

function isBy(key: KeyObject, text: string, signature: Buffer): boolean {
  return verify(null, Buffer.from(text, 'utf8'), key, signature);
}
