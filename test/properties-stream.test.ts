/**
 * What a stream says does not hang on how it is written or cut: whatever line ends, comments, byte order mark, spacing, data
 * lines, compression and pieces, the entry has the same numbers, and the caller gets the same bytes, but for a usage
 * chunk that only we asked for (design, semantics 7). First the meter alone, cut exactly; then the path with real sockets.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { makeUsage } from '@weighbridge/protocol';
import fc from 'fast-check';
import { StreamMeter } from '../packages/gateway/src/dispatch/meter.ts';
import { openaiCompletions } from '../packages/gateway/src/providers/openai-completions.ts';
import { ASKING, type CallerView, Rig, STREAMED } from '../packages/gateway/src/runs/metered.fixture.ts';
import { cuts, pieces, type Spelling, spellings } from './properties/streams.ts';
import { quotas, seed } from './quotas.ts';
import { type Answering, EVENT_STREAM, ScriptedUpstream } from './rig/scripted-upstream.ts';

const CODECS = {
  identity: (bytes: Buffer) => bytes,
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const;
const codings = fc.constantFrom(...(Object.keys(CODECS) as (keyof typeof CODECS)[]));

test('the meter reads the same and passes the same bytes, however a stream is written and cut', (t) => {
  t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} tries the same streams`);
  const property = fc.property(spellings, cuts, fc.boolean(), (spelling, sizes, strips) => {
    const passed: Buffer[] = [];
    const meter = new StreamMeter({
      reader: openaiCompletions.streamReader(),
      lastWord: openaiCompletions.lastWord,
      eventBytesMax: 1 << 20,
      strips,
      passesTooLarge: false,
      forward: (bytes) => passed.push(Buffer.from(bytes)),
    });
    for (const piece of pieces(spelling.bytes, sizes)) assert.equal(meter.push(piece), null);
    const beforeEnd = Buffer.concat(passed).length;
    meter.finish((bug) => assert.equal(bug, null));
    const all = Buffer.concat([...passed, meter.takeHeld() ?? Buffer.alloc(0)]);
    assert.deepEqual(all.toString(), (strips ? spelling.stripped : spelling.bytes).toString());
    assert.ok(beforeEnd <= spelling.lastEventAt, 'the last word went out before the commit');
    const { usage, stopReason, anomaly, outputBytes } = meter.reading();
    assert.deepEqual([usage, stopReason, anomaly], [makeUsage(spelling.counts), 'stop', null]);
    if (spelling.textBytes !== null) assert.equal(outputBytes, spelling.textBytes);
    assert.equal(meter.isTerminal, true);
  });
  fc.assert(property, { seed, numRuns: quotas.meterStreams });
});

describe('streams over sockets', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;
  before(async () => {
    upstream = await ScriptedUpstream.start();
    rig = await Rig.open(upstream.baseUrl, { limits: { retriesMax: 0 } });
  });
  after(async () => {
    await rig.close();
    await upstream.close();
  });

  const newest = async (view: CallerView) => {
    const entry = (await rig.entries()).at(-1)!;
    assert.equal(entry.dispatchId, view.seenHead?.dispatchId ?? entry.dispatchId);
    return entry;
  };

  test('entry and bytes are the same, however a stream is written, packed and cut', async (t) => {
    t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} tries the same streams`);
    const property = fc.asyncProperty(spellings, cuts, fc.boolean(), codings, async (spelling, sizes, asks, coding) => {
      const packed = CODECS[coding](spelling.bytes);
      upstream.answer(inPieces(packed, sizes, { ...EVENT_STREAM, 'content-encoding': coding }));
      const view = await rig.play(asks ? ASKING : STREAMED);
      const isEdited = coding === 'identity' && !asks;
      assert.deepEqual(view.bytes.toString('latin1'), (isEdited ? spelling.stripped : packed).toString('latin1'));
      assert.equal(view.hasEnd, true);
      const entry = await newest(view);
      assert.deepEqual(entry.usage, makeUsage(spelling.counts));
      assert.deepEqual(
        [entry.outcome, entry.usageSource, entry.stopReason, entry.httpStatus],
        ['completed', 'reported', 'stop', 200],
      );
    });
    await fc.assert(property, { seed, numRuns: quotas.socketStreams });
    assert.deepEqual(rig.anomalies, []);
  });

  test('a stream that breaks off at any byte has one entry that invents nothing, and its caller an end that says so', async (t) => {
    t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} tries the same streams`);
    const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const property = fc.asyncProperty(spellings, cuts, share, fc.boolean(), async (spelling, sizes, share, isReset) => {
      const before = (await rig.entries()).length;
      const sent = spelling.bytes.subarray(0, Math.floor(spelling.bytes.length * share));
      upstream.answer(brokenOff(sent, sizes, isReset));
      const view = await rig.play(ASKING);
      const entries = await rig.entries();
      assert.equal(entries.length, Math.min(before + 1, 1000));
      const entry = await newest(view);
      judgeBroken(spelling, sent, view, entry);
    });
    await fc.assert(property, { seed, numRuns: quotas.socketStreams });
  });
});

/** Whatever came is counted as what it is; only a stream that had said all of it counts as completed. */
function judgeBroken(
  { bytes, counts, lastEventAt }: Spelling,
  sent: Buffer,
  view: CallerView,
  { outcome, usage, usageSource }: Awaited<ReturnType<Rig['entries']>>[number],
): void {
  const got = view.bytes;
  if (outcome === 'completed') {
    assert.deepEqual([usage, usageSource], [makeUsage(counts), 'reported']);
    assert.equal(view.hasEnd, true);
    return;
  }
  assert.equal(outcome, 'failed');
  assert.ok(view.failure !== null || view.hasEnd);
  assert.ok(got.equals(bytes.subarray(0, got.length)) && got.length <= sent.length, 'the caller got what was not sent');
  assert.ok(sent.length <= lastEventAt || usageSource !== 'reported', 'a failed dispatch with a last word');
  if (usageSource === 'partial') assert.ok(usage!.output <= counts.output && usage!.input <= counts.input);
}

function inPieces(bytes: Buffer, sizes: readonly number[], headers: Record<string, string>): Answering {
  return async (response) => {
    response.writeHead(200, headers);
    await write(response, bytes, sizes);
    response.end();
  };
}

function brokenOff(bytes: Buffer, sizes: readonly number[], isReset: boolean): Answering {
  return async (response) => {
    response.writeHead(200, EVENT_STREAM);
    response.flushHeaders();
    await write(response, bytes, sizes);
    if (isReset) response.socket?.resetAndDestroy();
    else response.socket?.end();
  };
}

/** A few dozen pieces come apart; a byte at a time would take as many turns of the loop. */
async function write(response: Parameters<Answering>[0], bytes: Buffer, sizes: readonly number[]): Promise<void> {
  let turn = 0;
  for (const piece of pieces(bytes, sizes)) {
    response.write(piece);
    if (turn++ < 24) await new Promise((resolve) => setImmediate(resolve));
  }
}
