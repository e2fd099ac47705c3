/** Reading server-sent events, cut at every place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServerSentEvent, serverSentEvents } from './sse.ts';

async function read(...chunks: Uint8Array[]): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  for await (const event of serverSentEvents(arriving(chunks))) events.push(event);
  return events;
}

async function* arriving(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const STREAM = Buffer.from(
  '\uFEFF: comment\r\nid: 1\r\ndata: ä\r\ndata:two\r\n\r\nretry: 5\revent: x\rdata\r\rid\ndata: {"a":"b: c"}\n\n\ndata: cut off',
);

test('every cut in two gives the same events', async () => {
  const whole = await read(STREAM);
  assert.deepEqual(whole, [
    { event: 'message', data: 'ä\ntwo', lastEventId: '1', retryMs: null },
    { event: 'x', data: '', lastEventId: '1', retryMs: 5 },
    { event: 'message', data: '{"a":"b: c"}', lastEventId: '', retryMs: 5 },
  ]);
  for (let at = 0; at <= STREAM.length; at++) {
    assert.deepEqual(await read(STREAM.subarray(0, at), STREAM.subarray(at)), whole, `cut at ${at}`);
  }
});

test('an event whose last line end is a carriage return at the end of the body is complete', async () => {
  assert.equal((await read(Buffer.from('data: a\r\r'))).length, 1);
});
