/**
 * Which IP addresses are whose: the public ones, those of a private network, and those that nothing of ours ever connects
 * to (link-local, cloud metadata, multicast, tunnels that hide another address). Pure; works on the bits, so that every
 * spelling of an address is the same address. Names are not resolved here.
 */

export type AddressKind =
  | 'public'
  /** Loopback, private networks, and what else the registries keep from the public. */
  | 'private'
  /** Also refused to those who may go to private addresses. */
  | 'never';

/** A block of addresses. IPv4 has 4 bytes, IPv6 16. */
export interface AddressBlock {
  bytes: Uint8Array;
  prefix: number;
}

/** IANA's special-purpose blocks and the metadata services of clouds. The first that holds an address says its kind. */
const SPECIAL: readonly (readonly [block: string, kind: AddressKind])[] = [
  ['169.254.0.0/16', 'never'],
  ['100.100.100.200/32', 'never'],
  ['168.63.129.16/32', 'never'],
  ['192.0.0.192/32', 'never'],
  ['0.0.0.0/8', 'never'],
  ['224.0.0.0/4', 'never'],
  ['255.255.255.255/32', 'never'],
  ['240.0.0.0/4', 'never'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'private'],
  ['192.0.2.0/24', 'private'],
  ['192.88.99.0/24', 'private'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'private'],
  ['203.0.113.0/24', 'private'],
  ['::1/128', 'private'],
  ['fd00:ec2::254/128', 'never'],
  ['fd20:ce::254/128', 'never'],
  ['fe80::/10', 'never'],
  ['ff00::/8', 'never'],
  // Unspecified, and IPv4 written as IPv6 in the oldest way.
  ['::/96', 'never'],
  ['::ffff:0:0:0/96', 'never'],
  ['64:ff9b::/96', 'never'],
  ['64:ff9b:1::/48', 'never'],
  ['2001::/32', 'never'],
  ['2002::/16', 'never'],
  ['fc00::/7', 'private'],
  ['fec0::/10', 'private'],
  ['100::/64', 'private'],
  ['2001::/23', 'private'],
  ['2001:db8::/32', 'private'],
  ['3fff::/20', 'private'],
  ['5f00::/16', 'private'],
];
const BLOCKS = SPECIAL.map(([text, kind]) => ({ block: parseBlock(text)!, kind }));

/** The bytes of an address in any spelling that Node takes for one; IPv4 inside IPv6 is the IPv4. Null: it is none. */
export function addressBytes(text: string): Uint8Array | null {
  const bare = text.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const version = versionOf(bare);
  if (version === null) return null;
  if (version === 4) return Uint8Array.from(bare.split('.'), Number);
  const bytes = ipv6Bytes(bare);
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes.subarray(12) : bytes;
}

export function kindOf(bytes: Uint8Array): AddressKind {
  const found = BLOCKS.find(({ block }) => isWithin(bytes, block));
  if (found !== undefined) return found.kind;
  return isIsatap(bytes) ? 'never' : 'public';
}

export function isLoopback(bytes: Uint8Array): boolean {
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

/** `10.0.0.0/8`, `fd00::/8`; null where it is not one. A bare address is a block of one. */
export function parseBlock(text: string): AddressBlock | null {
  const [address = '', length, more] = text.split('/');
  const version = versionOf(address);
  if (version === null || more !== undefined) return null;
  const bytes = version === 4 ? addressBytes(address)! : ipv6Bytes(address);
  const bits = bytes.length * 8;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return null;
  const prefix = length === undefined ? bits : Number(length);
  return prefix <= bits ? { bytes, prefix } : null;
}

export function isWithin(bytes: Uint8Array, block: AddressBlock): boolean {
  if (bytes.length !== block.bytes.length) return false;
  const whole = block.prefix >> 3;
  for (let index = 0; index < whole; index++) if (bytes[index] !== block.bytes[index]) return false;
  const rest = block.prefix & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return (bytes[whole]! & mask & 0xff) === (block.bytes[whole]! & mask & 0xff);
}

/** A tunnel's interface id: `…:0:5efe:A.B.C.D` or `…:200:5efe:A.B.C.D` holds an IPv4 address that nobody checked. */
function isIsatap(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0x5e || bytes[11] !== 0xfe) return false;
  return (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0;
}

function versionOf(text: string): 4 | 6 | null {
  if (/^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$/.test(text) && !text.endsWith('.')) return 4;
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`) ? 6 : null;
}

function ipv6Bytes(text: string): Uint8Array {
  // Node's own parser brings every spelling to one.
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [left, right] = [words(head), words(tail ?? '')];
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}
