/** Where passed requests go and which headers go with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spellingsOf } from '../domain/attribution-headers.ts';
import type { Provider } from '../domain/provider.ts';
import { Secret } from '../lib/secret.ts';
import { readerOf } from '../providers/readers.ts';
import { hopsOf, requestHeaders } from './headers.ts';
import { StreamMeter } from './meter.ts';
import { passedAnswerHeaders, passedHeaders } from './pass-headers.ts';
import { hasDotSegment, joinedPath } from './pass-path.ts';

const provider: Provider = {
  id: 'p',
  api: 'openai-completions',
  baseUrl: 'https://example.com/v1',
  kind: 'http',
  vendor: null,
  credential: new Secret('sk-theirs'),
  headers: { 'x-team': 'blue', 'anthropic-version': '2023-06-01' },
  models: [],
  isVendorOrigin: false,
  asksUsage: 'unknown',
  timeouts: { connectTimeoutMs: 1, firstByteTimeoutMs: 1, idleTimeoutMs: 1, totalTimeoutMs: 0 },
};

const sent = (received: string[], over: Partial<Parameters<typeof passedHeaders>[0]> = {}) =>
  passedHeaders({
    provider,
    credential: ['authorization', 'Bearer sk-theirs'],
    dispatchId: 'dsp_1',
    hops: 'led_1',
    received,
    presented: null,
    outbound: {},
    withheld: new Set(),
    wantsIdentity: false,
    length: null,
    ...over,
  });

test('a path goes below the base URL as it is, and of two versions the caller’s counts', () => {
  const joined = (base: string, path: string) => joinedPath(base.replace(/\/$/, ''), path);
  assert.equal(joined('/v1', '/v1/chat/completions'), '/v1/chat/completions');
  assert.equal(joined('/v1', '/v1/chat/completions?a=%2F'), '/v1/chat/completions?a=%2F');
  assert.equal(joined('/v1', '/chat/completions?a=%2F'), '/v1/chat/completions?a=%2F');
  assert.equal(joined('/', '/v1/messages'), '/v1/messages');
  assert.equal(joined('', '/v1/messages'), '/v1/messages');
  assert.equal(joined('/openai/v1/', '/v1/models'), '/openai/v1/models');
  assert.equal(joined('/v1', '/v1beta/models'), '/v1beta/models');
  assert.equal(joined('/v1beta', '/v1/models/x:generateContent'), '/v1/models/x:generateContent');
  assert.equal(joined('/v1beta', '/v1beta1?a=/v2'), '/v1beta1?a=/v2');
  assert.equal(joined('/v1beta/openai', '/v1/models'), '/v1beta/openai/v1/models');
  assert.equal(joined('/v1', '/vectors'), '/v1/vectors');
  assert.equal(joined('/v1', '/v1%2e'), '/v1/v1%2e');
  assert.equal(joined('/v1', '/v1'), '/v1');
  assert.equal(joined('/v1beta', '/v1beta/models/g%2Fx:generateContent'), '/v1beta/models/g%2Fx:generateContent');
});

test('dot segments are seen however they are escaped', () => {
  for (const path of ['/../admin', '/a/..', '/a/%2e%2E/b', '/a/.%2e', '/./x', '/a%2f..%2fb', '/a\\..\\b']) {
    assert.equal(hasDotSegment(path), true, path);
  }
  for (const path of ['/v1/x..y', '/v1/...', '/v1/a?b=../c', '/v1/.well-known']) {
    assert.equal(hasDotSegment(path), false, path);
  }
});

test('what a key forces is sent once and in no other spelling', () => {
  const received = ['X-LiteLLM-End-User-Id', 'victim', 'x-litellm-customer-id', 'victim', 'X-Team', 'mine', 'x-b', '1'];
  const withheld = spellingsOf({ 'x-litellm-end-user-id': 'acme' });
  const headers = sent(received, { outbound: { 'x-litellm-end-user-id': 'acme', 'x-team': 'acme' }, withheld });
  const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), headers[at + 1]]] : []));
  const of = (wanted: RegExp) => pairs.filter(([name]) => wanted.test(name!));
  assert.deepEqual(of(/^x-(litellm|team|b)/), [
    ['x-litellm-end-user-id', 'acme'],
    ['x-team', 'acme'],
    ['x-b', '1'],
  ]);
});

test('headers pass as they came, in their order, but for the connection’s, cookies, credentials and ours', () => {
  const received = [
    ['Host', 'gateway'],
    ['Connection', 'keep-alive, X-Hop'],
    ['X-Hop', '1'],
    ['Content-Length', '5'],
    ['Authorization', 'Bearer ours'],
    ['X-Api-Key', 'ours'],
    ['x-goog-api-key', 'ours'],
    ['Api-Key', 'ours'],
    ['Cookie', 'a=b'],
    ['Expect', '100-continue'],
    ['Transfer-Encoding', 'chunked'],
    ['X-Weighbridge-Tags', 'a'],
    ['x-weighbridge-hop', 'led_other'],
    ['X-Stainless-Lang', 'js'],
    ['Accept-Encoding', 'gzip'],
    ['X-Many', '1'],
    ['X-Many', '2'],
    ['Anthropic-Version', '2024-01-01'],
    ['traceparent', '00-x'],
  ].flat();
  assert.deepEqual(sent(received), [
    ...['authorization', 'Bearer sk-theirs', 'x-weighbridge-hop', 'led_1'],
    ...['X-Stainless-Lang', 'js', 'Accept-Encoding', 'gzip', 'X-Many', '1', 'X-Many', '2'],
    ...['Anthropic-Version', '2024-01-01', 'traceparent', '00-x'],
    ...['x-team', 'blue', 'x-client-request-id', 'dsp_1'],
  ]);
});

test('the caller’s own credential passes where the provider is told so, ours never', () => {
  const received = ['Authorization', 'Bearer sk-mine', 'x-api-key', 'wb_ours', 'x-weighbridge-key', 'wb_ours'];
  const theirs: Provider = { ...provider, takesCallersCredential: true };
  const passed = sent(received, { provider: theirs, credential: null, presented: 'wb_ours' });
  assert.deepEqual(passed.slice(2, 4), ['Authorization', 'Bearer sk-mine']);
  assert.ok(!passed.some((text) => text.includes('wb_ours')));
});

test('a provider without a credential gets none of the caller’s, which are ours', () => {
  const received = ['Authorization', 'Bearer wb_ours', 'x-api-key', 'wb_ours', 'api-key', 'wb_ours', 'x-b', '1'];
  const keyless = { ...provider, credential: null, headers: { authorization: 'Bearer theirs' } };
  const passed = sent(received, { provider: keyless, credential: null });
  assert.ok(!passed.some((text) => text.includes('wb_ours')));
  assert.deepEqual(passed.slice(2, 6), ['x-b', '1', 'authorization', 'Bearer theirs']);
});

test('every header that any `Connection` names stays here', () => {
  const passed = sent(['Connection', 'keep-alive', 'connection', 'X-Hop', 'X-Hop', '1', 'x-b', '1']);
  assert.deepEqual(passed.slice(4, 6), ['x-b', '1']);
});

test('a vendor sees no hop header, a caller’s request id stays its own, and a counted stream comes unencoded', () => {
  const vendor = { ...provider, isVendorOrigin: true };
  const passed = sent(['X-Client-Request-Id', 'mine', 'accept-encoding', 'gzip'], {
    provider: vendor,
    wantsIdentity: true,
  });
  assert.deepEqual(passed.slice(2, 6), ['accept-encoding', 'identity', 'X-Client-Request-Id', 'mine']);
  assert.ok(!passed.includes('x-weighbridge-hop') && !passed.includes('gzip'));
});

test('every gateway that a request came through stays named, and nothing else does', () => {
  const [a, b] = ['led_01M7YNNN4C363CZ0CRVJDTJ6TV', 'led_01M7YNW78M3ZZ0ZERDQFF9KRTX'];
  assert.equal(hopsOf({}, 'led_1'), 'led_1');
  assert.equal(hopsOf({ 'x-weighbridge-hop': `${a}, junk, ${b}` }, 'led_1'), `${a}, ${b}, led_1`);
  const hop = { 'x-weighbridge-hop': a };
  assert.deepEqual(requestHeaders(['x-weighbridge-hop', b], 'dsp_1', hop, null).slice(0, 2), [
    'x-weighbridge-hop',
    `${a}, ${b}`,
  ]);
  assert.deepEqual(requestHeaders([], 'dsp_1', hop, null), ['x-client-request-id', 'dsp_1'], 'a vendor sees none');
});

test('an answer’s head passes with its length, without what is about the connection or the provider’s origin', () => {
  const kept = passedAnswerHeaders({
    'content-length': '5',
    'content-type': 'text/plain',
    'content-encoding': 'gzip',
    'transfer-encoding': 'chunked',
    connection: 'close, x-hop',
    'x-hop': '1',
    'set-cookie': ['a=b'],
    'strict-transport-security': 'max-age=1',
    'access-control-allow-origin': '*',
    'x-request-id': 'theirs',
    'x-ratelimit-remaining': ['1', '2'],
  });
  assert.deepEqual(kept, {
    'content-length': '5',
    'content-type': 'text/plain',
    'content-encoding': 'gzip',
    'x-ratelimit-remaining': ['1', '2'],
  });
});

test('no piece of a last word goes out before its time, and an event that is too large goes out whole', () => {
  const meterOf = (eventBytesMax: number) => {
    const out: Buffer[] = [];
    const reader = readerOf('openai-completions').streamReader();
    const forward = (bytes: Buffer): void => void out.push(bytes);
    const meter = new StreamMeter({
      reader,
      lastWord: null,
      eventBytesMax,
      strips: false,
      passesTooLarge: true,
      forward,
    });
    return { meter, seen: () => Buffer.concat(out).toString() };
  };
  const text = 'data: {"choices":[]}\n\n';
  const word = meterOf(1000);
  for (const piece of [text, 'data: [DO', 'NE]\n']) word.meter.push(Buffer.from(piece));
  assert.equal(word.seen(), text);
  word.meter.push(Buffer.from('\n'));
  assert.equal(word.meter.isTerminal, true);
  assert.equal(word.seen() + word.meter.takeHeld(), `${text}data: [DONE]\n\n`);

  const stream = Buffer.from(`${text}data: ${'x'.repeat(100)}\n\n${text}data: [DONE]\n\n`);
  for (let at = 0; at <= stream.length; at++) {
    const large = meterOf(60);
    for (const piece of [stream.subarray(0, at), stream.subarray(at)]) {
      if (piece.length > 0) assert.equal(large.meter.push(piece), null);
    }
    large.meter.finish(() => {});
    assert.equal(large.seen() + (large.meter.takeHeld() ?? ''), stream.toString(), `cut at ${at}`);
  }
});
