/**
 * The doors for calls in a provider's own dialect, through the whole program: every golden answer arrives byte for byte,
 * however it is cut, and its entry holds the count; what the provider gets is what the caller sent, but for the model.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WeighbridgeClient } from '@weighbridge/client';
import { GOLDENS } from '../packages/gateway/src/providers/golden/all.ts';
import type { Golden } from '../packages/gateway/src/providers/golden/golden.ts';
import { seed } from './quotas.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { between, seeded } from './rig/random.ts';
import { ReplayingUpstream } from './rig/replaying-upstream.ts';

const DOORS: Readonly<Record<string, { path: string; body: object }>> = {
  'openai-responses': { path: '/v1/responses', body: { input: 'hi', user: 'u-7' } },
  'anthropic-messages': { path: '/v1/messages', body: { max_tokens: 5, messages: [], metadata: { user_id: 'u-7' } } },
};

const random = seeded(seed);
let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let client: WeighbridgeClient;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream-key' });
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: { auth: { mode: 'token' }, http: { endpoints: { responses: { enabled: true } } } },
      models: {
        providers: {
          'openai-responses': provider('openai-responses', '/v1'),
          'anthropic-messages': provider('anthropic-messages', ''),
        },
      },
    },
  });
  await gateway.start();
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

/** At random places. */
function cut(bytes: Buffer): Buffer[] {
  const places = Array.from({ length: 6 }, () => Math.floor(between(random, 0, bytes.length))).sort((a, b) => a - b);
  const edges = [0, ...places, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

async function call({ name, api, expected }: Golden, answer: Buffer, isStreamed: boolean): Promise<void> {
  const { path, body } = DOORS[api]!;
  const what = `${api} ${name}, ${isStreamed ? 'streamed' : 'whole'}`;
  const headers = { 'content-type': isStreamed ? 'text/event-stream' : 'application/json' };
  upstream.lay({ headers, chunks: cut(answer) });
  const sent = JSON.stringify({ model: `${api}/m-1`, stream: isStreamed, ...body });
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'x-api-key': gateway.token },
    body: sent,
  });
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), answer, what);
  const made = createHash('sha256')
    .update(sent.replace(`${api}/m-1`, 'm-1'))
    .digest('hex');
  assert.deepEqual([upstream.last.url, upstream.last.sha256], [path, made], what);
  const entry = await client.dispatch(response.headers.get('x-weighbridge-dispatch-id')!);
  if (expected.usage === null) assert.notEqual(entry.usageSource, 'reported', what);
  else if (expected.isWhole || !isStreamed) assert.deepEqual(entry.usage, expected.usage, what);
  assert.deepEqual([entry.source, entry.api, entry.endUserId, entry.model], ['gateway', api, 'u-7', 'm-1'], what);
}

test('every golden answer arrives byte for byte at the door of its dialect, and is counted', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const goldens = GOLDENS.filter(({ api }) => api in DOORS);
  assert.ok(goldens.length > 20);
  for (const golden of goldens) {
    await call(golden, golden.stream, true);
    if (golden.body !== null) await call(golden, golden.body, false);
  }
});
