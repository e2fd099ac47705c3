/**
 * `npm run bench`: Weighbridge beside a bare proxy and a metered floor, before the same upstream, in one run. Each proxy
 * is pinned to core 0 with all its threads; upstream and load share core 1. Rounds interleave, so that the machine's moods
 * fall on all alike; A/A (Weighbridge against itself) says how large a difference means nothing. Quote the ratios.
 * The pass-through is measured beside the doors, in the same rounds. Flags: `--quick`,
 * `--only=throughput|streams|crowd|start|memory|sockets`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadResult, load, percentile, requestBytes } from '../test/rig/load.ts';
import { canPin, endAll, endLast, pinItself, start } from './pinned.ts';
import { measureSockets } from './sockets.ts';

const isQuick = process.argv.includes('--quick');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
const ROUNDS = isQuick ? 3 : 7;
const ROUND_MS = isQuick ? 1000 : 2000;
const MEMORY_CALLS = isQuick ? 20_000 : 100_000;
const STREAM_GAP_MS = 5;
const CROWD = 1000;
const SOCKETS = 5_000;

const TARGETS: Readonly<Record<string, { ofBare: number; ofFloor: number; firstByteMs: number }>> = {
  weighbridge: { ofBare: 0.45, ofFloor: 0.75, firstByteMs: 0.5 },
  'pass-through': { ofBare: 0.55, ofFloor: 0.9, firstByteMs: 0.3 },
};

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-bench-'));
const credentials = new Map<string, { authorization: string }>();
const report: Record<string, unknown> = { at: new Date().toISOString(), node: process.version, pinned: canPin };

interface Proxy {
  name: 'weighbridge' | 'pass-through' | 'bare' | 'floor' | 'direct';
  url: string;
  pid: number;
  request: Buffer;
  stream: Buffer;
}

try {
  await main();
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  pinItself();
  const { url: upstreamUrl } = await start([join(root, 'bench/upstream.ts')], /listening on (\S+)/, { beside: true });
  if (wants('start')) await measureStart(upstreamUrl);
  const weighbridge = await startWeighbridge(upstreamUrl, 'state');
  if (wants('memory')) measureIdle(weighbridge);
  if (wants('sockets')) await measureCrowdOfSockets(weighbridge);
  const bare = await plainProxy('bare', [join(root, 'bench/bare.ts'), upstreamUrl]);
  const floor = await plainProxy('floor', [join(root, 'bench/floor.ts'), upstreamUrl, join(scratch, 'floor.sqlite')]);
  const direct = plain('direct', upstreamUrl, process.pid);
  const pass = passThrough(weighbridge);
  await warmUp([weighbridge, pass, bare, floor, direct]);
  if (wants('throughput'))
    for (const connections of [1, 16, 64]) await measureThroughput(connections, [bare, weighbridge, pass, floor]);
  if (wants('streams')) await measureStreams([direct, bare, weighbridge, pass]);
  if (wants('crowd')) await measureCrowd(pass, direct);
  if (wants('memory')) await measureMemory(weighbridge);
  const results = join(root, 'bench/results');
  mkdirSync(results, { recursive: true });
  const file = join(results, `${String(report.at).replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, JSON.stringify(report, null, 2));
  console.log(`\nwritten to ${file}`);
}

function wants(part: string): boolean {
  return only === undefined || only === part;
}

async function plainProxy(name: 'bare' | 'floor', args: string[]): Promise<Proxy> {
  const { url, pid } = await start(args, /listening on (\S+)/);
  return plain(name, url, pid);
}

function plain(name: Proxy['name'], url: string, pid: number): Proxy {
  const body = (stream: boolean) => ({ model: 'bench', messages: [{ role: 'user', content: 'hello' }], stream });
  return {
    name,
    url,
    pid,
    request: requestBytes({ url, path: '/v1/chat/completions', body: body(false) }),
    stream: requestBytes({ url, path: `/v1/gap-${STREAM_GAP_MS}/chat/completions`, body: body(true) }),
  };
}

async function startWeighbridge(upstreamUrl: string, state: string): Promise<Proxy> {
  const stateDir = join(scratch, state);
  const config = join(scratch, `${state}.json5`);
  const provider = (baseUrl: string) => ({
    baseUrl,
    api: 'openai-completions',
    apiKey: 'k',
    models: [{ id: 'bench' }],
  });
  writeFileSync(
    config,
    JSON.stringify({
      gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
      models: {
        providers: {
          bench: provider(`${upstreamUrl}/v1`),
          gap: provider(`${upstreamUrl}/v1/gap-${STREAM_GAP_MS}`),
        },
      },
    }),
  );
  const main = join(root, 'packages/gateway/src/main.ts');
  const { url, pid } = await start(
    [main, 'serve', '--port', '0', '--state-dir', stateDir, '--config', config],
    /^weighbridge listening on (\S+)$/m,
  );
  const headers = { authorization: `Bearer ${readFileSync(join(stateDir, 'token'), 'utf8').trim()}` };
  credentials.set(url, headers);
  const shape = (model: string, stream: boolean) => ({
    url,
    path: '/v1/chat/completions',
    headers,
    body: { model, messages: [{ role: 'user', content: 'hello' }], stream },
  });
  return {
    name: 'weighbridge',
    url,
    pid,
    request: requestBytes(shape('bench/bench', false)),
    stream: requestBytes(shape('gap/bench', true)),
  };
}

/** The same gateway by its other door. */
function passThrough({ url, pid }: Proxy): Proxy {
  const shape = (provider: string, stream: boolean) => ({
    url,
    path: `/proxy/${provider}/chat/completions`,
    headers: credentials.get(url)!,
    // Usage is asked for, as agents do: the bytes pass as they are.
    body: {
      model: 'bench',
      messages: [{ role: 'user', content: 'hello' }],
      stream,
      ...(stream ? { stream_options: { include_usage: true } } : {}),
    },
  });
  return {
    name: 'pass-through',
    url,
    pid,
    request: requestBytes(shape('bench', false)),
    stream: requestBytes(shape('gap', true)),
  };
}

