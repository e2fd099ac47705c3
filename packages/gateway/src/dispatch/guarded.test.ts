/** What becomes of a bug of ours that is met in a socket's callback. Real sockets: their parsers swallow exceptions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, ScriptedUpstream } from '../../../../test/rig/scripted-upstream.ts';
import type { Provider } from '../domain/provider.ts';
import type { UpstreamHandlers } from '../providers/transport.ts';
import { guarded } from './guarded.ts';
import { Upstream } from './upstream.ts';

test('what a callback throws is told, whichever it is, and is not lost in the parser', async () => {
  const scripted = await ScriptedUpstream.start();
  const upstream = new Upstream({ connectionsMax: 1, waitMs: 0 });
  const timeouts = { connectTimeoutMs: 1000, firstByteTimeoutMs: 1000, idleTimeoutMs: 1000, totalTimeoutMs: 0 };
  const provider = { id: 'up', baseUrl: scripted.baseUrl, timeouts } as Provider;
  const quiet: UpstreamHandlers = { sent: () => {}, head: () => {}, chunk: () => {}, end: () => {}, failed: () => {} };
  for (const name of ['sent', 'head', 'chunk', 'end'] as const) {
    const bug = new Error(name);
    const throwing: UpstreamHandlers = {
      ...quiet,
      [name]: () => {
        throw bug;
      },
    };
    scripted.answer(json(200, {}));
    const told = await new Promise((resolve) => {
      upstream.send(
        { provider, method: 'POST', path: '/x', headers: [], body: Buffer.from('{}') },
        guarded(throwing, resolve),
      );
    });
    assert.equal(told, bug);
  }
  await upstream.close();
  await scripted.close();
});
