/** Every golden answer gives its one reading: whole, cut anywhere, laced with what event streams allow, and as a body. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SseFramer } from '../lib/sse-frames.ts';
import { GOLDENS } from './golden/all.ts';
import type { Expected, Golden, GoldenEnd } from './golden/golden.ts';
import { readerOf } from './readers.ts';
import type { Reading } from './reading.ts';

/** Up to here a stream is cut at every byte; above, as often as this at places by the seed. */
const EVERY_BYTE_MAX = 8 * 1024;
const CUT_SETS = 2_000;
const SEED = 20_261_121;

function facts(reading: Reading, end: GoldenEnd, isWhole: boolean): Expected {
  const { usage, anomaly, stopReason, serviceTier, servedModel, responseId, errorKind } = reading;
  const { reportedCostUsd, otherModels } = reading;
  const said = { usage, anomaly, stopReason, serviceTier, servedModel, responseId, errorKind };
  return { ...said, reportedCostUsd, otherModels, end, isWhole };
}

interface Replay {
  expected: Expected;
  /** All that was read, the bytes of text too, as one text: what is compared hundreds of thousands of times. */
  all: string;
  /** Of the text that passed, which is the same however the stream is written. */
  outputBytes: number;
}

function framesOf(chunks: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const framer = new SseFramer(1 << 20, (frame) => frames.push(frame));
  for (const chunk of chunks) assert.equal(framer.push(chunk), true);
  const rest = framer.end();
  return rest === null ? frames : [...frames, rest];
}

function readFrames({ api }: Golden, frames: readonly Buffer[]): Replay {
  const reader = readerOf(api).streamReader();
  let end: GoldenEnd = 'open';
  for (const frame of frames) {
    const verdict = reader.frame(frame);
    if (verdict === 'terminal' || verdict === 'error') end = verdict;
    // Like the meter: nothing behind the last word is read.
    if (verdict === 'terminal') break;
  }
  const reading = reader.reading();
  const all = JSON.stringify([reading, end, reader.isWhole]);
  return { expected: facts(reading, end, reader.isWhole), all, outputBytes: reading.outputBytes };
}

const replayed = (golden: Golden, chunks: readonly Buffer[]): Replay => readFrames(golden, framesOf(chunks));

/** A reader sees frames and nothing else: where they are the same it is asked only now and then, else always. */
const READ_ALL_THE_SAME = 40;

function assertSame(golden: Golden, chunks: readonly Buffer[], turn: number, message: string): void {
  const whole = framesOf([golden.stream]);
  const frames = framesOf(chunks);
  const isSame = frames.length === whole.length && frames.every((frame, index) => frame.equals(whole[index]!));
  if (isSame && turn % READ_ALL_THE_SAME !== 0) return;
  assert.equal(readFrames(golden, frames).all, readFrames(golden, whole).all, message);
}

function split(stream: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...[...places].sort((a, b) => a - b), stream.length];
  return edges.slice(1).map((edge, index) => stream.subarray(edges[index]!, edge));
}

/** A small generator whose whole state is the seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const asLines = (stream: Buffer): string => stream.toString().replaceAll('\r\n', '\n');
const LACED: Readonly<Record<string, (stream: Buffer) => string>> = {
  'LF line ends': asLines,
  'CRLF line ends': (stream) => asLines(stream).replaceAll('\n', '\r\n'),
  'CR line ends': (stream) => asLines(stream).replaceAll('\n', '\r'),
  'a byte order mark': (stream) => `\ufeff${stream}`,
  'a byte order mark and CRLF': (stream) => `\ufeff${asLines(stream).replaceAll('\n', '\r\n')}`,
  'comments between events': (stream) => `: hello\n\n${asLines(stream).replaceAll('\n\n', '\n\n: data: [DONE]\n\n')}`,
  'comments and ids inside events': (stream) =>
    asLines(stream)
      .split('\n\n')
      .map((event, index) => (event === '' ? '' : `id: ${index}\n:comment\nretry: 1000\n${event}\n: after`))
      .join('\n\n'),
  'no space behind the colon': (stream) => asLines(stream).replaceAll(/^(data|event): /gm, '$1:'),
  'fields in the other order': (stream) => asLines(stream).replaceAll(/^(event: .*)\n(data: .*)$/gm, '$2\n$1'),
  'data over several lines': (stream) => asLines(stream).replaceAll(/^data: \{(.*)$/gm, 'data: {\ndata: $1'),
  'spaces in the JSON': (stream) =>
    asLines(stream).replaceAll(/^data: (\{.*)$/gm, (_, json: string) => {
      const pretty = JSON.stringify(JSON.parse(json), null, 1);
      return pretty
        .split('\n')
        .map((line) => `data: ${line}`)
        .join('\n');
    }),
  'every character escaped': (stream) =>
    asLines(stream).replaceAll(
      /[\u0080-\uffff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
};

for (const golden of GOLDENS) {
  const { name, api, stream, body, expected } = golden;
  test(`${api}, ${name}: the reading is the same whole and cut at every byte`, () => {
    const whole = replayed(golden, [stream]);
    assert.deepEqual(whole.expected, expected);
    if (stream.length <= EVERY_BYTE_MAX) {
      for (let at = 0; at <= stream.length; at++) {
        assertSame(golden, split(stream, [at]), at, `cut at ${at}`);
      }
    } else {
      const next = seeded(SEED);
      for (let set = 0; set < CUT_SETS; set++) {
        const places = Array.from({ length: 1 + next(12) }, () => next(stream.length + 1));
        assertSame(golden, split(stream, places), set, `seed ${SEED}, set ${set}`);
      }
    }
    const bytes = Array.from(stream, (byte) => Buffer.of(byte));
    assert.equal(replayed(golden, bytes).all, whole.all, 'byte by byte');
  });

  test(`${api}, ${name}: the reading is the same laced with what an event stream allows`, () => {
    const { outputBytes } = replayed(golden, [stream]);
    for (const [how, lace] of Object.entries(LACED)) {
      const laced = Buffer.from(lace(stream));
      const whole = replayed(golden, [laced]);
      assert.deepEqual(whole.expected, expected, how);
      assert.equal(whole.outputBytes, outputBytes, how);
      const next = seeded(SEED);
      for (let set = 0; set < 20; set++) {
        const places = Array.from({ length: 4 }, () => next(laced.length + 1));
        assert.equal(replayed(golden, split(laced, places)).all, whole.all, `${how}, seed ${SEED}, set ${set}`);
      }
    }
  });

  if (body !== null) {
    test(`${api}, ${name}: the answer that is not streamed gives the same reading`, () => {
      const reading = readerOf(api).readBody(body);
      assert.deepEqual(facts(reading, expected.end, expected.isWhole), expected);
    });
  }
}
