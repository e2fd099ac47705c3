/**
 * The OpenTelemetry plugin in a real gateway, before a collector that is away at first: one span for each dispatch in the
 * caller's trace, the same span when it comes again, counts as the ledger has them, and nothing of what was said.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Span } from '../packages/otel/src/span.ts';
import { GatewayProcess, REPOSITORY, scratchDirectory } from './rig/gateway-process.ts';
import { until } from './rig/until.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TOKEN = 'otel-test';
const SAID = 'a sentence that nobody else should read';

interface Point {
  name: string;
  sum?: { dataPoints: { asInt: string }[] };
  histogram?: { dataPoints: { count: string; bucketCounts: string[] }[] };
}

const refused: Span[] = [];
const spans: Span[] = [];
const metrics: Point[] = [];
const bodies: string[] = [];
let outages = 2;

const collector = createServer(async (request, response) => {
  const text = await textOf(request);
  bodies.push(text);
  assert.equal(request.headers.authorization, 'Bearer collector');
  if (request.url === '/v1/traces') {
    const found = JSON.parse(text).resourceSpans[0].scopeSpans[0].spans as Span[];
    (outages > 0 ? refused : spans).push(...found);
  } else {
    metrics.push(...(JSON.parse(text).resourceMetrics[0].scopeMetrics[0].metrics as Point[]));
  }
  response.writeHead(outages-- > 0 ? 503 : 200, { 'content-type': 'application/json' }).end('{}');
});
let gateway: GatewayProcess;

before(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`;
  gateway = new GatewayProcess({
    env: { WEIGHBRIDGE_TOKEN: TOKEN },
    stateDir: join(scratchDirectory({ after }), 'state'),
    config: {
      gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
      plugins: {
        load: { paths: [join(REPOSITORY, 'packages/otel')] },
        entries: { otel: { config: { endpoint, headers: { authorization: 'Bearer collector' } } } },
      },
    },
  });
  await gateway.start();
});
after(async () => {
  await gateway.stop();
  collector.closeAllConnections();
  collector.close();
});

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function attribute({ attributes }: Span, name: string): unknown {
  const found = attributes.find(({ key }) => key === name);
  return found && Object.values(found.value)[0];
}

test('a dispatch is one span in its caller’s trace, the same one when the collector was away, with the ledger’s counts', async () => {
  const authorization = `Bearer ${TOKEN}`;
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization, traceparent: `00-${TRACE}-${PARENT}-01`, 'x-weighbridge-end-user-id': 'zoe' },
    body: JSON.stringify({ model: 'demo/scripted', messages: [{ role: 'user', content: SAID }] }),
  });
  const dispatchId = answer.headers.get('x-weighbridge-dispatch-id');
  const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] };
  await until('the span and the metrics have come', () => spans.length > 0 && metrics.length >= 3);
  const [span] = spans;
  assert.equal(spans.length, 1);
  assert.deepEqual(new Set(refused.map(({ spanId }) => spanId)), new Set([span!.spanId]));
  assert.deepEqual([span!.traceId, span!.parentSpanId, span!.kind], [TRACE, PARENT, 3]);
  assert.equal(span!.name, 'chat scripted');
  assert.equal(attribute(span!, 'weighbridge.dispatch.id'), dispatchId);
  assert.equal(attribute(span!, 'user.id'), 'zoe');
  const path = `${gateway.url}/api/v1/dispatches/${dispatchId}`;
  const record = (await (await fetch(path, { headers: { authorization } })).json()) as {
    usage: { input: number; output: number };
    latencyMs: number;
    startedAt: string;
  };
  assert.equal(attribute(span!, 'gen_ai.usage.input_tokens'), String(record.usage.input));
  assert.equal(attribute(span!, 'gen_ai.usage.output_tokens'), String(record.usage.output));
  assert.equal(span!.startTimeUnixNano, `${Date.parse(record.startedAt)}000000`);
  const counted = (name: string) => metrics.filter((metric) => metric.name === name);
  const [output] = counted('gen_ai.client.inference.usage.output_tokens');
  assert.equal(output!.sum!.dataPoints[0]!.asInt, String(record.usage.output));
  const [duration] = counted('gen_ai.client.inference.duration');
  assert.equal(duration!.histogram!.dataPoints[0]!.bucketCounts.filter((count) => count === '1').length, 1);
  const sent = bodies.join('\n');
  assert.ok(!sent.includes(SAID) && !sent.includes(choices[0]!.message.content), 'what was said left the gateway');
});
