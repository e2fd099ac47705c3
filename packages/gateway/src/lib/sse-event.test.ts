/** An event's name and data against eventsource-parser, whatever the lines are made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { sseEvent } from './sse-event.ts';

function oracle(text: string): { name: string | null; data: string | null } {
  let found: { name: string | null; data: string | null } = { name: null, data: null };
  const parser = createParser({
    onEvent: ({ event, data }) => {
      found = { name: event ?? null, data };
    },
  });
  parser.feed(text);
  return found;
}

test('the usual forms are read as what they are, with either line end', () => {
  for (const end of ['\n', '\r\n']) {
    assert.deepEqual(sseEvent(Buffer.from(`event: a${end}data: {"x":1}${end}${end}`)), { name: 'a', data: '{"x":1}' });
    assert.deepEqual(sseEvent(Buffer.from(`data: {"x":1}${end}${end}`)), { name: null, data: '{"x":1}' });
  }
  assert.deepEqual(sseEvent(Buffer.from(': comment\n\n')), { name: null, data: null });
  assert.deepEqual(sseEvent(Buffer.from('')), { name: null, data: null });
});

test('any event is the one that eventsource-parser finds', () => {
  const piece = fc.constantFrom(
    'event: a',
    'event:b',
    'event',
    'data: x',
    'data:y',
    'data',
    'data:  z',
    ': c',
    'id: 1',
    'other: q',
    'data: ä€😀',
  );
  const end = fc.constantFrom('\n', '\r\n', '\r');
  fc.assert(
    fc.property(fc.array(fc.tuple(piece, end), { maxLength: 8 }), fc.boolean(), (lines, hasMark) => {
      const body = lines.map(([line, ending]) => line + ending).join('');
      const text = `${hasMark ? '\ufeff' : ''}${body}\n`;
      // A blank line in the middle, made of a CR and an LF that belong to two lines, would be two frames.
      fc.pre(!/\r\n\n|\n\n.|\r\r|\n\r/.test(text.slice(0, -1)));
      const expected = oracle(text);
      const event = sseEvent(Buffer.from(text));
      if (expected.data === null) return;
      assert.equal(event.data, expected.data);
      assert.equal(event.name || null, expected.name || null);
    }),
    { numRuns: 2000 },
  );
});
