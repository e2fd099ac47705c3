/** Peers that neither ask properly nor listen: over real sockets, what they cost ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../../../../test/rig/until.ts';
import type { AnswerSink } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import { answer, BEARER, BODY, Door, head, rawRequest } from './door.fixture.ts';

let door: Door;
before(async () => {
  door = await new Door().open();
});
beforeEach(() => door.renew());
after(() => door.close());

const CALL = rawRequest('POST', '/v1/chat/completions', BEARER, BODY);
const GARBAGE = 'no HTTP at all\r\n\r\n';
const IDS = { runId: 'run_1', dispatchId: 'dsp_1' };

test('garbage behind a call cuts a stream that has begun, and writes nothing into it', async () => {
  door.runs = (_call, sink) => {
    head(sink, 'text/event-stream');
    sink.write(Buffer.from('data: 1\n\n'));
  };
  const socket = await door.opened(CALL);
  let text = '';
  socket.on('data', (bytes) => {
    if (text === '') socket.write(GARBAGE);
    text += bytes;
  });
  await once(socket, 'close');
  assert.match(text, /data: 1\n\n/);
  assert.doesNotMatch(text, /Malformed|400/);
});

test('a peer that is refused and stays silent loses its connection', async () => {
  const silent = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  silent.write(CALL);
  await once(silent, 'data');
  silent.write(GARBAGE);
  const [refusal] = (await once(silent, 'data')) as [Buffer];
  assert.match(refusal.toString(), /^HTTP\/1\.1 400 .*"code":"invalid_request"/s);
  await until('the connection is gone', async () => (await door.connections()) === 0);
  silent.destroy();
});

test('whoever goes is noticed by the call that waits behind another on the same connection', async () => {
  const gone: AbortSignal[] = [];
  door.runs = (_call, _sink, callerGone) => void gone.push(callerGone);
  const socket = await door.opened(CALL + CALL + CALL);
  await until('three calls have begun', () => gone.length === 3);
  socket.destroy();
  await until('all three know', () => gone.every((signal) => signal.aborted));
});

test('calls behind each other that are answered are not taken for callers who went', async () => {
  const gone: AbortSignal[] = [];
  door.runs = (_call, sink, callerGone) => {
    gone.push(callerGone);
    answer(sink, 'application/json', ['{}']);
  };
  await door.exchange(CALL + CALL.replace('host', 'connection: close\r\nhost'));
  assert.deepEqual(
    gone.map((signal) => signal.aborted),
    [false, false],
  );
});

test('an end that nobody reads is cut, a body as well as a stream that failed; whoever reads slowly gets all', async () => {
  const large = Buffer.alloc(32 << 20, 'x');
  const ends: ((sink: AnswerSink) => void)[] = [
    (sink) => {
      head(sink, 'application/json');
      sink.end(large);
    },
    (sink) => {
      head(sink, 'text/event-stream');
      sink.write(large);
      sink.fail(new GatewayError('upstream_unreachable', 'Stalled.'), IDS);
    },
  ];
  for (const end of ends) {
    door.runs = (_call, sink) => end(sink);
    const socket = await door.opened(CALL);
    socket.pause();
    await until('the connection is cut', async () => door.starts > 0 && (await door.connections()) === 0);
    socket.destroy();
    door.renew();
  }
  door.runs = (_call, sink) => ends[0]!(sink);
  const slow = await door.opened(CALL);
  let bytes = 0;
  slow.on('data', (chunk) => {
    bytes += chunk.length;
    slow.pause();
    setImmediate(() => slow.resume());
  });
  await until('all has come', () => bytes > large.length);
  slow.destroy();
});

test('the time for the end does not run against the next answer on the connection', async () => {
  let answered = 0;
  door.runs = (_call, sink) => {
    answered++;
    if (answered === 1) answer(sink, 'application/json', ['x'.repeat(32 << 20)]);
    else setTimeout(() => answer(sink, 'application/json', ['{"late":1}']), 1500);
  };
  const socket = await door.opened(CALL);
  socket.pause();
  await until('the first is answered', () => answered === 1);
  socket.write(CALL);
  let last = '';
  socket.on('data', (bytes) => {
    last = bytes.toString('latin1');
  });
  socket.resume();
  await until('the second has come', () => last.includes('late'));
  socket.destroy();
});

test('a failure in a compressed stream cuts the connection: no text of ours among its bytes', async () => {
  door.runs = (_call, sink) => {
    const headers = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' };
    sink.head({ status: 200, headers, ...IDS });
    sink.write(Buffer.from([0x1f, 0x8b]));
    setImmediate(() => sink.fail(new GatewayError('upstream_invalid', 'Cut.'), IDS));
  };
  assert.doesNotMatch(await door.exchange(CALL), /Cut/);
});