async function warmUp(proxies: Proxy[]): Promise<void> {
  for (const proxy of proxies) {
    await load({ url: proxy.url, request: proxy.request, connections: 16, answersMax: 3000 });
    await load({ url: proxy.url, request: proxy.stream, connections: 4, answersMax: 20 });
  }
}

async function measureThroughput(connections: number, proxies: readonly Proxy[]): Promise<void> {
  const rates: Record<string, number[]> = {};
  const latencies: Record<string, number[]> = {};
  const once = async (proxy: Proxy, name: string): Promise<void> => {
    const result = await load({ url: proxy.url, request: proxy.request, connections, durationMs: ROUND_MS });
    refuseFailures(result, name);
    addTo(rates, name, [(result.answers * 1000) / result.elapsedMs]);
    addTo(latencies, proxy.name, result.latenciesMs);
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const proxy of proxies) await once(proxy, proxy.name);
    for (const proxy of proxies) if (TARGETS[proxy.name]) await once(proxy, `${proxy.name} again`);
  }
  console.log(`\n${connections} connections, not streamed, ${ROUNDS} rounds of ${ROUND_MS} ms each`);
  for (const { name } of proxies) {
    const p50 = percentile(latencies[name]!, 0.5).toFixed(2);
    const p99 = percentile(latencies[name]!, 0.99).toFixed(2);
    console.log(`  ${name.padEnd(12)} ${spread(rates[name]!, 0)} requests/s   p50 ${p50} ms  p99 ${p99} ms`);
  }
  for (const [name, target] of Object.entries(TARGETS)) {
    const ofBare = ratios(rates[name]!, rates.bare!);
    const ofFloor = ratios(rates[name]!, rates.floor!);
    const toItself = ratios(rates[name]!, rates[`${name} again`]!);
    const isTarget = connections === 16;
    console.log(`  ${name}: of bare ${spread(ofBare, 2)}${isTarget ? ` target >= ${target.ofBare}` : ''}`);
    console.log(`    of the floor ${spread(ofFloor, 2)}${isTarget ? ` target >= ${target.ofFloor}` : ''}`);
    console.log(`    A/A ${spread(toItself, 2)}`);
    report[`throughput-${connections}-${name}`] = { rates, ofBare, ofFloor, toItself };
  }
}

