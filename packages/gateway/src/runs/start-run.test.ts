/** One call through the whole of runs and dispatch: real sockets, a real ledger, the upstream scripted by each test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { makeUsage } from '@weighbridge/protocol';
import { GatewayError } from '../domain/errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import {
  type Answering,
  CallerView,
  COMPLETION,
  EVENT_STREAM,
  json,
  MESSAGES,
  Rig,
  type RigOptions,
  ScriptedUpstream,
  SSE,
  stream,
  USAGE,
} from './metered.fixture.ts';

const REPORTED = makeUsage({ input: 63, output: 20, cacheRead: 40, reasoning: 5 });
const { role, text, stop, usage, done, error } = SSE;
const STREAMED = { json: { stream: true } };
const ASKING = { json: { stream: true, stream_options: { include_usage: true } } };

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

const bytesOf = (...events: Buffer[]): string => Buffer.concat(events).toString();

describe('a metered call', () => {
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
      ['estimated', 100, 'completed'],
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
    let writes = 0;
    view.onWrite = () => {
      writes++;
      setImmediate(() => view.drained());
    };
    await rig.play(STREAMED, view);
    assert.equal(view.bytes.toString(), bytesOf(...many, stop, done));
    assert.ok(writes > 5);
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

describe('hang-ups (semantics 6)', () => {
  const hangUp = (position: string, view: CallerView, marker: Buffer): void => {
    view.onWrite = (soFar) => {
      if (soFar.includes(marker)) view.gone.abort();
    };
    assert.ok(position);
  };

  test('drain: before the first byte, mid-stream and after the usage chunk, the count arrives all the same', async () => {
    await open();
    const go: (() => void)[] = [];
    for (const point of ['before the first byte', 'mid-stream', 'after the usage chunk']) {
      const view = new CallerView();
      upstream.answer((response) => {
        const rest = (): void => void response.end(Buffer.concat([stop, usage, done]));
        if (point === 'before the first byte') {
          view.gone.abort();
          response.writeHead(200, EVENT_STREAM);
          response.write(text('x'));
          setImmediate(rest);
        } else if (point === 'mid-stream') {
          response.writeHead(200, EVENT_STREAM);
          response.write(text('x'));
          view.gone.signal.addEventListener('abort', rest);
        } else {
          response.writeHead(200, EVENT_STREAM);
          response.write(Buffer.concat([text('x'), stop, usage]));
          view.gone.signal.addEventListener('abort', () => response.end(done));
        }
      });
      if (point === 'mid-stream') hangUp(point, view, text('x'));
      if (point === 'after the usage chunk') hangUp(point, view, usage);
      await rig.play(point === 'after the usage chunk' ? ASKING : STREAMED, view);
      assert.ok(!view.bytes.includes('[DONE]'), point);
    }
    assert.equal(go.length, 0);
    const entries = await rig.entries();
    assert.equal(entries.length, 3);
    for (const entry of entries) {
      assert.deepEqual(
        [entry.outcome, entry.errorKind, entry.usageSource, entry.usage],
        ['aborted', 'caller_gone', 'reported', REPORTED],
      );
    }
  });

  test('right after the last byte is no hang-up: the call is completed', async () => {
    await open();
    upstream.answer(stream(text('x'), stop, usage, done));
    const view = new CallerView();
    const end = view.end.bind(view);
    view.end = (last) => {
      end(last);
      view.gone.abort();
    };
    await rig.play(STREAMED, view);
    assert.deepEqual([(await rig.entry()).outcome, (await rig.entry()).usageSource], ['completed', 'reported']);
  });

  test('after the upstream’s end was seen it is completed, although the commit is still to come', async () => {
    const view = new CallerView();
    await open({
      wrapLedger: (ledger) =>
        wrapped(ledger, async (settlement) => {
          view.gone.abort();
          await ledger.settle(settlement);
        }),
    });
    upstream.answer(stream(text('x'), stop, usage, done));
    await rig.play(STREAMED, view);
    assert.equal((await rig.entry()).outcome, 'completed');
  });

  test('abort: the upstream is closed at once and the call is estimated from what was delivered', async () => {
    await open({ metering: { onCallerGone: 'abort', drain: { timeoutMs: 2000, tokensMax: 500, concurrentMax: 32 } } });
    const closed = Promise.withResolvers<void>();
    upstream.answer((response) => {
      response.on('close', () => closed.resolve());
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(80)));
    });
    const view = new CallerView();
    hangUp('mid', view, text('x'.repeat(80)));
    await rig.play(STREAMED, view);
    await closed.promise;
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.usageSource, entry.usage!.output], ['aborted', 'estimated', 20]);
    assert.ok(entry.usage!.input > 0);
  });

  test('a drain ends at its time, at its tokens, and has no place beyond its number', async () => {
    const endless: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      const timer = setInterval(() => response.write(text('x'.repeat(400))), 5);
      response.on('close', () => clearInterval(timer));
    };
    const silent: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(400)));
    };
    const cases = [
      {
        answering: silent,
        drain: { timeoutMs: 60, tokensMax: 500, concurrentMax: 32 },
        output: (tokens: number) => tokens === 100,
      },
      {
        answering: endless,
        drain: { timeoutMs: 60_000, tokensMax: 500, concurrentMax: 32 },
        output: (tokens: number) => tokens > 500 && tokens < 2000,
      },
      {
        answering: endless,
        drain: { timeoutMs: 60_000, tokensMax: 1e9, concurrentMax: 0 },
        output: (tokens: number) => tokens >= 100 && tokens < 500,
      },
    ];
    for (const { answering, drain, output } of cases) {
      await open({ metering: { onCallerGone: 'drain', drain } });
      upstream.answer(answering);
      const view = new CallerView();
      hangUp('mid', view, text('x'.repeat(400)));
      await rig.play(STREAMED, view);
      const entry = await rig.entry();
      assert.deepEqual([entry.outcome, entry.usageSource], ['aborted', 'estimated']);
      assert.ok(output(entry.usage!.output), `${entry.usage!.output} tokens`);
      await rig.close();
    }
    await open();
  });

  test('a hang-up on a call that is not streamed drains to its body', async () => {
    await open();
    const view = new CallerView();
    upstream.answer((response) => {
      view.gone.abort();
      setTimeout(() => json(200, COMPLETION)(response, upstream.received[0]!), 20);
    });
    await rig.play({}, view);
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.usageSource, entry.usage], ['aborted', 'reported', REPORTED]);
    assert.equal(view.bytes.length, 0);
  });

  test('a caller who has gone before the run begins costs nothing, not even an entry', async () => {
    await open();
    upstream.answer(json(200, COMPLETION));
    const view = new CallerView();
    view.gone.abort();
    await rig.play({}, view);
    assert.deepEqual([upstream.received.length, await rig.entries()], [0, []]);
  });

  test('a stop and a shutdown never drain', async () => {
    await open();
    const arrived: (() => void)[] = [];
    const hanging: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(40)));
      response.on('close', () => arrived.shift()?.());
    };
    upstream.answer(hanging);
    const stoppedView = new CallerView();
    stoppedView.onWrite = () => rig.runs.stop(rig.runs.inFlight()[0]!.runId);
    await rig.play(STREAMED, stoppedView);
    assert.equal(stoppedView.failure!.code, 'draining');
    const view = new CallerView();
    const started = Promise.withResolvers<void>();
    view.onWrite = () => started.resolve();
    const over = rig.play(STREAMED, view);
    await started.promise;
    const drained = rig.runs.drain(30);
    assert.equal((await rig.play({})).failure!.code, 'draining');
    await Promise.all([drained, over]);
    assert.equal(view.failure!.code, 'draining');
    const kinds = (await rig.entries()).map((entry) => [
      entry.outcome,
      entry.errorKind,
      entry.usageSource,
      entry.usage!.output,
    ]);
    assert.deepEqual(kinds, [
      ['aborted', 'stopped', 'estimated', 10],
      ['aborted', 'shutdown', 'estimated', 10],
    ]);
    assert.deepEqual(rig.runs.inFlight(), []);
  });
});

describe('failures', () => {
  const timeouts = (over: object) => ({
    provider: {
      timeouts: { connectTimeoutMs: 300, firstByteTimeoutMs: 300, idleTimeoutMs: 300, totalTimeoutMs: 0, ...over },
    },
    limits: { retriesMax: 0 },
  });

  test('a provider’s error passes unchanged once retries are used up, each try with its own entry', async () => {
    await open();
    const body = { error: { message: 'boom', type: 'server_error' } };
    upstream.answer(json(503, body, { 'openai-processing-ms': '3' }));
    const view = await rig.play(STREAMED);
    assert.deepEqual([view.seenHead!.status, view.bytes.toString()], [503, JSON.stringify(body)]);
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => entry.attempt),
      [1, 2, 3],
    );
    assert.equal(view.seenHead!.dispatchId, entries[2]!.dispatchId);
    for (const entry of entries) {
      assert.deepEqual(
        [entry.outcome, entry.errorKind, entry.httpStatus, entry.usage, entry.usageSource],
        ['failed', 'http_error', 503, null, 'none'],
      );
      assert.equal(entry.runId, entries[0]!.runId);
    }
  });

  test('a retry that succeeds answers the caller, and the head names its dispatch', async () => {
    await open();
    upstream.answer(json(429, {}, { 'retry-after': '0' }), (response) => response.destroy(), json(200, COMPLETION));
    const view = await rig.play({});
    assert.equal(view.bytes.toString(), JSON.stringify(COMPLETION));
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => entry.errorKind),
      ['http_error', 'reset', null],
    );
    assert.equal(view.seenHead!.dispatchId, entries[2]!.dispatchId);
    const requestIds = upstream.received.map(({ request }) => request.headers['x-client-request-id']);
    assert.deepEqual(
      requestIds,
      entries.map((entry) => entry.dispatchId),
    );
  });

  test('the caller’s mistakes are never retried: 400 passes at once', async () => {
    await open({ agents: [{ id: 'main', model: 'up/m', fallbacks: ['up/other'], instructions: null }] });
    upstream.answer(json(400, { error: { message: 'bad' } }));
    const view = await rig.play({ json: { model: 'openclaw' } });
    assert.deepEqual([view.seenHead!.status, upstream.received.length], [400, 1]);
  });

  test('a fallback answers when the first target fails, with its own provider, model and entry', async () => {
    await open({
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['spare/n'], instructions: 'Be brief.' }],
      others: [{ id: 'spare', credential: null, headers: { authorization: 'Bearer own' } }],
    });
    upstream.answer(json(401, { error: { message: 'bad key' } }), json(200, COMPLETION));
    const view = await rig.play({ json: { model: 'openclaw/main', user: 'Bob' } });
    assert.equal(view.bytes.toString(), JSON.stringify(COMPLETION));
    const [first, second] = await rig.entries();
    assert.deepEqual([first!.provider, first!.model, first!.outcome], ['up', 'm', 'failed']);
    assert.deepEqual(
      [second!.provider, second!.model, second!.outcome, second!.attempt],
      ['spare', 'n', 'completed', 2],
    );
    assert.deepEqual([second!.agentId, second!.sessionKey], ['main', 'agent:main:openai-user:Bob']);
    assert.equal(view.seenHead!.dispatchId, second!.dispatchId);
    const [one, two] = upstream.received;
    assert.equal(one!.request.headers.authorization, 'Bearer sk-upstream');
    assert.equal(two!.request.headers.authorization, 'Bearer own');
    assert.deepEqual(JSON.parse(two!.body).messages, [{ role: 'system', content: 'Be brief.' }, ...MESSAGES]);
    assert.equal(JSON.parse(two!.body).model, 'n');
  });

  test('a provider that refuses stream_options is asked once more without, and remembered', async () => {
    await open();
    const refusing: Answering = (response, received) =>
      received.body.includes('stream_options')
        ? json(400, { error: { message: 'Unknown field: stream_options' } })(response, received)
        : stream(text('abcd'), stop, done)(response, received);
    upstream.answer(refusing);
    assert.equal((await rig.play(STREAMED)).bytes.toString(), bytesOf(text('abcd'), stop, done));
    assert.equal(upstream.received.length, 2);
    await rig.play(STREAMED);
    assert.equal(upstream.received.length, 3);
    const asked = await rig.play(ASKING);
    assert.deepEqual([asked.seenHead!.status, upstream.received.length], [400, 4]);
    assert.deepEqual(
      (await rig.entries()).map((entry) => entry.usageSource),
      ['none', 'estimated', 'estimated', 'none'],
    );
  });

  test('nothing is retried once a byte has reached the caller: an error event ends the stream', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(text('x'.repeat(40)), () => response.destroy());
    });
    const view = await rig.play(STREAMED);
    assert.equal(upstream.received.length, 1);
    assert.equal(view.failure!.code, 'upstream_unreachable');
    assert.equal(view.bytes.toString(), text('x'.repeat(40)).toString());
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.usageSource, entry.usage!.output], ['failed', 'estimated', 10]);
    assert.ok(entry.errorKind === 'truncated' || entry.errorKind === 'reset');
  });

  test('usage in every chunk and then a break is partial', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      const chunk = {
        choices: [{ delta: { content: 'x' }, finish_reason: null }],
        usage: { prompt_tokens: 9, completion_tokens: 4 },
      };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`, () => response.destroy());
    });
    await rig.play(STREAMED);
    const entry = await rig.entry();
    assert.deepEqual(
      [entry.outcome, entry.usageSource, entry.usage],
      ['failed', 'partial', makeUsage({ input: 9, output: 4 })],
    );
  });

  test('a stream that breaks or hangs after its count and stop reason is complete: the caller gets the end', async () => {
    await open(timeouts({}));
    const broken: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage]), () => response.destroy());
    };
    const hanging: Answering = (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage]));
    };
    for (const answering of [broken, hanging]) {
      upstream.answer(answering);
      const view = await rig.play(STREAMED);
      assert.equal(view.bytes.toString(), bytesOf(text('x'), stop, done));
    }
    for (const entry of await rig.entries())
      assert.deepEqual([entry.outcome, entry.usageSource, entry.usage], ['completed', 'reported', REPORTED]);
  });

  test('an upstream that stays open after [DONE] delays no caller', async () => {
    await open();
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(Buffer.concat([text('x'), stop, usage, done]));
    });
    const view = new CallerView();
    const sawDone = Promise.withResolvers<void>();
    view.onWrite = (soFar) => {
      if (soFar.includes('[DONE]')) sawDone.resolve();
    };
    const over = rig.play(STREAMED, view);
    await sawDone.promise;
    assert.equal((await rig.entry()).outcome, 'completed');
    await over;
    assert.equal(view.bytes.toString(), bytesOf(text('x'), stop, done));
  });

  test('an error in the stream passes, is no success, and keeps what was counted', async () => {
    await open();
    upstream.answer(stream(text('x'.repeat(40)), error, done));
    const view = await rig.play(STREAMED);
    assert.equal(view.bytes.toString(), bytesOf(text('x'.repeat(40)), error, done));
    const entry = await rig.entry();
    assert.deepEqual(
      [entry.outcome, entry.errorKind, entry.usageSource, entry.usage!.output],
      ['failed', 'provider_error', 'estimated', 10],
    );
  });

  test('a 200 with an error body is a failure without usage, passed unchanged', async () => {
    await open();
    const body = { error: { message: 'no capacity', code: 502 } };
    upstream.answer(json(200, body));
    const view = await rig.play({});
    assert.equal(view.bytes.toString(), JSON.stringify(body));
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'provider_error', 'none']);
  });

  test('a redirect is an error and is not followed', async () => {
    await open();
    upstream.answer((response) => response.writeHead(307, { location: `${upstream.baseUrl}/elsewhere` }).end());
    const view = await rig.play({});
    assert.deepEqual([view.failure!.code, upstream.received.length], ['upstream_redirect', 1]);
    assert.equal((await rig.entry()).errorKind, 'redirect');
  });

  test('each timeout has its own word, and its own entry', async () => {
    await open(timeouts({}));
    upstream.answer(() => {});
    assert.equal((await rig.play({})).failure!.code, 'upstream_timeout');
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{');
    });
    assert.equal((await rig.play({})).failure!.code, 'upstream_timeout');
    assert.deepEqual(
      (await rig.entries()).map((entry) => entry.errorKind),
      ['first_byte_timeout', 'idle_timeout'],
    );
    await rig.close();
    await open(timeouts({ totalTimeoutMs: 50 }));
    upstream.answer((response) => {
      response.writeHead(200, EVENT_STREAM);
      const timer = setInterval(() => response.write(text('x')), 5);
      response.on('close', () => clearInterval(timer));
    });
    assert.equal((await rig.play(STREAMED)).failure!.code, 'upstream_timeout');
    assert.equal((await rig.entry()).errorKind, 'total_timeout');
  });

  test('a refused connection is retried and then told', async () => {
    const closedPort = createServer().listen(0, '127.0.0.1');
    await once(closedPort, 'listening');
    const { port } = closedPort.address() as { port: number };
    closedPort.close();
    await open({ provider: { baseUrl: `http://127.0.0.1:${port}/v1` } });
    const view = await rig.play({});
    assert.equal(view.failure!.code, 'upstream_unreachable');
    assert.deepEqual(
      (await rig.entries()).map(({ errorKind, usageSource }) => [errorKind, usageSource]),
      Array(3).fill(['connect_failed', 'none']),
    );
  });

  test('a body cut short of its length, and one that is not HTTP, are errors and never answers', async () => {
    await open({ limits: { retriesMax: 0 } });
    upstream.answer((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"choices":[');
      setTimeout(() => response.destroy(), 20);
    });
    const cut = await rig.play({});
    assert.equal(cut.failure!.code, 'upstream_unreachable');
    upstream.answer((response) => response.socket!.end('HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'));
    assert.equal((await rig.play({})).failure!.code, 'upstream_invalid');
    assert.deepEqual(
      (await rig.entries()).map(({ errorKind }) => errorKind),
      ['truncated', 'invalid_http'],
    );
  });

  test('a stream that just stops, without a stop reason or an end, is truncated', async () => {
    await open();
    upstream.answer(stream(text('x'.repeat(40))));
    const view = await rig.play(STREAMED);
    assert.equal(view.failure!.code, 'upstream_unreachable');
    const entry = await rig.entry();
    assert.deepEqual([entry.outcome, entry.errorKind, entry.usageSource], ['failed', 'truncated', 'estimated']);
  });

  test('too large an event and too large an answer are refused, and counted', async () => {
    await open({ limits: { eventBytesMax: 1000, answerBytesMax: 1000, retriesMax: 0 } });
    upstream.answer(stream(text('a'), text('x'.repeat(2000)), stop, done));
    const streamed = await rig.play(STREAMED);
    assert.deepEqual([streamed.failure!.code, streamed.bytes.toString()], ['upstream_invalid', text('a').toString()]);
    upstream.answer(json(200, { ...COMPLETION, pad: 'x'.repeat(2000) }));
    assert.equal((await rig.play({})).failure!.code, 'upstream_invalid');
    const entries = await rig.entries();
    assert.deepEqual(
      entries.map((entry) => [entry.errorKind, entry.usageSource]),
      [
        ['event_too_large', 'estimated'],
        ['answer_too_large', 'estimated'],
      ],
    );
  });
});

describe('admission', () => {
  test('semantics 12: our own hop is refused, and every upstream request carries it', async () => {
    await open();
    upstream.answer(json(200, COMPLETION));
    await rig.play({
      headers: {
        'x-client-request-id': 'mine',
        traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
        cookie: 'secret',
        'x-custom': '1',
      },
    });
    const { headers } = upstream.received[0]!.request;
    assert.equal(headers['x-weighbridge-hop'], rig.ledger.ledgerId);
    assert.equal(headers['x-client-request-id'], 'mine');
    assert.equal(headers.traceparent, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    for (const name of ['cookie', 'x-custom', 'tracestate']) assert.equal(headers[name], undefined, name);
    const looped = await rig.play({ headers: { 'x-weighbridge-hop': rig.ledger.ledgerId } });
    assert.equal(looped.failure!.code, 'loop_detected');
    const other = await rig.play({ headers: { 'x-weighbridge-hop': 'led_OTHER' } });
    assert.equal(other.failure, null);
  });

  test('a known vendor’s origin gets no hop header', async () => {
    await open({ provider: { isVendorOrigin: true } });
    upstream.answer(json(200, COMPLETION));
    await rig.play({});
    assert.equal(upstream.received[0]!.request.headers['x-weighbridge-hop'], undefined);
  });

  test('beyond runsMax a call is told to come back, and the place is free again afterwards', async () => {
    await open({ limits: { runsMax: 1 } });
    let finish = (): void => {};
    const arrived = Promise.withResolvers<void>();
    upstream.answer((response, received) => {
      finish = () => json(200, COMPLETION)(response, received);
      arrived.resolve();
    });
    const first = rig.play({});
    await arrived.promise;
    const second = await rig.play({});
    assert.deepEqual([second.failure!.code, second.failure!.retryAfterSeconds], ['overloaded', 1]);
    const [view] = rig.runs.inFlight();
    assert.deepEqual([view!.provider, view!.model, view!.attempt], ['up', 'm', 1]);
    finish();
    assert.equal((await first).failure, null);
    upstream.answer(json(200, COMPLETION));
    assert.equal((await rig.play({})).failure, null);
  });

  test('an unavailable ledger refuses before any provider is asked', async () => {
    await open({ wrapLedger: (ledger) => ({ ...wrapped(ledger, (s) => ledger.settle(s)), available: false }) });
    upstream.answer(json(200, COMPLETION));
    assert.equal((await rig.play({})).failure!.code, 'ledger_unavailable');
    assert.equal(upstream.received.length, 0);
  });

  test('a target whose dialect is not spoken is refused, as a fallback it is passed over', async () => {
    await open({
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['claude/x'], instructions: null }],
      others: [{ id: 'claude', api: 'anthropic-messages' }],
    });
    assert.equal((await rig.play({ json: { model: 'claude/x' } })).failure!.code, 'unsupported_dialect');
    upstream.answer(json(403, { error: { message: 'no' } }));
    const view = await rig.play({ json: { model: 'openclaw' } });
    assert.equal(view.seenHead!.status, 403);
  });

  test('many runs at once, streams and bodies, keep their own counts', async () => {
    await open();
    upstream.answer((response, received) => {
      const { model, stream: isStream } = JSON.parse(received.body) as { model: string; stream?: boolean };
      const n = Number(model.slice(1));
      const own = { ...USAGE, prompt_tokens: 40 + n, total_tokens: 60 + n };
      if (!isStream) return json(200, { ...COMPLETION, usage: own })(response, received);
      response.writeHead(200, EVENT_STREAM);
      response.write(text(model));
      setTimeout(
        () =>
          response.end(
            Buffer.concat([stop, Buffer.from(`data: {"choices":[],"usage":${JSON.stringify(own)}}\n\n`), done]),
          ),
        n % 7,
      );
    });
    await Promise.all(
      Array.from({ length: 80 }, (_, n) => rig.play({ json: { model: `up/m${n}`, stream: n % 2 === 0 } })),
    );
    const entries = await rig.entries();
    assert.equal(entries.length, 80);
    for (const entry of entries) assert.equal(entry.usage!.input, Number(entry.model.slice(1)), entry.model);
  });
});

/** The ledger with another `settle`; getters of a class do not survive a spread. */
function wrapped(ledger: Ledger, settle: Ledger['settle']): Ledger {
  return { ledgerId: ledger.ledgerId, available: true, open: (intent) => ledger.open(intent), settle };
}
