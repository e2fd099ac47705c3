/**
 * `npm run bench`: Weighbridge beside a bare proxy and a metered floor, before the same upstream, in one run. Each proxy
 * is pinned to core 0 with all its threads; upstream and load share core 1. Rounds interleave, so that the machine's moods
 * fall on all alike; A/A (Weighbridge against itself) says how large a difference means nothing. Quote the ratios.
 * Flags: `--quick`, `--only=throughput|streams|start|memory`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../test/rig/child.ts';
import { cleanEnvironment } from '../test/rig/gateway-process.ts';
import { type LoadResult, load, percentile, requestBytes } from '../test/rig/load.ts';

const isQuick = process.argv.includes('--quick');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
const ROUNDS = isQuick ? 3 : 7;
const ROUND_MS = isQuick ? 1000 : 2000;
const MEMORY_CALLS = isQuick ? 20_000 : 100_000;
const STREAM_GAP_MS = 5;

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-bench-'));
const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const children: Child[] = [];
const report: Record<string, unknown> = { at: new Date().toISOString(), node: process.version, pinned: canPin };

interface Proxy {
  name: string;
  url: string;
  pid: number;
  request: Buffer;
  stream: Buffer;
}

try {
  await main();
} finally {
  for (const child of children) await child.end('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
  else console.log('taskset is absent: nothing is pinned, ratios are worth less');
  const upstreamUrl = await start(1, [join(root, 'bench/upstream.ts')], /listening on (\S+)/);
  if (wants('start')) await measureStart(upstreamUrl);
  const weighbridge = await startWeighbridge(upstreamUrl, 'state');
  if (wants('memory')) measureIdle(weighbridge);
  const bare = await plainProxy('bare', [join(root, 'bench/bare.ts'), upstreamUrl]);
  const floor = await plainProxy('floor', [join(root, 'bench/floor.ts'), upstreamUrl, join(scratch, 'floor.sqlite')]);
  const direct = plain('direct', upstreamUrl, process.pid);
  await warmUp([weighbridge, bare, floor, direct]);
  if (wants('throughput'))
    for (const connections of [1, 16, 64]) await measureThroughput(connections, weighbridge, bare, floor);
  if (wants('streams')) await measureStreams(weighbridge, bare, direct);
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

async function start(core: number, args: string[], ready: RegExp, env?: NodeJS.ProcessEnv): Promise<string> {
  const child = new Child({
    command: canPin ? 'taskset' : process.execPath,
    args: canPin ? ['-c', String(core), process.execPath, ...args] : args,
    env: env ?? cleanEnvironment(),
    ready,
    readyTimeoutMs: 30_000,
  });
  children.push(child);
  return child.ready;
}

function lastPid(): number {
  return children.at(-1)!.process.pid!;
}

async function plainProxy(name: string, args: string[]): Promise<Proxy> {
  const url = await start(0, args, /listening on (\S+)/);
  return plain(name, url, lastPid());
}

function plain(name: string, url: string, pid: number): Proxy {
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
  const url = await start(
    0,
    [main, 'serve', '--port', '0', '--state-dir', stateDir, '--config', config],
    /^weighbridge listening on (\S+)$/m,
  );
  const headers = { authorization: `Bearer ${readFileSync(join(stateDir, 'token'), 'utf8').trim()}` };
  const shape = (model: string, stream: boolean) => ({
    url,
    path: '/v1/chat/completions',
    headers,
    body: { model, messages: [{ role: 'user', content: 'hello' }], stream },
  });
  return {
    name: 'weighbridge',
    url,
    pid: lastPid(),
    request: requestBytes(shape('bench/bench', false)),
    stream: requestBytes(shape('gap/bench', true)),
  };
}

async function warmUp(proxies: Proxy[]): Promise<void> {
  for (const proxy of proxies) {
    await load({ url: proxy.url, request: proxy.request, connections: 16, answersMax: 3000 });
    await load({ url: proxy.url, request: proxy.stream, connections: 4, answersMax: 20 });
  }
}

async function measureThroughput(connections: number, weighbridge: Proxy, bare: Proxy, floor: Proxy): Promise<void> {
  const rates: Record<string, number[]> = { weighbridge: [], bare: [], floor: [], 'weighbridge again': [] };
  const latencies: Record<string, number[]> = { weighbridge: [], bare: [], floor: [] };
  const once = async (proxy: Proxy, name: string): Promise<void> => {
    const result = await load({ url: proxy.url, request: proxy.request, connections, durationMs: ROUND_MS });
    refuseFailures(result, name);
    rates[name]!.push((result.answers * 1000) / result.elapsedMs);
    latencies[proxy.name]!.push(...result.latenciesMs);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await once(bare, 'bare');
    await once(weighbridge, 'weighbridge');
    await once(floor, 'floor');
    await once(weighbridge, 'weighbridge again');
  }
  console.log(`\n${connections} connections, not streamed, ${ROUNDS} rounds of ${ROUND_MS} ms each`);
  for (const name of ['weighbridge', 'bare', 'floor']) {
    const p50 = percentile(latencies[name]!, 0.5).toFixed(2);
    const p99 = percentile(latencies[name]!, 0.99).toFixed(2);
    console.log(`  ${name.padEnd(12)} ${spread(rates[name]!, 0)} requests/s   p50 ${p50} ms  p99 ${p99} ms`);
  }
  const ofBare = ratios(rates.weighbridge!, rates.bare!);
  const ofFloor = ratios(rates.weighbridge!, rates.floor!);
  const toItself = ratios(rates.weighbridge!, rates['weighbridge again']!);
  const isTarget = connections === 16;
  console.log(`  of bare      ${spread(ofBare, 2)}${isTarget ? '   target >= 0.45' : ''}`);
  console.log(`  of the floor ${spread(ofFloor, 2)}${isTarget ? '   target >= 0.75' : ''}`);
  console.log(`  A/A          ${spread(toItself, 2)}`);
  report[`throughput-${connections}`] = { rates, ofBare, ofFloor, toItself };
}

async function measureStreams(weighbridge: Proxy, bare: Proxy, direct: Proxy): Promise<void> {
  for (const connections of [1, 16]) {
    const firsts: Record<string, number[]> = { weighbridge: [], bare: [], direct: [] };
    const gaps: Record<string, number[]> = { weighbridge: [], bare: [], direct: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const proxy of [direct, bare, weighbridge]) {
        const result = await load({ url: proxy.url, request: proxy.stream, connections, durationMs: ROUND_MS });
        refuseFailures(result, proxy.name);
        firsts[proxy.name]!.push(...result.firstBytesMs);
        gaps[proxy.name]!.push(...result.gapsMs);
      }
    }
    console.log(`\n${connections} streams at once, 50 chunks ${STREAM_GAP_MS} ms apart`);
    for (const name of ['direct', 'bare', 'weighbridge']) {
      const line = ([rank, label]: readonly [number, string]) =>
        `${label} first byte ${percentile(firsts[name]!, rank).toFixed(2)} gap ${percentile(gaps[name]!, rank).toFixed(2)}`;
      console.log(
        `  ${name.padEnd(12)} ${(
          [
            [0.5, 'p50'],
            [0.99, 'p99'],
          ] as const
        )
          .map(line)
          .join('   ')} ms`,
      );
    }
    const added = percentile(firsts.weighbridge!, 0.5) - percentile(firsts.direct!, 0.5);
    const addedGap = percentile(gaps.weighbridge!, 0.5) - percentile(gaps.direct!, 0.5);
    const addedByBare = percentile(firsts.bare!, 0.5) - percentile(firsts.direct!, 0.5);
    console.log(
      `  added        first byte p50 ${added.toFixed(2)} ms (a bare proxy adds ${addedByBare.toFixed(2)})${connections === 1 ? '   target <= 0.5' : ''}, gap p50 ${addedGap.toFixed(2)} ms`,
    );
    report[`streams-${connections}`] = { added, addedByBare, addedGap };
  }
}

async function measureStart(upstreamUrl: string): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const startedAt = performance.now();
    await startWeighbridge(upstreamUrl, `start-${round}`);
    // The first fills the compile cache, as the first start after an installation does.
    if (round > 0) times.push(performance.now() - startedAt);
    else console.log(`\nfirst start to ready ${(performance.now() - startedAt).toFixed(0)} ms`);
    await children.pop()!.end();
  }
  console.log(`start to ready, on one core: ${spread(times, 0)} ms   target < 1000`);
  report.startMs = times;
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

function ratios(values: number[], others: number[]): number[] {
  return values.map((value, index) => value / others[index]!);
}

/** Median, and the range it was seen in. */
function spread(values: number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const show = (value: number): string => value.toFixed(digits);
  return `${show(percentile(values, 0.5))} (${show(sorted[0]!)} to ${show(sorted.at(-1)!)})`;
}
