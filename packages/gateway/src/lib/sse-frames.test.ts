/** The framer against eventsource-parser, cut at every byte: nothing lost, nothing changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { frameData, SseFramer } from './sse-frames.ts';

interface Cut {
  frames: Buffer[];
  rest: Buffer | null;
}

function framed(chunks: readonly Buffer[], eventBytesMax = 1 << 20): Cut {
  const frames: Buffer[] = [];
  const framer = new SseFramer(eventBytesMax, (frame) => frames.push(frame));
  for (const chunk of chunks) assert.equal(framer.push(chunk), true);
  return { frames, rest: framer.end() };
}

function dataOf({ frames }: Cut): string[] {
  return frames.map(frameData).filter((data) => data !== null && data !== '') as string[];
}

function oracle(bytes: Buffer): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(data) });
  parser.feed(new TextDecoder().decode(bytes));
  return events.filter((data) => data !== '');
}

const RECORDED = {
  lf: 'data: {"a":1}\n\ndata: {"b":"ä€😀"}\n\n: ping\n\ndata: [DONE]\n\n',
  crlf: 'data: {"a":1}\r\n\r\ndata: {"b":"ä€😀"}\r\n\r\n: ping\r\n\r\ndata: [DONE]\r\n\r\n: end\n',
  cr: 'data: {"a":1}\r\rdata: {"b":2}\r\rdata: [DONE]\r\r: end\n',
  mixed:
    'data: 1\r\n\ndata: 2\n\r\ndata: 3\r\rdata: 4\n\rdata: 5\r\n\r\ndata: 6\n\n\n\ndata: 7\r\n\r\n\r\ndata: 8\n\n: end\n',
  bom: '\ufeffdata: first\n\ndata:second\n\n',
  lines: 'event: x\nid: 7\ndata: one\ndata:two\ndata\ndata:  three\n\ndatax: no\n\nretry: 5\n\ndata: last\n\n',
  noSpace: 'data:{"a":1}\n\ndata:[DONE]\n\n',
  blankFirst: '\n\n\ndata: 1\n\n\ndata: 2\n\n',
};

for (const [name, text] of Object.entries(RECORDED)) {
  test(`a stream (${name}) cut at any two bytes gives the same frames, and they are the stream`, () => {
    const bytes = Buffer.from(text);
    const whole = framed([bytes]);
    assert.deepEqual(dataOf(whole), oracle(bytes));
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const chunks = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        const cut = framed(chunks);
        assert.deepEqual(cut, whole, `cut at ${first} and ${second}`);
      }
    }
    assert.deepEqual(Buffer.concat([...whole.frames, whole.rest ?? Buffer.alloc(0)]), bytes);
    assert.deepEqual(framed(Array.from(bytes, (byte) => Buffer.of(byte))), whole);
  });
}

test('any bytes, cut anywhere: nothing is lost, and the events are those of eventsource-parser', () => {
  const piece = fc.constantFrom(
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    'data: ',
    'data:',
    'data',
    ':c',
    'event: e',
    'ä',
    '"',
    ' ',
    'x',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 60 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (pieces, sizes) => {
        const bytes = Buffer.from(`${pieces.join('')}\n: end\n`);
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const cut = framed(chunks);
        assert.deepEqual(Buffer.concat([...cut.frames, cut.rest ?? Buffer.alloc(0)]), bytes);
        assert.deepEqual(cut, framed([bytes]));
        assert.deepEqual(dataOf(cut), oracle(bytes));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a frame that lies inside one chunk is a view of it, and a chunk that is one frame is handed on itself', () => {
  const one = Buffer.from('data: 1\n\n');
  assert.equal(framed([one]).frames[0], one);
  const two = Buffer.from('data: 1\n\ndata: 2\n\n');
  assert.equal(framed([two]).frames[1]!.buffer, two.buffer);
});

test('an event of exactly the limit passes, one byte more is refused, whole or in pieces', () => {
  const frame = Buffer.from(`data: ${'x'.repeat(92)}\n\n`);
  for (const pieces of [[frame], [frame.subarray(0, 50), frame.subarray(50)], Array.from(frame, (b) => Buffer.of(b))]) {
    assert.equal(framed(pieces, 100).frames.length, 1);
    const framer = new SseFramer(99, () => assert.fail('too large an event was passed on'));
    assert.equal(
      pieces.every((piece) => framer.push(piece)),
      false,
    );
  }
});

test('an event without an end is refused at the limit and costs linear time', () => {
  const framer = new SseFramer(1 << 20, () => {});
  const chunk = Buffer.alloc(256, 'x');
  let pushed = 0;
  while (framer.push(chunk)) pushed += chunk.length;
  assert.equal(pushed, 1 << 20);
});

test('a frame has the whole of its blank line, both bytes of a CRLF, wherever it was cut', () => {
  const bytes = Buffer.from(RECORDED.crlf);
  for (let cut = 0; cut <= bytes.length; cut++) {
    for (const frame of framed([bytes.subarray(0, cut), bytes.subarray(cut)]).frames) {
      assert.ok(frame.toString().endsWith('\r\n\r\n') && !frame.toString().startsWith('\n'), `cut at ${cut}`);
    }
  }
});
