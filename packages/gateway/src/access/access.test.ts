/** Who gets in, who does not, and that guessing is limited without locking anybody else out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import type { Caller } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { Secret } from '../lib/secret.ts';
import { CREDENTIAL_HEADERS, createAccess } from './authenticate.ts';
import { newKeyText } from './key-text.ts';
import { FailureLimiter, sourceOf } from './limiter.ts';

let nowMs = 0;
const clock = { now: () => nowMs, monotonic: () => nowMs };
const rateLimit = { maxAttempts: 10, windowMs: 60_000, lockoutMs: 300_000, sourcesMax: 100 };
const secrets = { token: new Secret('the-token'), password: new Secret('the-password') };

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error.code;
  }
}

test('the token is accepted in each header that a vendor SDK uses', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  for (const headers of [
    { authorization: 'Bearer the-token' },
    { authorization: 'bearer  the-token' },
    { 'x-api-key': 'the-token' },
    { 'x-goog-api-key': 'the-token' },
    { 'api-key': 'the-token' },
    { 'x-weighbridge-key': 'the-token' },
    { 'x-weighbridge-key': 'the-token', authorization: 'Bearer the-caller-s-own' },
  ]) {
    assert.equal((access.authenticate(headers, '127.0.0.1') as Caller).tenantId, 'default');
  }
});

test('the first credential decides: a wrong one is not made good by another', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  const headers = { 'x-weighbridge-key': 'wrong', authorization: 'Bearer the-token' };
  assert.equal(
    codeOf(() => access.authenticate(headers, '10.1.0.1')),
    'unauthorized',
  );
});

test('without authentication a key is still its tenant’s, and one that is over is nobody’s', () => {
  const alive = newKeyText('key_01KAJ0000000000000000000AB');
  const caller: Caller = { tenantId: 'acme', keyId: 'key_01KAJ0000000000000000000AB', scopes: new Set() };
  const keys = { callerOf: (text: string) => (text === alive ? caller : null), callerOfId: () => null };
  const access = createAccess({ mode: 'none', rateLimit }, secrets, clock, keys);
  assert.equal(access.authenticate({ authorization: `Bearer ${alive}` }, '::1'), caller);
  assert.equal((access.authenticate({ authorization: 'Bearer sk-anything' }, '::1') as Caller).keyId, null);
  assert.equal(
    codeOf(() => access.authenticate({ 'x-api-key': newKeyText('key_01KAJ0000000000000000000AC') }, '::1')),
    'unauthorized',
  );
});

test('garbage is refused exactly as nothing is', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  const tries = [{}, { authorization: 'Bearer' }, { authorization: 'Basic the-token' }, { 'x-api-key': 'the-toke' }];
  for (const [index, headers] of tries.entries()) {
    assert.equal(
      codeOf(() => access.authenticate(headers, `10.0.0.${index}`)),
      'unauthorized',
    );
  }
});

test('whatever stands in the credential headers, only what is right gets in, and nothing else than a refusal comes out', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'the-token',
      'Bearer the-token',
      'bearer',
      'Bearer  ',
      'Basic the-token',
      `' OR 1=1 --`,
      '__proto__',
    ),
    fc.constantFrom('wb_', newKeyText('key_01KAJ0000000000000000000AB'), `wb_${'0'.repeat(26)}_`),
  );
  const headers = fc.dictionary(fc.constantFrom(...CREDENTIAL_HEADERS, '__proto__'), text);
  fc.assert(
    fc.property(headers, (sent) => {
      const decisive = CREDENTIAL_HEADERS.find(
        (name) => sent[name] && (name !== 'authorization' || /^bearer +\S+$/i.test(sent[name])),
      );
      const shown = decisive === undefined ? null : sent[decisive]!.replace(/^bearer +/i, '');
      const isRight = decisive !== undefined && (decisive === 'authorization' ? shown : sent[decisive]) === 'the-token';
      assert.equal(codeOf(() => access.authenticate(sent, '10.2.0.1')) === 'ok', isRight, JSON.stringify(sent));
    }),
    { seed, numRuns: 2000 },
  );
});

test('the password mode does not accept the token', () => {
  const access = createAccess({ mode: 'password', rateLimit }, secrets, clock);
  assert.equal(
    codeOf(() => access.authenticate({ authorization: 'Bearer the-token' }, '::1')),
    'unauthorized',
  );
  assert.ok(access.authenticate({ authorization: 'Bearer the-password' }, '::1'));
});

test('of 500 wrong tries at most maxAttempts are answered as wrong, loopback included, the rest are told to wait', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  const codes = Array.from({ length: 500 }, () =>
    codeOf(() => access.authenticate({ 'x-api-key': 'guess' }, '127.0.0.1')),
  );
  assert.equal(codes.filter((code) => code === 'unauthorized').length, 10);
  assert.equal(codes.filter((code) => code === 'rate_limited').length, 490);
});

test('a correct credential is accepted while its source is locked', () => {
  const access = createAccess({ mode: 'token', rateLimit }, secrets, clock);
  for (let index = 0; index < 20; index++) codeOf(() => access.authenticate({}, '127.0.0.1'));
  assert.ok(access.authenticate({ authorization: 'Bearer the-token' }, '127.0.0.1'));
});

test('an access made by a reload remembers who guessed too often, and knows its own token only', () => {
  const limiter = new FailureLimiter(rateLimit, clock);
  const before = createAccess({ mode: 'token', rateLimit }, secrets, clock, undefined, limiter);
  for (let index = 0; index < 20; index++) codeOf(() => before.authenticate({}, '10.9.9.9'));
  const rotated = { token: new Secret('another-token'), password: null };
  const after = createAccess({ mode: 'token', rateLimit }, rotated, clock, undefined, limiter);
  const old = { authorization: 'Bearer the-token' };
  assert.equal(
    codeOf(() => after.authenticate(old, '10.9.9.9')),
    'rate_limited',
  );
  assert.ok(after.authenticate({ authorization: 'Bearer another-token' }, '10.9.9.9'));
});

test('a lock says for how long, and ends', () => {
  const limiter = new FailureLimiter(rateLimit, clock);
  for (let index = 0; index < 10; index++) assert.equal(limiter.fail('1.2.3.4'), 0);
  assert.equal(limiter.fail('1.2.3.4'), 300_000);
  nowMs += 100_000;
  assert.equal(limiter.fail('::ffff:1.2.3.4'), 200_000);
  nowMs += 200_001;
  assert.equal(limiter.fail('1.2.3.4'), 0);
});

test('one source has one name: mapped addresses fold, an IPv6 network counts as one', () => {
  assert.equal(sourceOf('::ffff:1.2.3.4'), sourceOf('1.2.3.4'));
  assert.equal(sourceOf('2001:db8:0:1::1'), sourceOf('2001:0DB8:0:1:ffff::9'));
  assert.notEqual(sourceOf('2001:db8:0:1::1'), sourceOf('2001:db8:0:2::1'));
  assert.notEqual(sourceOf('1.2.3.4'), sourceOf('1.2.3.5'));
});

test('a million sources are not remembered', () => {
  const limiter = new FailureLimiter(rateLimit, clock);
  for (let index = 0; index < 10_000; index++) limiter.fail(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  assert.equal(limiter.size, 100);
});
