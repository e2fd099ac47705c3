/** What a key may be: headers that it may force, and that whoever makes keys can only give what is his. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { type Caller, DEFAULT_TENANT, SCOPES } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { forcedHeaders } from './forced-headers.ts';
import { keyOrder } from './key-order.ts';

const OPERATOR: Caller = { tenantId: DEFAULT_TENANT, keyId: null, scopes: new Set(SCOPES) };
const NOW = Date.parse('2026-11-21T00:00:00Z');
const ASKED = { tenantId: 'acme', scopes: ['dispatch'] };

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return `${error.code}: ${error.message}`;
  }
  return 'ok';
}

test('a key is made as it was asked for', () => {
  const headers = { 'X-Weighbridge-End-User-Id': ' u-1 ', 'x-litellm-customer-id': 'c' };
  const asked = { ...ASKED, name: 'CI', agentId: 'main', expiresAt: '2027-01-01T00:00:00Z' };
  assert.deepEqual(keyOrder({ ...asked, headers: { 'X-Tags': 'a' } }, OPERATOR, NOW), {
    tenantId: 'acme',
    name: 'CI',
    scopes: ['dispatch'],
    agentId: 'main',
    expiresAt: Date.parse('2027-01-01'),
    forced: { attribution: {}, outbound: { 'x-tags': 'a' } },
    createdBy: null,
  });
  assert.match(
    refusal(() => keyOrder({ ...asked, headers }, OPERATOR, NOW)),
    /says the same as/,
  );
});

test('a key that may set no outbound headers makes only such keys, and is kept and told as one', () => {
  assert.ok(!('noOutboundHeaders' in keyOrder({ ...ASKED, noOutboundHeaders: false }, OPERATOR, NOW)));
  const own = keyOrder({ ...ASKED, noOutboundHeaders: true }, OPERATOR, NOW);
  assert.equal(own.noOutboundHeaders, true);
  const terms = { ...own, ended: new AbortController().signal };
  const maker: Caller = { tenantId: 'acme', keyId: 'key_maker', scopes: new Set(own.scopes), terms };
  assert.equal(keyOrder({ ...ASKED, noOutboundHeaders: false }, maker, NOW).noOutboundHeaders, true);
});

test('what a key cannot be is refused with the property that is wrong', () => {
  for (const [asked, message] of [
    [null, /JSON object/],
    [[], /JSON object/],
    [{ scopes: ['dispatch'] }, /`tenantId`/],
    [{ ...ASKED, tenantId: 'Acme' }, /`tenantId`/],
    [{ ...ASKED, tenantId: '' }, /`tenantId`/],
    [{ ...ASKED, tenantId: 7 }, /`tenantId`/],
    [{ tenantId: 'acme' }, /`scopes`/],
    [{ ...ASKED, scopes: [] }, /`scopes`/],
    [{ ...ASKED, scopes: ['dispatch', 'root'] }, /`scopes`/],
    [{ ...ASKED, scopes: 'admin' }, /`scopes`/],
    [{ ...ASKED, scope: ['admin'] }, /no `scope` here/],
    [{ ...ASKED, agentId: '../x' }, /`agentId`/],
    [{ ...ASKED, agentId: 'proxy' }, /`agentId`/],
    [{ ...ASKED, name: 'a\nb' }, /`name`/],
    [{ ...ASKED, name: 'x'.repeat(101) }, /`name`/],
    [{ ...ASKED, expiresAt: NOW }, /over already/],
    [{ ...ASKED, expiresAt: 'soon' }, /`expiresAt`/],
    [{ ...ASKED, expiresAt: 1e300 }, /`expiresAt`/],
    [{ ...ASKED, noOutboundHeaders: 'yes' }, /`noOutboundHeaders`/],
    [{ ...ASKED, headers: { a: 1 } }, /`headers`/],
    [{ ...ASKED, headers: ['a'] }, /`headers`/],
  ] as const) {
    assert.match(
      refusal(() => keyOrder(asked, OPERATOR, NOW)),
      message,
      JSON.stringify(asked),
    );
  }
});

test('credentials, framing, routing and billing of others cannot be forced, in any case', () => {
  for (const name of [
    'authorization',
    'Authorization',
    'host',
    'cookie',
    'content-length',
    'Content-Type',
    'transfer-encoding',
    'connection',
    'x-forwarded-for',
    'x-api-key',
    'api-key',
    'x-goog-api-key',
    'x-custom-token',
    'password',
    'openai-organization',
    'anthropic-version',
    'x-litellm-api-key',
    'x-portkey-custom-host',
    'x-client-request-id',
    'traceparent',
    'x-weighbridge-hop',
    'x-weighbridge-key',
    'x-weighbridge-agent-id',
    'x-openclaw-model',
    'x_forwarded_for',
    'accept-encoding',
    '__proto__',
    'constructor',
    'a b',
    'a:b',
    '',
    'x'.repeat(65),
  ]) {
    assert.match(
      refusal(() => forcedHeaders([[name, 'sk-value-that-nobody-may-see']])),
      /^invalid_request: /,
      name,
    );
    assert.ok(!refusal(() => forcedHeaders([[name, 'sk-value-that-nobody-may-see']])).includes('sk-value'));
  }
});

test('a value that would break a request or a record is refused', () => {
  for (const value of ['', ' ', 'a\r\nb: c', 'a\0b', 'é', 'a\tb', 'x'.repeat(1025)]) {
    assert.match(
      refusal(() => forcedHeaders([['x-team', value]])),
      /^invalid_request: /,
      JSON.stringify(value),
    );
  }
  const metadata = (value: string) => refusal(() => forcedHeaders([['x-weighbridge-metadata', value]]));
  assert.equal(metadata('{"plan":"pro"}'), 'ok');
  assert.match(metadata('[1]'), /JSON object/);
  assert.match(metadata('{'), /JSON object/);
  const many = Array.from({ length: 17 }, (_, n): [string, string] => [`x-h${n}`, 'v']);
  assert.match(
    refusal(() => forcedHeaders(many)),
    /at most 16/,
  );
  const big = Array.from({ length: 9 }, (_, n): [string, string] => [`x-h${n}`, 'v'.repeat(1000)]);
  assert.match(
    refusal(() => forcedHeaders(big)),
    /8192 bytes/,
  );
});

test('a spelling that providers read as well goes to them and is read by us', () => {
  assert.deepEqual(
    forcedHeaders([
      ['x-litellm-end-user-id', 'u'],
      ['x-weighbridge-tags', 'a,b'],
      ['x-litellm-tags', 't'],
    ]),
    {
      attribution: { 'x-litellm-end-user-id': 'u', 'x-weighbridge-tags': 'a,b' },
      outbound: { 'x-litellm-end-user-id': 'u', 'x-litellm-tags': 't' },
    },
  );
});

test('whatever a key asks for, the key it makes can do nothing that it cannot', () => {
  const scopes = fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1 });
  const agent = fc.constantFrom(undefined, 'main', 'ops');
  const expiry = fc.constantFrom(undefined, NOW + 1000, NOW + 2000);
  const names = ['x-weighbridge-end-user-id', 'x-litellm-customer-id', 'x-weighbridge-tags', 'x-team'];
  const headers = fc.dictionary(fc.constantFrom(...names), fc.constantFrom('a', 'b'));
  const asked = fc.record({ scopes, agentId: agent, expiresAt: expiry, headers }, { requiredKeys: ['scopes'] });
  let made = 0;
  fc.assert(
    fc.property(asked, asked, fc.constantFrom(undefined, 'acme', 'other'), (makersOwn, wanted, tenantId) => {
      const own = tryOrder({ ...makersOwn, tenantId: 'acme' }, OPERATOR);
      fc.pre(own !== null);
      const { agentId, forced, expiresAt } = own;
      const terms = { agentId, forced, expiresAt, ended: new AbortController().signal };
      const maker: Caller = { tenantId: 'acme', keyId: 'key_maker', scopes: new Set(own.scopes), terms };
      const child = tryOrder(tenantId === undefined ? wanted : { ...wanted, tenantId }, maker);
      if (child === null) return;
      made++;
      assert.equal(child.tenantId, 'acme');
      assert.equal(child.createdBy, 'key_maker');
      assert.ok(child.scopes.every((scope) => maker.scopes.has(scope)));
      if (agentId !== null) assert.equal(child.agentId, agentId);
      if (expiresAt !== null) assert.ok(child.expiresAt !== null && child.expiresAt <= expiresAt);
      for (const kind of ['attribution', 'outbound'] as const) {
        for (const [name, value] of Object.entries(forced[kind])) assert.equal(child.forced[kind][name], value);
      }
      const users = names.slice(0, 2).filter((name) => child.forced.attribution[name] !== undefined);
      assert.ok(users.length <= 1, 'one end user, not two');
    }),
    { seed, numRuns: 1000 },
  );
  assert.ok(made > 100, `only ${made} were made`);
});

function tryOrder(asked: unknown, maker: Caller) {
  try {
    return keyOrder(asked, maker, NOW);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return null;
  }
}
