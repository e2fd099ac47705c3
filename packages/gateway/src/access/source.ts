/**
 * Where a request comes from, as the failure limiter counts it. One host must not look like many: an IPv4 address written
 * as IPv6 is the IPv4 address, and an IPv6 /64, which one host owns whole, is one source.
 */

const MAPPED = /^(?:0*:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/i;

export function canonicalSource(remoteAddress: string): string {
  const address = remoteAddress.split('%', 1)[0]!;
  if (!address.includes(':')) return address;
  const mapped = MAPPED.exec(address);
  if (mapped) return mapped[1]!;
  const groups = expand(address);
  if (isMapped(groups)) return dotted(groups[6]!, groups[7]!);
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

function expand(address: string): number[] {
  const [head = '', tail] = address.split('::', 2);
  const left = groupsOf(head);
  if (tail === undefined) return left;
  const right = groupsOf(tail);
  const zeros = new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0);
  return [...left, ...zeros, ...right];
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16) || 0);
}

function isMapped(groups: readonly number[]): boolean {
  return groups.length === 8 && groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
