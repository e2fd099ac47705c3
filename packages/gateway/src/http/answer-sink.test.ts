/** How an answer ends at the HTTP door, well or badly, and that a caller who goes is noticed: over real sockets. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Call } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import { answer, BEARER, BODY, Door, head, rawRequest } from './door.fixture.ts';

let door: Door;
before(async () => {
  door = await new Door().open();
});
beforeEach(() => door.renew());
after(() => door.close());

describe('the end of an answer', () => {
  test('the call arrives as bytes, and the ids leave as headers', async () => {
    let seen: Call | undefined;
    door.runs = (call, sink) => {
      seen = call;
      answer(sink, 'application/json', ['{"a":', '1}']);
    };
    const answered = await door.chat();
    assert.equal(await answered.text(), '{"a":1}');
    assert.equal(answered.headers.get('x-request-id'), 'run_1');
    assert.equal(answered.headers.get('x-weighbridge-dispatch-id'), 'dsp_1');
    assert.equal(seen?.body.toString(), BODY);
    assert.equal(seen?.requestedModel, 'p/m');
  });

  test('a refusal before the head is an answer of its own, with Retry-After', async () => {
    door.runs = (_call, sink) =>
      sink.fail(new GatewayError('ledger_unavailable', 'No.', { retryAfterSeconds: 2 }), {
        runId: 'run_2',
        dispatchId: null,
      });
    const refused = await door.chat();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '2');
    assert.equal(refused.headers.get('x-request-id'), 'run_2');
    assert.match(await refused.text(), /"code":"ledger_unavailable"/);
  });

  test('a failure inside a stream is an event of its own and no [DONE], also when an event was cut', async () => {
    for (const sent of ['data: {"a":1}\n\n', 'data: {"half']) {
      door.runs = (_call, sink) => {
        head(sink, 'text/event-stream');
        sink.write(Buffer.from(sent));
        sink.fail(new GatewayError('upstream_invalid', 'Cut.'), { runId: 'run_1', dispatchId: 'dsp_1' });
      };
      const events = (await (await door.chat()).text()).split('\n\n').filter((event) => event !== '');
      assert.match(events.at(-1)!, /^data: \{"error":\{"message":"Cut\."/, sent);
      assert.ok(!events.includes('data: [DONE]'));
    }
  });

  test('a failure inside a plain body cuts the connection', async () => {
    door.runs = (_call, sink) => {
      head(sink, 'application/json');
      sink.write(Buffer.from('{"half'));
      sink.fail(new GatewayError('upstream_invalid', 'Cut.'), { runId: 'run_1', dispatchId: 'dsp_1' });
    };
    await assert.rejects(async () => (await door.chat()).text());
  });

  test('in HTTP/1.0, where the connection’s end is the answer’s, a failure is a reset', async () => {
    door.runs = (_call, sink) => {
      head(sink, 'application/json');
      sink.write(Buffer.from('{"half'));
      setImmediate(() => sink.fail(new GatewayError('upstream_invalid', 'Cut.'), { runId: 'r', dispatchId: 'd' }));
    };
    const socket = await door.opened(
      rawRequest('POST', '/v1/chat/completions', BEARER, BODY).replace('HTTP/1.1', 'HTTP/1.0'),
    );
    const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
  });

  test('a caller who hangs up is noticed, before the head and inside the stream', async () => {
    for (const begun of [false, true]) {
      const noticed = new Promise<void>((resolve) => {
        door.runs = (_call, sink, callerGone) => {
          callerGone.addEventListener('abort', () => resolve());
          if (begun) {
            head(sink, 'text/event-stream');
            sink.write(Buffer.from('data: 1\n\n'));
          }
          started.emit('started');
        };
      });
      const started = new EventEmitter();
      const running = once(started, 'started');
      const socket = await door.opened(rawRequest('POST', '/v1/chat/completions', BEARER, BODY));
      await running;
      socket.destroy();
      await noticed;
    }
  });

  test('an answer that ended is not a caller who went', async () => {
    let gone: AbortSignal | undefined;
    door.runs = (_call, sink, callerGone) => {
      gone = callerGone;
      answer(sink, 'application/json', ['{}']);
    };
    await door.exchange(rawRequest('POST', '/v1/chat/completions', { ...BEARER, connection: 'close' }, BODY));
    assert.equal(gone?.aborted, false);
  });

  test('whoever waits for a slow caller is woken when the caller goes', async () => {
    const blocked = new EventEmitter();
    const woken = new Promise<void>((resolve) => {
      door.runs = (_call, sink) => {
        sink.onDrain(resolve);
        head(sink, 'text/event-stream');
        // More than the kernel's buffers take.
        sink.write(Buffer.alloc(64 << 20, 'x'));
        blocked.emit('blocked');
      };
    });
    const waiting = once(blocked, 'blocked');
    const socket = await door.opened(rawRequest('POST', '/v1/chat/completions', BEARER, BODY));
    socket.pause();
    await waiting;
    socket.destroy();
    await Promise.race([
      woken,
      once(AbortSignal.timeout(2000), 'abort').then(() => assert.fail('a write was refused and nobody was ever woken')),
    ]);
  });
});
