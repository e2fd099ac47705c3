/**
 * Whether an address may be a webhook's, as far as its text says: scheme, port, names and literals. What a name resolves to
 * is looked at when connecting, every time, in webhooks/sender.ts. Pure.
 */
import { type AddressKind, addressBytes, isLoopback, isWithin, kindOf } from '../lib/addresses.ts';
import type { Egress } from './webhook.ts';

const URL_CHARS_MAX = 2048;
/** Names under which clouds tell machines their credentials. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.azure.internal',
  'metadata.platformequinix.com',
  'metadata.packet.net',
]);

/** Headers that a message or its connection sets: no token goes there. */
export const TAKEN_HEADERS =
  /^(content-.*|host|connection|keep-alive|proxy-.*|transfer-encoding|trailer|expect|te|upgrade|user-agent|webhook-.*)$/;

/** Null: it may. Otherwise what is wrong, to go on after "the address"; never shows the address. */
export function urlProblem(text: string, egress: Egress): string | null {
  if (text.length > URL_CHARS_MAX) return `is longer than ${URL_CHARS_MAX} characters`;
  const url = URL.parse(text);
  if (url === null) return 'is not a URL';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://';
  if (url.username !== '' || url.password !== '') return 'holds a user or a password; use `token`';
  if (url.hash !== '') return 'has a fragment, which is never sent';
  const host = plainHost(url);
  if (host === '') return 'names no host';
  if (METADATA_NAMES.has(host)) return 'is that of a cloud’s metadata, to which nothing is ever sent';
  const bytes = addressBytes(host);
  const problem = bytes === null ? nameProblem(host, egress) : addressProblem(bytes, portOf(url), egress);
  if (problem !== null) return problem;
  if (egress.kind === 'strict' && (url.protocol !== 'https:' || portOf(url) !== 443))
    return 'must be https on port 443';
  if (egress.kind === 'public' && url.protocol !== 'https:') return 'must begin with https://';
  return null;
}

/** Null: a connection to it may be made. Every address that a name resolves to must pass. */
export function addressProblem(bytes: Uint8Array, port: number, egress: Egress): string | null {
  const kind: AddressKind = kindOf(bytes);
  if (kind === 'never')
    return 'is link-local, of a metadata service or of no single machine; nothing is ever sent there';
  if (egress.kind === 'loopback') return isLoopback(bytes) ? null : 'is not this machine, although its name says so';
  if (kind === 'public' || egress.kind === 'private') return null;
  if (egress.kind === 'blocks') {
    const isAllowed = egress.blocks.some(
      (allowed) => isWithin(bytes, allowed.block) && (allowed.port === null || allowed.port === port),
    );
    return isAllowed ? null : 'is private and not in `allowPrivate`';
  }
  return 'is private or loopback';
}

/** `http://127.0.0.1…`, `http://[::1]…`, `http://localhost…`: who writes that means this machine. */
export function isLoopbackUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const host = plainHost(url);
  const bytes = addressBytes(host);
  return bytes === null ? host === 'localhost' : isLoopback(bytes);
}

/** Without brackets and final dot; as `new URL` spells it, so `0x7f.1` is 127.0.0.1 by now. */
export function plainHost(url: URL): string {
  return url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.+$/, '')
    .toLowerCase();
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** What a name is by its own text; where it leads is seen when connecting. */
function nameProblem(host: string, egress: Egress): string | null {
  const isLocal = host === 'localhost' || host.endsWith('.localhost');
  if (isLocal && (egress.kind === 'strict' || egress.kind === 'public')) return 'is private or loopback';
  return null;
}