async function measureStreams(proxies: readonly Proxy[]): Promise<void> {
  for (const connections of [1, 16]) {
    const firsts: Record<string, number[]> = {};
    const gaps: Record<string, number[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const proxy of proxies) {
        const result = await load({ url: proxy.url, request: proxy.stream, connections, durationMs: ROUND_MS });
        refuseFailures(result, proxy.name);
        addTo(firsts, proxy.name, result.firstBytesMs);
        addTo(gaps, proxy.name, result.gapsMs);
      }
    }
    console.log(`\n${connections} streams at once, 50 chunks ${STREAM_GAP_MS} ms apart`);
    const at = (of: Record<string, number[]>, name: string, rank: number) => percentile(of[name]!, rank);
    for (const { name } of proxies) {
      const line = (rank: number) => `${at(firsts, name, rank).toFixed(2)} gap ${at(gaps, name, rank).toFixed(2)}`;
      console.log(`  ${name.padEnd(12)} p50 first byte ${line(0.5)}   p99 first byte ${line(0.99)} ms`);
    }
    for (const { name } of proxies) {
      if (name === 'direct') continue;
      const added = at(firsts, name, 0.5) - at(firsts, 'direct', 0.5);
      const addedGap = at(gaps, name, 0.99) - at(gaps, 'direct', 0.99);
      const target = connections === 1 ? TARGETS[name] : undefined;
      const beyondBare = at(firsts, name, 0.5) - at(firsts, 'bare', 0.5);
      console.log(
        `  ${name} adds: first byte p50 ${added.toFixed(2)} ms${target ? ` (target <= ${target.firstByteMs})` : ''}, beyond bare ${beyondBare.toFixed(2)} ms, gap p99 ${addedGap.toFixed(2)} ms`,
      );
      report[`streams-${connections}-${name}`] = { added, beyondBare, addedGap };
    }
  }
}

/** All at once, and every byte of every one of them counted. */
async function measureCrowd(pass: Proxy, direct: Proxy): Promise<void> {
  const one = await load({ url: direct.url, request: direct.stream, connections: 1, answersMax: 1 });
  const result = await load({ url: pass.url, request: pass.stream, connections: CROWD, answersMax: CROWD });
  refuseFailures(result, 'the crowd');
  // Chunks merge and split on the way; what may not change is what they hold.
  const lost = CROWD * one.bodyBytes - result.bodyBytes;
  console.log(
    `\n${CROWD} streams at once: ${result.answers} whole, ${lost} bytes lost, first byte p50 ${percentile(result.firstBytesMs, 0.5).toFixed(0)} ms, p99 ${percentile(result.firstBytesMs, 0.99).toFixed(0)} ms`,
  );
  report.crowd = { answers: result.answers, lost };
}

async function measureStart(upstreamUrl: string): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const startedAt = performance.now();
    await startWeighbridge(upstreamUrl, `start-${round}`);
    // The first fills the compile cache, as the first start after an installation does.
    if (round > 0) times.push(performance.now() - startedAt);
    else console.log(`\nfirst start to ready ${(performance.now() - startedAt).toFixed(0)} ms`);
    await endLast();
  }
  console.log(`start to ready, on one core: ${spread(times, 0)} ms   target < 1000`);
  report.startMs = times;
}

async function measureCrowdOfSockets({ url, pid }: Proxy): Promise<void> {
  const token = credentials.get(url)!.authorization.replace('Bearer ', '');
  const figures = await measureSockets({ url, token, rssMb: () => rssMb(pid) }, isQuick ? 1_000 : SOCKETS);
  const { sockets, connectMs, kilobytesEach, probeWorstMs } = figures;
  console.log(
    `\n${sockets} idle sockets: ${kilobytesEach.toFixed(1)} KB each   target < 20; connected in ${(connectMs / 1000).toFixed(1)} s; worst probe ${probeWorstMs.toFixed(0)} ms`,
  );
  report.sockets = figures;
}

function measureIdle(weighbridge: Proxy): void {
  report.idleRssMb = rssMb(weighbridge.pid);
  console.log(`\nmemory idle: ${rssMb(weighbridge.pid).toFixed(0)} MB   target < 160`);
}

async function measureMemory(weighbridge: Proxy): Promise<void> {
  const steps: number[] = [];
  for (let step = 0; step < 5; step++) {
    const answersMax = MEMORY_CALLS / 5;
    refuseFailures(
      await load({ url: weighbridge.url, request: weighbridge.request, connections: 16, answersMax }),
      'memory',
    );
    steps.push(Math.round(rssMb(weighbridge.pid)));
  }
  console.log(`\nmemory after each fifth of ${MEMORY_CALLS} calls: ${steps.join(', ')} MB   target: no growth`);
  report.rssMb = steps;
}

/** Resident memory of a process and not of `taskset`, which has replaced itself by it. */
function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

function refuseFailures(result: LoadResult, name: string): void {
  if (result.failures > 0)
    throw new Error(`${name}: ${result.failures} calls failed; a rate of failures means nothing`);
}

function addTo(lists: Record<string, number[]>, name: string, values: readonly number[]): void {
  lists[name] = [...(lists[name] ?? []), ...values];
}

function ratios(values: number[], others: number[]): number[] {
  return values.map((value, index) => value / others[index]!);
}

/** Median, and the range it was seen in. */
function spread(values: number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const show = (value: number): string => value.toFixed(digits);
  return `${show(percentile(values, 0.5))} (${show(sorted[0]!)} to ${show(sorted.at(-1)!)})`;
}
