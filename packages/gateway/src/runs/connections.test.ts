/** Calls that find every connection to their provider busy: they wait, but not for ever, and cost nothing when they give up. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { EVENT_STREAM, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import { bytesOf, CallerView, Rig, SSE, STREAMED } from './metered.fixture.ts';

const { text, stop, usage, done } = SSE;

describe('busy connections', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;
  /** Ends the answer that holds the one connection. */
  let finish: () => void;
  let held: Promise<CallerView>;

  async function occupy(upstreamWaitMs: number): Promise<void> {
    rig = await Rig.open(upstream.baseUrl, { limits: { upstreamConnectionsMax: 1, upstreamWaitMs, retriesMax: 2 } });
    const view = new CallerView();
    const begun = Promise.withResolvers<void>();
    view.onWrite = () => begun.resolve();
    upstream.answer(
      (response) => {
        response.writeHead(200, EVENT_STREAM);
        response.write(text('a'));
        finish = () => response.end(bytesOf(stop, usage, done));
      },
      stream(text('b'), stop, usage, done),
    );
    held = rig.play(STREAMED, view);
    await begun.promise;
  }

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  test('a call waits for a connection, and is refused when none comes free in time, without a second try', async () => {
    await occupy(40);
    const refused = await rig.play(STREAMED);
    assert.equal(refused.failure!.code, 'overloaded');
    assert.equal(refused.failure!.retryAfterSeconds, 1);
    finish();
    assert.equal((await held).hasEnd, true);
    const found = (await rig.entries()).map((entry) => [entry.outcome, entry.errorKind, entry.usageSource]);
    assert.deepEqual(found, [
      ['completed', null, 'reported'],
      ['failed', 'connections_busy', 'none'],
    ]);
    assert.equal(upstream.received.length, 1);
    // The place in the queue that was given up harms nobody: the next call is answered.
    assert.equal((await rig.play(STREAMED)).hasEnd, true);
  });

  test('a call that gets its connection in time is answered', async () => {
    await occupy(10_000);
    const waiting = rig.play(STREAMED);
    finish();
    await held;
    assert.equal((await waiting).hasEnd, true);
    assert.equal(upstream.received.length, 2);
  });
});
