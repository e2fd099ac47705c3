/**
 * Answers and uploads far larger than any limit pass through in constant memory, byte for byte: a download, an event stream
 * that is counted, and an upload, each with a slow other side for a while, so that backpressure is what holds the memory.
 */
import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { WeighbridgeClient } from '@weighbridge/client';
import { isLongTier, quotas } from './quotas.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { ReplayingUpstream } from './rig/replaying-upstream.ts';

const MIB = 1024 * 1024;
/** Resident memory beyond what the idle gateway has: buffers of two sockets, a copy up to `answerBytesMax`, garbage. */
const GROWTH_MAX = 160 * MIB;
/** How long the reading side rests once, in the middle. */
const REST_MS = isLongTier ? 4000 : 300;

let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let idleBytes = 0;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      limits: { bodyBytesMax: MIB, answerBytesMax: 4 * MIB },
      models: { providers: { up: { api: 'openai-completions', baseUrl: `${upstream.origin}/v1`, apiKey: 'k' } } },
    },
  });
  await gateway.start();
  idleBytes = residentBytes();
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

function residentBytes(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))![1]) * 1024;
}

/** The same piece again and again, with a running number, so that a piece lost or moved changes the hash. */
function* pieces(bytes: number, of: (number: number) => Buffer, hash: Hash): Generator<Buffer> {
  for (let sent = 0, number = 0; sent < bytes; number++) {
    const piece = of(number);
    sent += piece.length;
    hash.update(piece);
    yield piece;
  }
}

const FILLER = 'x'.repeat(64 * 1024);
const binary = (number: number) => Buffer.from(`${number} ${FILLER}`);
const event = (number: number) =>
  Buffer.from(`data: {"n":${number},"choices":[{"delta":{"content":"${FILLER}"}}]}\n\n`);

function ask(path: string, headers: Record<string, string | number> = {}): ClientRequest {
  return httpRequest(`${gateway.url}/proxy/up${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, ...headers },
  });
}

/** Reads all, resting once; returns the hash and the most memory that the gateway had. */
async function readAll(response: IncomingMessage): Promise<{ sha256: string; peakBytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  let peakBytes = 0;
  let hasRested = false;
  for await (const chunk of response) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes % MIB < (chunk as Buffer).length) peakBytes = Math.max(peakBytes, residentBytes());
    if (hasRested || bytes < quotas.passBytes / 2) continue;
    hasRested = true;
    await setTimeout(REST_MS);
  }
  return { sha256: hash.digest('hex'), peakBytes };
}

for (const [what, path, of, type] of [
  ['a download', '/files/1/content', binary, 'application/octet-stream'],
  ['an event stream', '/chat/completions', event, 'text/event-stream'],
  ['a body too large to be counted', '/chat/completions', binary, 'application/json'],
] as const) {
  test(`${what} of any size passes in constant memory`, async (t) => {
    const sent = createHash('sha256');
    upstream.lay({ headers: { 'content-type': type }, chunks: pieces(quotas.passBytes, of, sent) });
    const request = ask(path).end('{"model":"m","stream":true,"stream_options":{"include_usage":true}}');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const { sha256, peakBytes } = await readAll(response);
    assert.equal(sha256, sent.digest('hex'));
    t.diagnostic(`${quotas.passBytes / MIB} MiB, resident ${((peakBytes - idleBytes) / MIB).toFixed(0)} MiB over idle`);
    assert.ok(peakBytes - idleBytes < GROWTH_MAX, `${(peakBytes - idleBytes) / MIB} MiB`);
    const id = String(response.headers['x-weighbridge-dispatch-id']);
    const entry = await new WeighbridgeClient({ url: gateway.url, token: gateway.token }).dispatch(id);
    assert.equal(entry.usageSource, path === '/chat/completions' ? 'estimated' : 'none');
  });
}

test('an upload of any size passes in constant memory', async (t) => {
  const sent = createHash('sha256');
  upstream.lay({});
  const request = ask('/files', { 'content-type': 'application/octet-stream' });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  let peakBytes = 0;
  for (const piece of pieces(quotas.passBytes, binary, sent)) {
    if (!request.write(piece)) await once(request, 'drain');
    peakBytes = Math.max(peakBytes, residentBytes());
  }
  request.end();
  const [response] = await answered;
  response.resume();
  await once(response, 'end');
  assert.equal(upstream.last.sha256, sent.digest('hex'));
  t.diagnostic(`${quotas.passBytes / MIB} MiB, resident ${((peakBytes - idleBytes) / MIB).toFixed(0)} MiB over idle`);
  assert.ok(peakBytes - idleBytes < GROWTH_MAX, `${(peakBytes - idleBytes) / MIB} MiB`);
});
