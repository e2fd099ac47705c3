/**
 * OpenClaw's own published client, unmodified, against this gateway: it connects, runs an agent to its end, streams a chat,
 * aborts, patches, lists. And a plain client of protocol 3 does the same.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { GatewayClient } from '@openclaw/gateway-client';
import { WireClient } from './wire/client.ts';
import { startWireRig } from './wire/gateway.ts';

const rig = await startWireRig({ after });
const SLOW = 'scripted/ok-200+gap-20ms';

/** What both clients can: ask, wait past the first answer, hear events. */
interface AnyClient {
  request(method: string, params: object): Promise<Record<string, unknown>>;
  final(method: string, params: object): Promise<Record<string, unknown>>;
  /** Resolves at the first event of that run and state. */
  chat(runId: string, state: string): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

interface Heard {
  event: string;
  payload: Record<string, unknown>;
}

async function official(): Promise<AnyClient> {
  const heard: Heard[] = [];
  const waiting = new Set<() => void>();
  const hello = Promise.withResolvers<void>();
  const client = new GatewayClient({
    url: rig.url.replace('http', 'ws'),
    token: rig.token,
    onHelloOk: () => hello.resolve(),
    onConnectError: (error: Error) => hello.reject(error),
    onEvent: (event: { event: string; payload?: unknown }) => {
      heard.push(event as Heard);
      for (const look of [...waiting]) look();
    },
  });
  client.start();
  await hello.promise;
  return {
    request: (method, params) => client.request(method, params),
    final: (method, params) => client.request(method, params, { expectFinal: true }),
    chat: (runId, state) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = heard.find(
            ({ event, payload }) => event === 'chat' && payload.runId === runId && payload.state === state,
          );
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found.payload);
        };
        waiting.add(look);
        look();
      }),
    close: async () => client.stop(),
  };
}

async function plain(): Promise<AnyClient> {
  const client = await WireClient.connect(rig.url, {
    token: rig.token,
    scopes: null,
    minProtocol: 3,
    maxProtocol: 3,
    client: { id: 'test', mode: 'test', version: '1.0.0', platform: 'node-test' },
  });
  return {
    request: (method, params) => client.request(method, params),
    final: (method, params) => client.final(method, params),
    chat: async (runId, state) => {
      const fits = (payload: { runId: string; state: string }): boolean =>
        payload.runId === runId && payload.state === state;
      return (await client.event('chat', fits)).payload as Record<string, unknown>;
    },
    close: () => client.close(),
  };
}

const CLIENTS = { 'the official client': official, 'a plain protocol-3 client': plain };

for (const [name, connect] of Object.entries(CLIENTS)) {
  test(`${name} runs, streams, aborts, patches and lists`, async () => {
    const client = await connect();
    const own = `agent:main:${randomUUID()}`;
    const final = await client.final('agent', { message: 'hello', sessionKey: own, idempotencyKey: randomUUID() });
    assert.equal(final.status, 'ok');
    const { payloads } = final.result as { payloads: { text: string }[] };
    assert.match(payloads[0]!.text, /^w\d+-0 /);

    const streamed = randomUUID();
    await client.request('chat.send', { sessionKey: own, message: 'more', idempotencyKey: streamed });
    const end = await client.chat(streamed, 'final');
    assert.ok((end.usage as { total: number }).total > 0);

    await client.request('sessions.patch', { key: own, model: SLOW, label: `a label of ${own}` });
    const aborted = randomUUID();
    await client.request('chat.send', { sessionKey: own, message: 'much', idempotencyKey: aborted });
    await client.chat(aborted, 'delta');
    assert.deepEqual(await client.request('chat.abort', { sessionKey: own }), {
      ok: true,
      aborted: true,
      runIds: [aborted],
    });
    await client.chat(aborted, 'aborted');

    const listed = await client.request('sessions.list', { search: own });
    const [row] = listed.sessions as { label: string; abortedLastRun: boolean }[];
    assert.deepEqual([row!.label, row!.abortedLastRun], [`a label of ${own}`, true]);
    await client.close();
  });
}
