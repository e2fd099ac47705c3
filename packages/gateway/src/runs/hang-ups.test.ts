/** Callers who go before their answer has ended (semantics 6), at every position. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answering,
  EVENT_STREAM,
  json,
  ScriptedUpstream,
  stream,
} from '../../../../test/rig/scripted-upstream.ts';
import {
  ASKING,
  CallerView,
  COMPLETION,
  REPORTED,
  Rig,
  type RigOptions,
  SSE,
  STREAMED,
  wrapped,
} from './metered.fixture.ts';

const { text, stop, usage, done } = SSE;

describe('hang-ups (semantics 6)', () => {
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

  test('an end that lies behind a pause is found, whether the caller reads later, hangs up or never reads', async () => {
    await open();
    for (const caller of ['reads later', 'hangs up', 'never reads']) {
      // In one piece: the caller has enough at the text, and so the end is not read before somebody asks for it.
      upstream.answer((response) => {
        response.writeHead(200, EVENT_STREAM);
        response.end(Buffer.concat([text('x'), stop, usage, done]));
      });
      const view = new CallerView();
      view.isReading = false;
      if (caller === 'reads later') view.onWrite = () => setTimeout(() => view.drained(), 100);
      if (caller === 'hangs up') view.onWrite = () => setTimeout(() => view.gone.abort(), 20);
      const isOver = await Promise.race([rig.play(STREAMED, view).then(() => true), sleep(20_000, false)]);
      assert.ok(isOver, `${caller}: the run never ended`);
      assert.ok(view.hasEnd && view.bytes.includes('[DONE]'), caller);
    }
    assert.deepEqual(
      (await rig.entries()).map(({ outcome }) => outcome),
      ['completed', 'completed', 'completed'],
    );
    assert.deepEqual(rig.runs.inFlight(), []);
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
        output: (tokens: number) => tokens === 99,
      },
      {
        answering: endless,
        drain: { timeoutMs: 60_000, tokensMax: 500, concurrentMax: 32 },
        output: (tokens: number) => tokens > 500 && tokens < 2000,
      },
      {
        answering: endless,
        drain: { timeoutMs: 60_000, tokensMax: 1e9, concurrentMax: 0 },
        output: (tokens: number) => tokens >= 90 && tokens < 500,
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
