/** What the meters of compressed answers do when our own reading throws: it is told, and ends no process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Dialect, StreamReader } from '../providers/dialect.ts';
import { openaiCompletions } from '../providers/openai-completions.ts';
import { EncodedBodyMeter, EncodedStreamMeter } from './encoded-meter.ts';
import type { Meter } from './meter.ts';

const BUG = new Error('a bug');
const throwing = (): never => {
  throw BUG;
};

const finished = (meter: Meter): Promise<Error | null> => new Promise((resolve) => meter.finish(resolve));

test('a body whose reading throws finishes with what was thrown', async () => {
  const dialect: Dialect = { ...openaiCompletions, readBody: throwing };
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
