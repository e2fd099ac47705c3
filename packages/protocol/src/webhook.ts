/**
 * The signature of a webhook message, as Standard Webhooks has it: HMAC-SHA256 over `id.timestamp.body`, one for each
 * secret in force. Both sides are here, so that who receives can verify with what we sign with. Needs Node; it is an entry
 * point of its own (`@weighbridge/protocol/webhook`), so that a browser does not load it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const PREFIX = 'whsec_';
const BYTES_MIN = 24;
const BYTES_MAX = 64;
const NEW_BYTES = 32;
/** How old or how far ahead a message's time may be. */
const TOLERANCE_SECONDS = 300;

export const WEBHOOK_HEADERS = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const;

/** The bytes that sign; null: the text is not `whsec_` and 24 to 64 bytes in base64. */
export function signingKey(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return null;
  const base64 = secret.slice(PREFIX.length);
  const bytes = Buffer.from(base64, 'base64');
  const isExact = bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '');
  return isExact && bytes.length >= BYTES_MIN && bytes.length <= BYTES_MAX ? bytes : null;
}

export function newSigningSecret(): string {
  return PREFIX + randomBytes(NEW_BYTES).toString('base64');
}

/** The value of `webhook-signature`: `v1,…` for each secret, with spaces between. */
export function sign(id: string, timestampSeconds: number, body: string | Buffer, secrets: readonly string[]): string {
  return secrets.map((secret) => `v1,${digest(id, timestampSeconds, body, secret).toString('base64')}`).join(' ');
}

/** What a receiver knows of a message; header names in lower case. */
export interface ReceivedMessage {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** As it came, before anything parses it. */
  body: string | Buffer;
}

/** Null: signed with one of the secrets, and of now. Otherwise why not. */
export function whyNotVerified(
  { headers, body }: ReceivedMessage,
  secrets: readonly string[],
  nowMs: number = Date.now(),
): string | null {
  const id = headers[WEBHOOK_HEADERS.id];
  const timestamp = headers[WEBHOOK_HEADERS.timestamp];
  const signatures = headers[WEBHOOK_HEADERS.signature];
  if (typeof id !== 'string' || typeof timestamp !== 'string') return 'it has no webhook-id or no webhook-timestamp';
  if (typeof signatures !== 'string') return 'it is not signed';
  const seconds = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) : Number.NaN;
  if (Number.isNaN(seconds)) return 'its webhook-timestamp is not a number of seconds';
  const ageSeconds = Math.floor(nowMs / 1000) - seconds;
  if (Math.abs(ageSeconds) > TOLERANCE_SECONDS) return `its time is ${Math.abs(ageSeconds)} s from now`;
  const given = signatures
    .split(' ')
    .filter((part) => part.startsWith('v1,'))
    .map((part) => Buffer.from(part.slice('v1,'.length), 'base64'));
  const isOurs = secrets.some((secret) => {
    const expected = digest(id, seconds, body, secret);
    return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
  });
  return isOurs ? null : 'no signature of it is made with this secret';
}

function digest(id: string, timestampSeconds: number, body: string | Buffer, secret: string): Buffer {
  const key = signingKey(secret);
  if (key === null) throw new Error('a signing secret is whsec_ and 24 to 64 bytes in base64');
  return createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body).digest();
}
