/**
 * Where we listen, and whether an address is ourselves. A provider that is our own listener would make each call
 * start another, until something breaks and everything is counted twice (design, semantics 12).
 */
import { networkInterfaces } from 'node:os';
import type { GatewayConfig } from '../domain/config.ts';

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** The host of a `--host` value or a URL, in one spelling: no brackets, no final dot, lower case, mapped IPv4 as IPv4. */
function plainHost(host: string): string {
  const bare = host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(bare);
  if (mapped === null) return bare.replace(/^::ffff:(?=\d+\.)/, '');
  const bits = (Number.parseInt(mapped[1]!, 16) << 16) | Number.parseInt(mapped[2]!, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

export function isLoopbackHost(host: string): boolean {
  const plain = plainHost(host);
  return plain === 'localhost' || plain.endsWith('.localhost') || plain === '::1' || /^127(\.\d{1,3}){3}$/.test(plain);
}

/**
 * Whether `origin` is the listener at `host:port`. `localAddresses` are this machine's own, which matter when we listen on all.
 * A scheme that we do not speak changes nothing: it would be a mistake all the same.
 */
export function isOwnListener(
  origin: string,
  host: string,
  port: number,
  localAddresses: readonly string[] = [],
): boolean {
  const url = URL.parse(origin);
  if (url === null || port === 0) return false;
  const urlPort = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (urlPort !== port) return false;
  const listening = plainHost(host);
  const target = plainHost(url.hostname);
  if (target === listening) return true;
  const everywhere = WILDCARDS.has(listening);
  // The unspecified address as a destination means this machine.
  const targetIsHere = isLoopbackHost(target) || WILDCARDS.has(target);
  if (targetIsHere) return everywhere || isLoopbackHost(listening);
  return everywhere && localAddresses.some((address) => plainHost(address) === target);
}

/** `http://HOST:PORT` with brackets where an IPv6 address needs them. */
export function listenerUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Every address of this machine, now. */
export function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}

/** Throws where a provider points back at the listener. */
export function refuseLoop({ providers, host }: GatewayConfig, port: number): void {
  const own = localAddresses();
  const looped = [...providers.values()].find(
    ({ kind, baseUrl }) => kind === 'http' && isOwnListener(new URL(baseUrl).origin, host, port, own),
  );
  if (looped) throw new Error(`the provider ${looped.id} has our own address as its baseUrl; point it at the vendor`);
}
