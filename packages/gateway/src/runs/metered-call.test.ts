/** A call that goes well: its bytes, its count, its end that waits for the commit. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { makeUsage } from '@weighbridge/protocol';
import { EVENT_STREAM, json, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import { GatewayError } from '../domain/errors.ts';
import {
  ASKING,
  bytesOf,
  CallerView,
  COMPLETION,
  REPORTED,
  Rig,
  type RigOptions,
  SSE,
  STREAMED,
  wrapped,
} from './metered.fixture.ts';

const { role, text, stop, usage, done } = SSE;

describe('a metered call', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;

  async function open(options: RigOptions = {}): Promise<void> {
    rig = await Rig.open(upstream.baseUrl, options);
  }

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  test('a body passes byte for byte, and its entry has the provider’s count', async () => {
    await open();
    const odd =
      '{ "choices":[{"message":{"content":"x"},"finish_reason":"stop"}], "usage":{"prompt_tokens":1e1,"completion_tokens":2.0,"x":9007199254740993} }';
    upstream.answer((response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-request-id': 'req-7',
        'set-cookie': 'a=b',
        'x-ratelimit-remaining-requests': '5',
      });
      response.end(odd);
    });
    const view = await rig.play({});
    assert.equal(view.bytes.toString(), odd);
    assert.equal(view.seenHead!.headers['content-length'], String(odd.length));
    assert.equal(view.seenHead!.headers['x-ratelimit-remaining-requests'], '5');
    for (const name of ['set-cookie', 'x-request-id', 'connection', 'date'])
      assert.ok(!(name in view.seenHead!.headers), name);
    const entry = await rig.entry();
    assert.deepEqual(entry.usage, makeUsage({ input: 10, output: 2 }));
    assert.deepEqual(
      [entry.outcome, entry.usageSource, entry.httpStatus, entry.stopReason, entry.providerRequestId, entry.errorKind],
      ['completed', 'reported', 200, 'stop', 'req-7', null],
    );
    assert.equal(view.seenHead!.dispatchId, entry.dispatchId);
    assert.equal(view.seenHead!.runId, entry.runId);
    assert.ok(Number.isInteger(entry.latencyMs) && Number.isInteger(entry.timeToFirstTokenMs));
  });

  test('usage is asked for and stripped when the caller did not ask, and passes when it did', async () => {
    await open();
    upstream.answer(stream(role, text('a'), stop, usage, done));
    const silent = await rig.play(STREAMED);
    assert.equal(silent.bytes.toString(), bytesOf(role, text('a'), stop, done));
    assert.deepEqual(JSON.parse(upstream.received[0]!.body).stream_options, { include_usage: true });
    const asking = await rig.play(ASKING);
    assert.equal(asking.bytes.toString(), bytesOf(role, text('a'), stop, usage, done));
    for (const entry of await rig.entries()) assert.deepEqual([entry.usage, entry.usageSource], [REPORTED, 'reported']);
  });

  test('a provider that cannot be asked is not asked, and what it sends unasked passes', async () => {
    await open({ provider: { asksUsage: 'no' } });
    upstream.answer(stream(role, stop, usage, done));
    const view = await rig.play(STREAMED);
    assert.equal(JSON.parse(upstream.received[0]!.body).stream_options, undefined);
    assert.equal(view.bytes.toString(), bytesOf(role, stop, usage, done));
    assert.deepEqual((await rig.entry()).usage, REPORTED);
  });

  test('split at every byte, a stream arrives identical and counts identically', async () => {
    await open();
    const whole = Buffer.concat([
      Buffer.from(': ping\r\n\r\n'),
      role,
      text('ä€😀'),
      stop,
      usage,
      done,
      Buffer.from(': bye\n\n'),
    ]);
    const expected = whole.toString().replace(usage.toString(), '');
    for (let cut = 1; cut < whole.length; cut += 3) {
      upstream.answer((response) => {
        response.writeHead(200, EVENT_STREAM);
        response.write(whole.subarray(0, cut));
        setImmediate(() => response.end(whole.subarray(cut)));
      });
      const view = await rig.play(STREAMED);
      assert.equal(view.bytes.toString(), expected, `cut at ${cut}`);
    }
    for (const entry of await rig.entries()) assert.deepEqual([entry.usage, entry.outcome], [REPORTED, 'completed']);
  });

  test('semantics 1: the terminal frame waits for the commit, all before it does not', async () => {
    const settling = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    await open({
      wrapLedger: (ledger) =>
        wrapped(ledger, async (settlement) => {
          settling.resolve();
          await release.promise;
          await ledger.settle(settlement);
        }),
    });
    upstream.answer(stream(role, text('a'), stop, usage, done));
    const view = new CallerView();
    const over = rig.play(STREAMED, view);
    await settling.promise;
    assert.equal(view.bytes.toString(), bytesOf(role, text('a'), stop));
    assert.equal(view.hasEnd, false);
    release.resolve();
    await over;
    assert.equal(view.bytes.toString(), bytesOf(role, text('a'), stop, done));
    assert.equal(view.hasEnd, true);
  });

  test('semantics 1: when the settlement fails the caller gets an error and never the end', async () => {
    const refusal = new GatewayError('ledger_unavailable', 'disk full');
    await open({
      wrapLedger: (ledger) =>
        wrapped(ledger, async (settlement) => {
          await ledger.settle(settlement);
          throw refusal;
        }),
    });
    upstream.answer(stream(role, text('a'), stop, usage, done), json(200, COMPLETION));
    const streamed = await rig.play(STREAMED);
    assert.equal(streamed.failure, refusal);
    assert.ok(!streamed.bytes.includes('[DONE]'));
    const whole = await rig.play({});
    assert.deepEqual([whole.failure, whole.seenHead, whole.bytes.length], [refusal, null, 0]);
  });

  test('semantics 1: when the intent cannot be written no provider is asked', async () => {
    const refusal = new GatewayError('ledger_unavailable', 'disk full');
    await open({
      wrapLedger: (ledger) => ({ ...wrapped(ledger, (s) => ledger.settle(s)), open: () => Promise.reject(refusal) }),
    });
    upstream.answer(json(200, COMPLETION));
    const view = await rig.play({});
    assert.equal(view.failure, refusal);
    assert.equal(upstream.received.length, 0);
    assert.deepEqual(await rig.entries(), []);
  });

  test('no usage is estimated, zero usage is zero', async () => {
    await open();
    upstream.answer(stream(role, text('x'.repeat(400)), stop, done));
    await rig.play(STREAMED);
    upstream.answer(json(200, { ...COMPLETION, usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }));
    await rig.play({});
    const [estimated, zero] = await rig.entries();
    assert.deepEqual(
      [estimated!.usageSource, estimated!.usage!.output, estimated!.outcome],
      ['estimated', 99, 'completed'],
    );
    assert.ok(estimated!.usage!.input > 0);
    assert.deepEqual([zero!.usageSource, zero!.usage!.total], ['reported', 0]);
  });

  test('an impossible usage is estimated, flagged, and kept as it was written', async () => {
    await open();
    const raw = '{"prompt_tokens":-1,"completion_tokens":2}';
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"choices":[{"message":{"content":"abcd"},"finish_reason":"stop"}],"usage":${raw}}`);
    });
    await rig.play({});
    const entry = await rig.entry();
    assert.deepEqual([entry.usageSource, entry.usage!.output], ['estimated', 1]);
    assert.deepEqual(rig.anomalies, ['usage_malformed']);
    assert.deepEqual(entry.rawUsage, JSON.parse(raw));
  });

  test('compressed answers pass unchanged, one usage chunk more, and are counted on a decoded copy', async () => {
    await open();
    const plain = Buffer.concat([role, text('hello'), stop, usage, done]);
    for (const [encoding, bytes] of [
      ['gzip', gzipSync(plain)],
      ['br', brotliCompressSync(plain)],
    ] as const) {
      upstream.answer((response) => {
        response.writeHead(200, { ...EVENT_STREAM, 'content-encoding': encoding });
        response.write(bytes.subarray(0, 20));
        setImmediate(() => response.end(bytes.subarray(20)));
      });
      const view = await rig.play(STREAMED);
      assert.deepEqual(view.bytes, bytes, encoding);
      assert.equal(view.seenHead!.headers['content-encoding'], encoding);
    }
    const body = gzipSync(JSON.stringify(COMPLETION));
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(body);
    });
    assert.deepEqual((await rig.play({})).bytes, body);
    for (const entry of await rig.entries()) assert.deepEqual([entry.usage, entry.outcome], [REPORTED, 'completed']);
    assert.equal(upstream.received[0]!.request.headers['accept-encoding'], 'identity');
  });

  test('a lying content-encoding, and a bomb, are anomalies: the bytes pass and the call is estimated', async () => {
    await open({ limits: { answerBytesMax: 100_000 } });
    const bomb = gzipSync(Buffer.alloc(5_000_000, 'x'));
    for (const [bytes, type] of [
      [Buffer.from('not gzip at all'), 'application/json'],
      [bomb, 'application/json'],
      [bomb, 'text/event-stream'],
      [Buffer.concat([role, stop, done]), 'text/event-stream'],
    ] as const) {
      upstream.answer((response) => {
        response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' });
        response.end(bytes);
      });
      const view = await rig.play(STREAMED);
      assert.deepEqual(view.bytes, bytes);
    }
    for (const entry of await rig.entries())
      assert.deepEqual([entry.usageSource, entry.outcome], ['estimated', 'completed']);
    assert.deepEqual(rig.anomalies, Array(4).fill('encoding_broken'));
  });

  test('backpressure: a caller who does not read stops the upstream, and goes on where it stopped', async () => {
    await open();
    const many = Array.from({ length: 2000 }, (_, index) => text(`${index} ${'x'.repeat(1000)}`));
    upstream.answer(stream(...many, stop, usage, done));
    const view = new CallerView();
    view.isReading = false;
    let pauses = 0;
    let writesInPause = 0;
    let isPaused = false;
    view.onWrite = () => {
      // One chunk may be two writes: the rest of a frame that began before, and what follows it.
      writesInPause = isPaused ? writesInPause + 1 : 0;
      assert.ok(writesInPause <= 1, 'the upstream was not stopped');
      if (isPaused) return;
      isPaused = true;
      pauses++;
      setTimeout(() => {
        isPaused = false;
        view.drained();
      }, 2);
    };
    await rig.play(STREAMED, view);
    assert.equal(view.bytes.toString(), bytesOf(...many, stop, done));
    assert.ok(pauses > 5);
  });

  test('a caller who never reads on is ended after the idle time, and counted', async () => {
    await open({
      provider: {
        timeouts: { connectTimeoutMs: 1000, firstByteTimeoutMs: 1000, idleTimeoutMs: 100, totalTimeoutMs: 0 },
      },
    });
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(40)));
    });
    const view = new CallerView();
    view.isReading = false;
    await rig.play(STREAMED, view);
    const entry = await rig.entry();
    assert.deepEqual(
      [entry.outcome, entry.errorKind, entry.usageSource, entry.usage!.output],
      ['aborted', 'caller_stalled', 'estimated', 10],
    );
  });
});
