/** What the meters of compressed answers hold back, and what they do when our own reading throws: it is told, and ends no process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { AnswerReader, StreamReader } from '../providers/dialect.ts';
import { openaiCompletions } from '../providers/openai-completions.ts';
import { EncodedBodyMeter, EncodedStreamMeter } from './encoded-meter.ts';
import type { Meter } from './meter.ts';

const BUG = new Error('a bug');
const throwing = (): never => {
  throw BUG;
};

const finished = (meter: Meter): Promise<Error | null> => new Promise((resolve) => meter.finish(resolve));

test('a body whose reading throws finishes with what was thrown', async () => {
  const dialect: AnswerReader = { ...openaiCompletions, readBody: throwing };
  const meter = new EncodedBodyMeter(dialect, 1000, 'gzip');
  meter.push(gzipSync('{}'));
  assert.equal(await finished(meter), BUG);
});

test('a stream whose reading throws finishes with what was thrown, and passes its bytes all the same', async () => {
  const sound = openaiCompletions.streamReader();
  const reader: StreamReader = { frame: throwing, isWhole: false, outputBytes: 0, reading: () => sound.reading() };
  const bytes = gzipSync('data: 1\n\ndata: 2\n\n');
  const seen: Buffer[] = [];
  const forward = (chunk: Buffer): void => void seen.push(chunk);
  const meter = new EncodedStreamMeter({ reader, encoding: 'gzip', eventBytesMax: 99, decodedBytesMax: 999, forward });
  meter.push(bytes);
  assert.equal(await finished(meter), BUG);
  assert.deepEqual(Buffer.concat([...seen, meter.takeHeld()!]), bytes);
});

function streamMeter(encoding: string): { meter: EncodedStreamMeter; forwarded: Buffer[] } {
  const forwarded: Buffer[] = [];
  const forward = (chunk: Buffer): void => void forwarded.push(chunk);
  const limits = { eventBytesMax: 1 << 20, decodedBytesMax: 1 << 26 };
  const reader = openaiCompletions.streamReader();
  return { meter: new EncodedStreamMeter({ reader, encoding, forward, ...limits }), forwarded };
}

test('a chunk with the last word is held, however much it decodes to before that word', async () => {
  const events = `data: {"choices":[{"delta":{"content":"${'x'.repeat(100)}"}}]}\n\n`.repeat(50_000);
  const bytes = gzipSync(`${events}data: [DONE]\n\n`);
  for (let cut = bytes.length - 1; cut > bytes.length - 40; cut -= 3) {
    const { meter, forwarded } = streamMeter('gzip');
    meter.push(bytes.subarray(0, 100));
    meter.push(bytes.subarray(100, cut));
    const last = bytes.subarray(cut);
    meter.push(last);
    assert.equal(await finished(meter), null);
    const held = meter.takeHeld()!;
    assert.deepEqual(Buffer.concat([...forwarded, held]), bytes);
    assert.ok(meter.isWhole && held.length >= last.length);
  }
});

test('of a stream that does not decode the newest chunk is held, whichever it is', async () => {
  for (const broken of [
    Buffer.from('no gzip'),
    Buffer.concat([gzipSync('data: 1\n\n').subarray(0, -8), Buffer.alloc(8)]),
  ]) {
    const { meter, forwarded } = streamMeter('gzip');
    meter.push(broken);
    assert.equal(await finished(meter), null);
    assert.deepEqual([forwarded.length, meter.takeHeld()], [0, broken]);
  }
});

test('what follows the last word is bounded, although it decodes to nothing', async () => {
  const { meter } = streamMeter('gzip');
  meter.push(gzipSync('data: [DONE]\n\n'));
  let overflow: string | null = null;
  for (let piece = 0; piece < 200 && overflow === null; piece++) {
    await new Promise<void>((resolve) => meter.catchUp(() => resolve()));
    overflow = meter.push(Buffer.alloc(64 * 1024));
  }
  assert.equal(overflow, 'event_too_large');
});
