/**
 * The metered floor: the bare proxy plus the very commits that Weighbridge makes for a call, through the same ledger and
 * store, and nothing else: no authentication, no reading, no streaming. What a call must cost if durability is kept.
 * Usage: `node bench/floor.ts UPSTREAM_URL DATABASE_FILE`.
 */
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { makeUsage } from '@weighbridge/protocol';
import type { EntryIntent } from '../packages/gateway/src/domain/entry.ts';
import { EVENT_WRITES } from '../packages/gateway/src/events/room.ts';
import { StoredLedger } from '../packages/gateway/src/ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES, NOTED_SCRIPTS } from '../packages/gateway/src/ledger/room.ts';
import { systemClock } from '../packages/gateway/src/lib/clock.ts';
import { IdSource } from '../packages/gateway/src/lib/ids.ts';
import { openStore } from '../packages/gateway/src/store/open.ts';

const upstream = new URL(process.argv[2]!);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const ids = new IdSource();
const store = await openStore({
  database: { kind: 'sqlite', file: process.argv[3]! },
  durability: 'power',
  rooms: [EVENT_WRITES, LEDGER_WRITES],
  intents: [...INTENT_SCRIPTS],
  noted: NOTED_SCRIPTS,
});
const ledger = await StoredLedger.begin(
  {
    store,
    clock: systemClock,
    instanceId: ids.next('ins'),
    announce: () => {},
    report: (error) => {
      throw error;
    },
  },
  ids.next('led'),
);

const server = createServer({ noDelay: true }, async (incoming, outgoing) => {
  const body = await bytesOf(incoming);
  const intent = intentOf();
  await ledger.open(intent);
  const { host: _host, connection: _connection, ...headers } = incoming.headers;
  const onward = request(
    { agent, host: upstream.hostname, port: upstream.port, method: 'POST', path: incoming.url!, headers },
    async (answer) => {
      const bytes = await bytesOf(answer);
      await ledger.settle({
        dispatchId: intent.dispatchId,
        tenantId: 'default',
        outcome: 'completed',
        httpStatus: 200,
        errorKind: null,
        stopReason: 'stop',
        serviceTier: null,
        usage: makeUsage({ input: 63, output: 50 }),
        usageSource: 'reported',
        rawUsage: '{"prompt_tokens":63,"completion_tokens":50,"total_tokens":113}',
        price: null,
        otherModels: [],
        servedModel: null,
        providerCost: null,
        latencyMs: Date.now() - intent.startedAt,
        timeToFirstTokenMs: Date.now() - intent.startedAt,
        endedAt: Date.now(),
        providerRequestId: null,
      });
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
      outgoing.end(bytes);
    },
  );
  onward.on('error', () => outgoing.destroy());
  onward.end(body);
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  console.log(`floor listening on http://127.0.0.1:${address.port}`);
});

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function intentOf(): EntryIntent {
  return {
    dispatchId: ids.next('dsp'),
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: null,
      sessionKey: null,
      sessionId: null,
      endUserId: null,
      endUserSource: null,
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider: 'bench',
    model: 'bench',
    requestedModel: 'bench/bench',
    api: 'openai-completions',
    stream: false,
    source: 'gateway',
    startedAt: Date.now(),
  };
}
