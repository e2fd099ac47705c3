/** What may be set as outbound headers, what a patch does, and what goes to which provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { type Caller, DEFAULT_TENANT, SCOPES } from './caller.ts';
import { GatewayError } from './errors.ts';
import { isDeniedHeader } from './header-rules.ts';
import { allowEntry, allowedFor, applyPatch, NO_OUTBOUND, outboundOf, readHeaderPatch } from './outbound-headers.ts';

const OPERATOR: Caller = { tenantId: DEFAULT_TENANT, keyId: null, scopes: new Set(SCOPES) };
const RULES = { settable: ['x-*', 'helper'] };
const SECRET = 'sk-value-that-nobody-may-see';
const read = (asked: unknown) => readHeaderPatch(asked, RULES, OPERATOR);
const plain = (headers: object | null) => headers && { ...headers };

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.param, 'outboundHeaders');
    return `${error.code}: ${error.message}`;
  }
  return 'ok';
}

test('a patch is read with names in lower case and values without the blanks around them', () => {
  assert.deepEqual(plain(read({ 'X-Team': ' \tred blue\t ', 'x-gone': null, helper: 'h' })), {
    'x-team': 'red blue',
    'x-gone': null,
    helper: 'h',
  });
  assert.equal(read(null), null);
  assert.equal(read({ 'x-litellm-spend-logs-metadata': 'm'.repeat(4096) }) === null, false);
});

test('a patch adds, replaces and takes away; null takes all away; the one before stays as it was', () => {
  const first = applyPatch(NO_OUTBOUND, read({ 'x-a': '1', 'x-b': '2' }));
  const second = applyPatch(first, read({ 'X-A': '3', 'x-b': null, 'x-c': '4', 'x-never': null }));
  assert.deepEqual(plain(second), { 'x-a': '3', 'x-c': '4' });
  assert.deepEqual(plain(first), { 'x-a': '1', 'x-b': '2' });
  assert.deepEqual(plain(applyPatch(second, null)), {});
  assert.ok(Object.isFrozen(second));
  assert.equal(Object.getPrototypeOf(second), null);
});

test('what cannot be a header is refused by its name and the rule, never by its value', () => {
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`x-h${n}`, SECRET]));
  const big = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`x-h${n}`, `${SECRET}${'v'.repeat(990)}`]));
  for (const [asked, message] of [
    ['{"x-a":"1"}', /must be an object/],
    [[['x-a', SECRET]], /must be an object/],
    [7, /must be an object/],
    [undefined, /must be an object/],
    [{ 'x-a': 7 }, /'x-a' must be a text/],
    [{ 'x-a': [SECRET] }, /'x-a' must be a text/],
    [{ 'x-a': '1', 'X-A': SECRET }, /'x-a' is there more than once/],
    [{ 'x-a': '1', 'X-A': null }, /'x-a' is there more than once/],
    [{ 'x-a': `${SECRET}\r\nauthorization: x` }, /'x-a' must be visible ASCII/],
    [{ 'x-a': `${SECRET}\0` }, /'x-a' must be visible ASCII/],
    [{ 'x-a': `${SECRET}é` }, /'x-a' must be visible ASCII/],
    [{ 'x-a': `${SECRET}\tx` }, /'x-a' must be visible ASCII/],
    [{ 'x-a': ' \t ' }, /'x-a' must be visible ASCII, and not empty/],
    [{ 'x-a': SECRET.padEnd(1025, 'v') }, /'x-a' is longer than 1024 bytes/],
    [{ 'x-to\u212aen': SECRET }, /no usable name/],
    [{ 'x-a\r\nb': SECRET }, /'x-a\?\?b' has no usable name/],
    [{ x_team: SECRET }, /no usable name/],
    [{ ['x'.repeat(65)]: SECRET }, /no usable name/],
    [JSON.parse(`{"__proto__":"${SECRET}"}`), /'__proto__' has no usable name/],
    [{ constructor: SECRET }, /'constructor' cannot be set/],
    [{ 'helper-x': SECRET }, /'helper-x' is in no allow list/],
    [{ 'X-Api-Key': SECRET }, /'x-api-key' cannot be set/],
    [{ 'x-pass-authorization': SECRET }, /cannot be set/],
    [many, /at most 16 headers/],
    [big, /8192 bytes/],
  ] as const) {
    const said = refusal(() => read(asked));
    assert.match(said, /^invalid_request: /);
    assert.match(said, message);
    assert.ok(!said.includes(SECRET), said);
  }
});

test('patches that are small each are refused where they are too much together, and then nothing has changed', () => {
  const first = applyPatch(NO_OUTBOUND, read({ 'x-a': '1'.repeat(1024), 'x-b': '1'.repeat(1024), 'x-c': '1' }));
  const more = read(Object.fromEntries(Array.from({ length: 7 }, (_, n) => [`x-m${n}`, 'v'.repeat(900)])));
  assert.match(
    refusal(() => applyPatch(first, more)),
    /8192 bytes/,
  );
  assert.equal(first['x-c'], '1');
});

test('a key without the right may set nothing and clear nothing', () => {
  const terms = {
    agentId: null,
    forced: { attribution: {}, outbound: {} },
    expiresAt: null,
    ended: new AbortController().signal,
    noOutboundHeaders: true as const,
  };
  for (const asked of [{ 'x-a': '1' }, {}, null]) {
    assert.match(
      refusal(() => readHeaderPatch(asked, RULES, { ...OPERATOR, keyId: 'key_1', terms })),
      /^forbidden: /,
    );
  }
});

test('a provider gets what its own list names, else the gateway’s; as a fallback only what its own list names', () => {
  const headers = applyPatch(NO_OUTBOUND, read({ 'x-a': '1', 'x-team-b': '2', helper: '3' }));
  const gateway = ['x-*'];
  const to = (own: string[] | null, isFallback: boolean) =>
    plain(allowedFor({ own, gateway, isFallback, forced: undefined }, headers));
  assert.deepEqual(to(null, false), { 'x-a': '1', 'x-team-b': '2' });
  assert.deepEqual(to(['x-team-*', 'helper'], false), { 'x-team-b': '2', helper: '3' });
  assert.deepEqual(to([], false), {});
  assert.deepEqual(to(null, true), {});
  assert.deepEqual(to(['x-a'], true), { 'x-a': '1' });
});

test('what a key forces no session says otherwise, in no spelling', () => {
  const headers = applyPatch(NO_OUTBOUND, read({ 'x-litellm-customer-id': 'evil', 'x-team': 'red', 'x-b': '1' }));
  const forced = { attribution: { 'x-weighbridge-end-user-id': 'u' }, outbound: { 'x-team': 'blue' } };
  const sent = allowedFor({ own: null, gateway: ['x-*'], isFallback: false, forced }, headers);
  assert.deepEqual(plain(sent), { 'x-b': '1' });
});

test('what was stored before a rule got stricter is not sent', () => {
  const stored = outboundOf(
    JSON.parse('{"x-api-key":"1","X-Upper":"1","x-b":"a\\r\\nb","x-c":7,"x-d":" 1","authorization":"1","x-ok":"1"}'),
  );
  const sent = allowedFor({ own: ['x-*', 'authorization'], gateway: [], isFallback: false, forced: undefined }, stored);
  assert.deepEqual(plain(sent), { 'x-ok': '1' });
  assert.deepEqual(plain(outboundOf('{}')), {});
});

test('an allow list takes names and beginnings, and never what is denied', () => {
  assert.deepEqual(allowEntry(' X-Team-* '), { entry: 'x-team-*' });
  assert.deepEqual(allowEntry('helper'), { entry: 'helper' });
  for (const entry of ['*', 'x*', '-*', '', 'x_a', 'authorization', 'x-api-key', 'x-amz-*', 'x-weighbridge-*']) {
    assert.ok('problem' in allowEntry(entry), entry);
  }
});

test('whatever is asked for, what is sent is what was allowed, and nothing that is denied', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[xX]-[a-zA-Z-]{0,12}$/),
    fc.constantFrom('Authorization', 'x-api-key', 'host', 'x-forwarded-for', 'x-team', 'X-TEAM', '__proto__', 'x_a'),
    fc.string({ unit: 'binary', maxLength: 12 }),
  );
  const value = fc.oneof(fc.constantFrom('a', ' b ', null, 'a\r\nb: c'), fc.string({ unit: 'binary', maxLength: 20 }));
  let taken = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (pairs) => {
      const asked = JSON.parse(`{${pairs.map(([n, v]) => `${JSON.stringify(n)}:${JSON.stringify(v)}`).join()}}`);
      let sent: Readonly<Record<string, string>>;
      try {
        sent = applyPatch(NO_OUTBOUND, read(asked));
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error));
        return;
      }
      taken++;
      for (const [sentName, sentValue] of Object.entries(sent)) {
        assert.match(sentName, /^[a-z0-9-]+$/);
        assert.match(sentValue, /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/);
        assert.ok(!isDeniedHeader(sentName), sentName);
      }
      const recipient = { own: null, gateway: RULES.settable, isFallback: false, forced: undefined };
      assert.deepEqual(allowedFor(recipient, sent), sent);
    }),
    { seed, numRuns: 2000 },
  );
  assert.ok(taken > 100, `only ${taken} were taken`);
});
