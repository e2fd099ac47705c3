/** A server that closes is not kept open by those who ask nothing, or never finish asking. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Door, head } from './door.fixture.ts';

test('connections on which nothing was asked, or half a head, are closed with the server', async () => {
  const door = await new Door().open();
  for (const sent of ['', 'POST /v1/chat/comp']) {
    const socket = await door.opened(sent);
    socket.resume();
  }
  assert.equal(await arrived(door, 2), 2);
  await door.close();
  assert.equal(await door.connections(), 0);
});

test('an answer that is under way comes to its end; a body that does not is cut', async () => {
  const door = await new Door().open();
  const begun = Promise.withResolvers<() => void>();
  door.runs = (_call, sink) => {
    head(sink, 'text/plain');
    sink.write(Buffer.from('the first half, '));
    begun.resolve(() => sink.end(Buffer.from('the second')));
  };
  const answering = door.chat().then((response) => response.text());
  const finish = await begun.promise;
  const stalled = await door.opened('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{');
  stalled.resume();
  assert.equal(await arrived(door, 2), 2);
  const closed = door.close();
  const cut = new Promise((resolve) => stalled.once('close', resolve));
  finish();
  assert.equal(await answering, 'the first half, the second');
  await Promise.all([cut, closed]);
});

/** The server learns of a connection later than its client. */
async function arrived(door: Door, count: number): Promise<number> {
  let there = 0;
  while (there < count) {
    there = await door.connections();
    await new Promise(setImmediate);
  }
  return there;
}
