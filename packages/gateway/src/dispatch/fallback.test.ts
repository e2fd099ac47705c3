/** The table of what follows a failure, the headers that go and come, and the places for drains: all without a socket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Provider } from '../domain/provider.ts';
import { Secret } from '../lib/secret.ts';
import { Drains } from './drain.ts';
import { type Failure, nextStep, retryAfterMs } from './fallback.ts';
import { answerHeaders, fixedHeaders, requestHeaders } from './headers.ts';
import type { ErrorKind } from './outcome.ts';

const NOW = Date.parse('2026-11-20T12:00:00Z');
const http = (status: number, retryAfter: string | null = null): Failure => ({
  errorKind: 'http_error',
  status,
  retryAfter,
  refusedUsageQuestion: false,
});
const broken = (errorKind: ErrorKind): Failure => ({
  errorKind,
  status: null,
  retryAfter: null,
  refusedUsageQuestion: false,
});
const step = (failure: Failure, { retries = 0, targetsLeft = 0, random = 0 } = {}) =>
  nextStep(failure, { retries, retriesMax: 2, targetsLeft }, NOW, () => random);

test('semantics 13: 429 with Retry-After, 5xx and resets are retried at most twice', () => {
  assert.deepEqual(step(http(429, '2')), { step: 'retry', waitMs: 2000 });
  for (const failure of [
    http(500),
    http(503),
    http(529),
    broken('reset'),
    broken('connect_failed'),
    broken('truncated'),
  ]) {
    assert.equal(step(failure).step, 'retry');
    assert.equal(step(failure, { retries: 1 }).step, 'retry');
    assert.equal(step(failure, { retries: 2 }).step, 'give_up');
    assert.equal(step(failure, { retries: 2, targetsLeft: 1 }).step, 'next_target');
  }
});

test('waits grow, are spread by chance, and are never longer than a caller should sit through', () => {
  assert.deepEqual(step(http(500)), { step: 'retry', waitMs: 100 });
  assert.deepEqual(step(http(500), { random: 1 }), { step: 'retry', waitMs: 200 });
  assert.deepEqual(step(http(500), { retries: 1 }), { step: 'retry', waitMs: 200 });
  assert.deepEqual(step(http(503, '10')), { step: 'retry', waitMs: 10_000 });
  assert.equal(step(http(503, '11')).step, 'give_up');
  assert.equal(step(http(429, '99999999')).step, 'give_up');
  assert.equal(step(http(429, 'soon')).step, 'give_up');
});

test('a limit without Retry-After, a bad key and a missing model go to the next target at once', () => {
  for (const failure of [
    http(429),
    http(401),
    http(403),
    http(404),
    broken('first_byte_timeout'),
    broken('redirect'),
  ]) {
    assert.equal(step(failure, { targetsLeft: 1 }).step, 'next_target');
    assert.equal(step(failure).step, 'give_up');
  }
});

test('the caller’s own mistakes and our own ends are final, whatever targets there are', () => {
  for (const failure of [
    http(400),
    http(413),
    http(422),
    broken('stopped'),
    broken('shutdown'),
    broken('total_timeout'),
  ]) {
    assert.equal(step(failure, { targetsLeft: 3 }).step, 'give_up');
  }
});

test('a refused usage question is asked again without it, and does not use up a retry', () => {
  assert.deepEqual(step({ ...http(400), refusedUsageQuestion: true }, { retries: 2 }), { step: 'retry_without_usage' });
});

test('Retry-After is read as seconds and as a date', () => {
  assert.equal(retryAfterMs('1.5', NOW), 1500);
  assert.equal(retryAfterMs('Fri, 20 Nov 2026 12:00:03 GMT', NOW), 3000);
  assert.equal(retryAfterMs('Fri, 20 Nov 2026 11:00:00 GMT', NOW), 0);
  assert.equal(retryAfterMs('tomorrow', NOW), null);
});

const provider: Provider = {
  id: 'p',
  api: 'openai-completions',
  baseUrl: 'https://x.example/v1',
  kind: 'http',
  credential: new Secret('sk-1'),
  headers: {
    authorization: 'Bearer theirs',
    'http-referer': 'https://us.example',
    host: 'evil',
    'content-length': '1',
    'x-weighbridge-hop': 'no',
    'user-agent': 'mine/1',
  },
  models: [],
  isVendorOrigin: false,
  vendor: null,
  asksUsage: 'yes',
  timeouts: { connectTimeoutMs: 0, firstByteTimeoutMs: 0, idleTimeoutMs: 0, totalTimeoutMs: 0 },
};
const asObject = (pairs: readonly string[]): Record<string, string> => {
  const object: Record<string, string> = {};
  for (let at = 0; at < pairs.length; at += 2) {
    assert.ok(!(pairs[at]! in object), `${pairs[at]} twice`);
    object[pairs[at]!] = pairs[at + 1]!;
  }
  return object;
};

test('semantics 9: the gateway’s own headers win over the provider’s configured ones', () => {
  assert.deepEqual(asObject(fixedHeaders(provider, 'led_1')), {
    accept: 'application/json',
    'user-agent': 'mine/1',
    authorization: 'Bearer sk-1',
    'http-referer': 'https://us.example',
    'content-type': 'application/json',
    'accept-encoding': 'identity',
    'x-weighbridge-hop': 'led_1',
  });
  const bare = asObject(fixedHeaders({ ...provider, credential: null, isVendorOrigin: true }, 'led_1'));
  assert.deepEqual([bare.authorization, bare['x-weighbridge-hop']], ['Bearer theirs', undefined]);
});

test('of the caller’s headers only the trace and the request id go out', () => {
  const caller = {
    authorization: 'Bearer caller',
    cookie: 'c',
    tracestate: 'a=b',
    'x-client-request-id': 'mine',
    'x-api-key': 'k',
  };
  assert.deepEqual(asObject(requestHeaders([], 'dsp_1', caller, '00-t')), {
    'x-client-request-id': 'mine',
    traceparent: '00-t',
    tracestate: 'a=b',
  });
  assert.deepEqual(asObject(requestHeaders([], 'dsp_1', { tracestate: 'a=b' }, null)), {
    'x-client-request-id': 'dsp_1',
  });
});

test('an answer’s head loses what belongs to the connection or to the provider’s origin', () => {
  const kept = answerHeaders({
    'content-type': 'text/event-stream',
    'retry-after': '3',
    'openai-organization': 'o',
    'x-ratelimit-limit-requests': '9',
    vary: ['a', 'b'],
    connection: 'close, X-Odd',
    'x-odd': '1',
    'set-cookie': ['a=1'],
    'x-request-id': 'r',
    'transfer-encoding': 'chunked',
    'content-length': '5',
    'access-control-allow-origin': '*',
    'x-weighbridge-dispatch-id': 'forged',
    'strict-transport-security': 'max-age=1',
  });
  assert.deepEqual(kept, {
    'content-type': 'text/event-stream',
    'retry-after': '3',
    'openai-organization': 'o',
    'x-ratelimit-limit-requests': '9',
    vary: 'a, b',
  });
});

test('drains have a number of places, and a place is free again exactly once', () => {
  const drains = new Drains({ onCallerGone: 'drain', drain: { timeoutMs: 60_000, tokensMax: 10, concurrentMax: 2 } });
  const fail = (): void => assert.fail('too early');
  const first = drains.begin(5, fail)!;
  const second = drains.begin(0, fail)!;
  assert.equal(drains.begin(0, fail), null);
  assert.deepEqual([first.isSpent(15), first.isSpent(16)], [false, true]);
  first.end();
  first.end();
  assert.equal(drains.active, 1);
  drains.begin(0, fail)!.end();
  second.end();
  assert.equal(drains.active, 0);
  const never = new Drains({ onCallerGone: 'abort', drain: { timeoutMs: 60_000, tokensMax: 10, concurrentMax: 2 } });
  assert.equal(never.begin(0, fail), null);
});
