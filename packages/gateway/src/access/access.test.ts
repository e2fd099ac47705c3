/** Access under attack and in use: who is let in, who is locked out, and who is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthMode } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import { Secret } from '../lib/secret.ts';
import { createAccess } from './authenticate.ts';
import { FailureLimiter } from './limiter.ts';
import { canonicalSource } from './source.ts';

const TOKEN = 'tok-correct';
const LIMITS = { maxAttempts: 10, windowMs: 60_000, lockoutMs: 300_000, sourcesMax: 1000 };
const HOST = '203.0.113.7';

function setUp(mode: AuthMode = 'token', limits = LIMITS) {
  const time = { ms: 1_000_000 };
  const access = createAccess(
    { mode, rateLimit: limits },
    { token: new Secret(TOKEN), password: new Secret('pass word') },
    { monotonic: () => time.ms },
  );
  const attempt = (headers: Record<string, string>, from = HOST) => {
    try {
      return access.authenticate(headers, from);
    } catch (error) {
      assert.ok(error instanceof GatewayError);
      return error;
    }
  };
  const bad = (from = HOST) => attempt({ authorization: 'Bearer nope' }, from) as GatewayError;
  return { time, attempt, bad };
}

describe('access', () => {
  test('the credential is taken from each of the four headers', () => {
    const { attempt } = setUp();
    const forms: Record<string, string>[] = [
      { authorization: `Bearer ${TOKEN}` },
      { authorization: `bearer  ${TOKEN}` },
      { 'x-api-key': TOKEN },
      { 'x-goog-api-key': TOKEN },
      { 'api-key': TOKEN },
      { authorization: 'Bearer of-another-vendor', 'x-api-key': TOKEN },
    ];
    for (const headers of forms) {
      const caller = attempt(headers);
      assert.ok(!(caller instanceof GatewayError), JSON.stringify(headers));
      assert.equal(caller.tenantId, 'default');
      assert.equal(caller.keyId, null);
      assert.deepEqual([...caller.scopes].sort(), ['admin', 'dispatch', 'metrics', 'read']);
    }
  });

  test('prefixes, other schemes, other spellings and the other mode’s secret are refused', () => {
    const { attempt } = setUp('token', { ...LIMITS, maxAttempts: 1000 });
    const forms: Record<string, string>[] = [
      {},
      { authorization: '' },
      { authorization: 'Bearer ' },
      { authorization: TOKEN },
      { authorization: `Basic ${TOKEN}` },
      { authorization: `Bearer ${TOKEN} ` },
      { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Bearer ${TOKEN.toUpperCase()}` },
      { 'x-api-key': `Bearer ${TOKEN}` },
      { 'api-key': 'pass word' },
      { cookie: `token=${TOKEN}` },
    ];
    for (const headers of forms) {
      const refused = attempt(headers);
      assert.ok(refused instanceof GatewayError, JSON.stringify(headers));
      assert.equal(refused.code, 'unauthorized');
    }
  });

  test('mode password takes the password, mode none takes everyone', () => {
    const password = setUp('password').attempt({ authorization: 'Bearer pass word' });
    assert.ok(!(password instanceof GatewayError));
    assert.ok(setUp('password').attempt({ 'x-api-key': TOKEN }) instanceof GatewayError);
    assert.ok(!(setUp('none').attempt({}) instanceof GatewayError));
  });

  test('a mode without its secret does not start', () => {
    const make = () =>
      createAccess({ mode: 'token', rateLimit: LIMITS }, { token: null, password: null }, { monotonic: () => 0 });
    assert.throws(make, /no token/);
  });

  test('a garbage credential and none are answered alike and count alike', () => {
    const refusals = [{}, { authorization: 'Bearer x' }, { 'x-api-key': 'x' }].map((headers) => {
      const { attempt } = setUp();
      return Array.from({ length: 12 }, () => {
        const { code, message, retryAfterSeconds } = attempt(headers) as GatewayError;
        return { code, message, retryAfterSeconds };
      });
    });
    assert.deepEqual(refusals[1], refusals[0]);
    assert.deepEqual(refusals[2], refusals[0]);
  });

  test('after maxAttempts failures the source gets 429 with the seconds that are left', () => {
    const { bad, time } = setUp();
    for (let tries = 0; tries < 10; tries++) assert.equal(bad().code, 'unauthorized');
    assert.equal(bad().code, 'rate_limited');
    assert.equal(bad().retryAfterSeconds, 300);
    time.ms += 299_500;
    assert.equal(bad().retryAfterSeconds, 1);
    time.ms += 500;
    assert.equal(bad().code, 'unauthorized', 'the lockout ended and the count began anew');
  });

  test('failures spread wider than the window never lock out', () => {
    const { bad, time } = setUp();
    for (let tries = 0; tries < 50; tries++) {
      assert.equal(bad().code, 'unauthorized');
      time.ms += 7_000;
    }
  });

  test('of 500 bad tries at once at most maxAttempts are verified', () => {
    const { bad } = setUp();
    const codes = Array.from({ length: 500 }, () => bad().code);
    assert.equal(codes.filter((code) => code === 'unauthorized').length, 10);
  });

  test('several wrong credentials in one request are several guesses', () => {
    const { attempt } = setUp();
    const four = { authorization: 'Bearer a', 'x-api-key': 'b', 'x-goog-api-key': 'c', 'api-key': 'd' };
    const codes = Array.from({ length: 5 }, () => (attempt(four) as GatewayError).code);
    assert.deepEqual(codes, ['unauthorized', 'unauthorized', 'unauthorized', 'rate_limited', 'rate_limited']);
  });

  test('the correct credential is accepted while its source is locked out, and does not unlock it', () => {
    const { bad, attempt } = setUp();
    for (let tries = 0; tries < 20; tries++) bad();
    assert.ok(!(attempt({ authorization: `Bearer ${TOKEN}` }) instanceof GatewayError));
    assert.equal(bad().code, 'rate_limited');
  });

  test('loopback is not exempt', () => {
    const { bad } = setUp();
    for (let tries = 0; tries < 10; tries++) bad('127.0.0.1');
    assert.equal(bad('127.0.0.1').code, 'rate_limited');
    assert.equal(bad('::ffff:127.0.0.1').code, 'rate_limited', 'the same host, spelled as IPv6');
    assert.equal(bad('127.0.0.2').code, 'unauthorized', 'another source is its own');
  });

  test('an IPv6 network of one host is one source, its neighbour another', () => {
    const { bad } = setUp();
    for (let host = 0; host < 10; host++) bad(`2001:db8:1:2::${host.toString(16)}`);
    assert.equal(bad('2001:db8:1:2:ffff:1:2:3').code, 'rate_limited');
    assert.equal(bad('2001:db8:1:3::1').code, 'unauthorized');
  });

  test('sources are spelled one way', () => {
    assert.equal(canonicalSource('10.0.0.1'), '10.0.0.1');
    assert.equal(canonicalSource('::ffff:10.0.0.1'), '10.0.0.1');
    assert.equal(canonicalSource('0:0:0:0:0:FFFF:10.0.0.1'), '10.0.0.1');
    assert.equal(canonicalSource('::ffff:a00:1'), '10.0.0.1');
    assert.equal(canonicalSource('2001:db8::1'), '2001:db8:0:0::/64');
    assert.equal(canonicalSource('2001:0DB8:0:0:1::'), '2001:db8:0:0::/64');
    assert.equal(canonicalSource('fe80::1%eth0'), 'fe80:0:0:0::/64');
    assert.equal(canonicalSource('::1'), '0:0:0:0::/64');
    assert.equal(canonicalSource(''), '');
  });

  test('the limiter never knows more sources than it may, and forgets the one that failed longest ago', () => {
    const limiter = new FailureLimiter({ ...LIMITS, maxAttempts: 1, sourcesMax: 100 }, { monotonic: () => 5 });
    limiter.fail('first', 1);
    limiter.fail('second', 1);
    for (let index = 0; index < 98; index++) limiter.fail(`host ${index}`, 1);
    assert.ok(limiter.fail('first', 1) > 0, 'still locked, and now the latest');
    limiter.fail('one more', 1);
    assert.equal(limiter.sources, 100);
    assert.ok(limiter.fail('first', 1) > 0);
    assert.equal(limiter.fail('second', 1), 0, 'forgotten');
  });
});
