/** Every way to write a private address is a private address, and no public one is taken for it. The spellings are generated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes, isWithin, kindOf, parseBlock } from '../lib/addresses.ts';
import type { Egress } from './webhook.ts';
import { addressProblem, isLoopbackUrl, urlProblem } from './webhook-url.ts';

/** One of each special block, its last address and one in its middle. */
const PRIVATE = [
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.254',
  '127.0.0.1',
  '127.255.255.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.168.255.255',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.9',
];
const NEVER = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.0.1',
  '169.254.169.254',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
];
const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '93.184.215.14',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.0.1.1',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
];
const PRIVATE_V6 = [
  '::1',
  'fc00::1',
  'fd12:3456::1',
  'fec0::1',
  '100::1',
  '2001:db8::1',
  '3fff::1',
  '5f00::1',
  '2001:10::1',
];
const NEVER_V6 = ['::', 'fe80::1', 'febf::1', 'ff02::1', 'fd00:ec2::254', '64:ff9b:1::7f00:1'];
const PUBLIC_V6 = ['2606:4700::1111', '2a00:1450:4001::200e', '2400:cb00::1'];

const STRICT: Egress = { kind: 'strict' };

test('every spelling of an IPv4 address that a URL can have is refused as the address itself is', () => {
  let tried = 0;
  for (const address of [...PRIVATE, ...NEVER]) {
    for (const spelling of spellings(address)) {
      for (const egress of [STRICT, { kind: 'public' } as const]) {
        const problem = urlProblem(`https://${spelling}/hook`, egress);
        assert.notEqual(problem, null, `${spelling} for ${address} was let through`);
        tried += 1;
      }
    }
  }
  assert.ok(tried > 900, `only ${tried} were tried`);
});

test('the same spellings of public addresses are let through, so that it is not the spelling that is refused', () => {
  for (const address of PUBLIC) {
    for (const spelling of v4Spellings(address)) {
      assert.equal(urlProblem(`https://${spelling}/hook`, STRICT), null, `${spelling} for ${address}`);
    }
  }
});

test('IPv6 addresses are refused by what they are or what they hide', () => {
  for (const address of [...PRIVATE_V6, ...NEVER_V6]) {
    for (const spelling of v6Spellings(address)) {
      assert.notEqual(urlProblem(`https://[${spelling}]/`, STRICT), null, spelling);
    }
  }
  for (const address of PUBLIC_V6) assert.equal(urlProblem(`https://[${address}]/`, STRICT), null, address);
});

test('who may go to private addresses goes to all of them and never to link-local, metadata or multicast', () => {
  for (const address of [...PRIVATE, ...PRIVATE_V6])
    assert.equal(problemOf(address, { kind: 'private' }), null, address);
  for (const address of [...NEVER, ...NEVER_V6])
    assert.notEqual(problemOf(address, { kind: 'private' }), null, address);
  for (const address of NEVER) {
    for (const hidden of v6Hiding(address)) assert.notEqual(problemOf(hidden, { kind: 'private' }), null, hidden);
  }
});

test('a list of blocks opens those blocks and ports, and nothing else', () => {
  const blocks = [
    { block: parseBlock('10.0.0.0/8')!, port: 443 },
    { block: parseBlock('fd00::/8')!, port: null },
  ];
  const egress: Egress = { kind: 'blocks', blocks };
  assert.equal(addressProblem(addressBytes('10.9.9.9')!, 443, egress), null);
  assert.notEqual(addressProblem(addressBytes('10.9.9.9')!, 8443, egress), null);
  assert.notEqual(addressProblem(addressBytes('192.168.1.1')!, 443, egress), null);
  assert.equal(addressProblem(addressBytes('fd12::1')!, 9, egress), null);
  assert.equal(addressProblem(addressBytes('::ffff:10.9.9.9')!, 443, egress), null);
  const all: Egress = { kind: 'blocks', blocks: [{ block: parseBlock('0.0.0.0/0')!, port: null }] };
  assert.notEqual(addressProblem(addressBytes('169.254.169.254')!, 80, all), null);
});

test('a block is what its bits say', () => {
  assert.deepEqual(
    ['10.0.0.0/33', '10.0.0/8', '10.0.0.0/-1', 'x/8', '::/129', '10.0.0.0/8/9', '10.0.0.0/'].map(parseBlock),
    [null, null, null, null, null, null, null],
  );
  const odd = parseBlock('10.32.0.0/11')!;
  assert.equal(isWithin(addressBytes('10.63.255.255')!, odd), true);
  assert.equal(isWithin(addressBytes('10.64.0.0')!, odd), false);
  assert.equal(kindOf(addressBytes('93.184.215.14')!), 'public');
  assert.equal(addressBytes('256.1.1.1'), null);
  assert.equal(addressBytes('1.2.3'), null);
});

