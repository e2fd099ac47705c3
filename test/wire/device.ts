/** A device as OpenClaw's clients have one: a key of its own, and its signature over who connects as what. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
const id = createHash('sha256').update(raw).digest('hex');

export interface Challenge {
  nonce: string;
  signedAt: number;
}

/** For the third form of the text, or the second. */
export function signedDevice(
  params: Record<string, unknown>,
  { nonce, signedAt }: Challenge,
  version: 2 | 3 = 3,
): object {
  const {
    client,
    role = 'operator',
    scopes = [],
    auth,
  } = params as {
    client: { id: string; mode: string; platform: string; deviceFamily?: string };
    role?: string;
    scopes?: string[];
    auth?: { token?: string };
  };
  const common = [id, client.id, client.mode, role, scopes.join(','), signedAt, auth?.token ?? '', nonce].join('|');
  const machine = [client.platform, client.deviceFamily ?? ''].map((name) => name.toLowerCase()).join('|');
  const text = version === 3 ? `v3|${common}|${machine}` : `v2|${common}`;
  const signature = sign(null, Buffer.from(text), privateKey).toString('base64url');
  return { id, publicKey: raw.toString('base64url'), signature, signedAt, nonce };
}