test('a URL is refused for what else is wrong with it', () => {
  const refused: [string, Egress][] = [
    ['ftp://example.com/', STRICT],
    ['http://example.com/', STRICT],
    ['http://example.com/', { kind: 'public' }],
    ['https://example.com:8443/', STRICT],
    ['https://user:pass@example.com/', STRICT],
    ['https://user@example.com/', { kind: 'private' }],
    ['https://example.com/#x', STRICT],
    [`https://example.com/${'x'.repeat(2048)}`, STRICT],
    ['https://localhost/', STRICT],
    ['https://a.localhost./', STRICT],
    ['https://metadata.google.internal/', { kind: 'private' }],
    ['https://METADATA.google.internal./', { kind: 'private' }],
    ['not a url', STRICT],
    ['https://', STRICT],
  ];
  for (const [url, egress] of refused) assert.notEqual(urlProblem(url, egress), null, url);
  assert.equal(urlProblem('https://example.com/hook?token=1', STRICT), null);
  assert.equal(urlProblem('https://example.com.:443/hook', STRICT), null);
  assert.equal(urlProblem('https://example.com:8443/', { kind: 'public' }), null);
  assert.equal(urlProblem('http://10.1.1.1:8080/', { kind: 'private' }), null);
});

test('this machine is known in every spelling, so that usageWebhookUrl needs nothing more', () => {
  for (const host of [
    '127.0.0.1:9',
    '127.1',
    '0x7f000001',
    '[::1]:9',
    'localhost:80',
    'LOCALHOST.',
    '[::ffff:127.0.0.1]',
  ]) {
    assert.equal(isLoopbackUrl(`http://${host}/x`), true, host);
  }
  for (const host of ['10.0.0.1', 'localhost.example.com', '128.0.0.1'])
    assert.equal(isLoopbackUrl(`http://${host}/`), false);
});

function problemOf(address: string, egress: Egress): string | null {
  return addressProblem(addressBytes(address)!, 443, egress);
}

/** All ways to write it as a URL's host, those inside IPv6 included. */
function spellings(address: string): string[] {
  return [...v4Spellings(address), ...v6Hiding(address).map((hidden) => `[${hidden}]`)];
}

/** WHATWG's parser takes one to four parts, each decimal, octal or hexadecimal, and wide or escaped digits. */
function v4Spellings(address: string): string[] {
  const parts = address.split('.').map(Number) as [number, number, number, number];
  const whole = parts.reduce((sum, part) => sum * 256 + part, 0);
  const [a, b, c, d] = parts;
  const lists = [parts, [a, b, c * 256 + d], [a, (b * 256 + c) * 256 + d], [whole]];
  const writers: ((n: number) => string)[] = [
    (n) => String(n),
    (n) => `0x${n.toString(16)}`,
    (n) => `0X${n.toString(16).toUpperCase()}`,
    (n) => `0${n.toString(8)}`,
    (n) => `0x0000${n.toString(16)}`,
  ];
  const plain = lists.flatMap((list) => writers.map((write) => list.map(write).join('.')));
  const mixed = [`0x${a.toString(16)}.${b}.0${c.toString(8)}.${d}`];
  const wide = address.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)));
  const escaped = address.replace(/\d/g, (digit) => `%3${digit}`);
  return [...plain, ...mixed, wide, escaped, `${address}.`, address.replaceAll('.', '。')];
}

/** IPv6 that stands for it: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP. */
function v6Hiding(address: string): string[] {
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
  const high = ((a << 8) | b).toString(16);
  const low = ((c << 8) | d).toString(16);
  const inverse = `${(~((a << 8) | b) & 0xffff).toString(16)}:${(~((c << 8) | d) & 0xffff).toString(16)}`;
  return [
    `::ffff:${address}`,
    `::ffff:${high}:${low}`,
    `0:0:0:0:0:ffff:${high}:${low}`,
    `::${high}:${low}`,
    `::ffff:0:${high}:${low}`,
    `64:ff9b::${high}:${low}`,
    `64:ff9b:1::${high}:${low}`,
    `2002:${high}:${low}::1`,
    `2001:0:4136:e378:8000:63bf:${inverse}`,
    `2606:4700::5efe:${high}:${low}`,
    `2606:4700::200:5efe:${high}:${low}`,
  ];
}

function v6Spellings(address: string): string[] {
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const words = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'));
  const [left, right] = [words(head), words(tail)];
  const full = [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return [address, address.toUpperCase(), full.join(':'), full.map((word) => word.padStart(4, '0')).join(':')];
}
