/**
 * `node bench/overload.ts [--quick]`: four times the load that this machine can do, beside an unloaded run, on the same
 * gateway, in turns. Printed: how long the admitted took, how long refusals took, how much work was done. At the end every
 * dispatch that the provider was asked for must have exactly one entry. A second gateway with shedding off shows what
 * happens without. Gateways are pinned to core 0, provider and callers to core 1.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { load, percentile, requestBytes } from '../test/rig/load.ts';
import { type ArrivalResult, arrive, openLines } from './arrivals.ts';
import { canPin, endAll, pinItself, type Started, start } from './pinned.ts';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 5;
const ROUND_MS = isQuick ? 2000 : 5000;
/** Before anything is counted of an overload: a thousand more get in at first, by design, and are worked off. */
const LEAD_MS = isQuick ? 2000 : 4000;
const TIMES = 4;
const UNLOADED_SHARE = 0.25;
const PROVIDER_WAIT_MS = 20;
const CONNECTIONS = 1000;
const WARM_CALLS = 6000;
/** An agent's conversation, 10 KB: the callers must not be the bottleneck. */
const MESSAGES = Array.from({ length: 12 }, () => ({ role: 'user', content: 'hello world '.repeat(64) }));

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-overload-'));

interface Gateway {
  url: string;
  request: Buffer;
  databaseFile: string;
  child: Started['child'];
  lines: Awaited<ReturnType<typeof openLines>>;
}

try {
  await main();
  process.exitCode ??= 0;
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  pinItself();
  const { url: upstreamUrl } = await start([join(root, 'bench/upstream.ts')], /listening on (\S+)/, { beside: true });
  const shedding = await startGateway(upstreamUrl, 'shedding', {});
  const without = await startGateway(upstreamUrl, 'without', {
    limits: { eventLoopLagMaxMs: 0, ledgerWaitMaxMs: 0, runsMax: 1_000_000 },
  });
  const capacity = await measureCapacity(without);
  await load({ url: shedding.url, request: shedding.request, connections: 16, answersMax: WARM_CALLS });
  console.log(`capacity, by 128 callers who wait for their answers: ${capacity.toFixed(0)} calls/s`);

  const rounds: Record<string, ArrivalResult[]> = { unloaded: [], overload: [], 'without shedding': [] };
  const round = async (name: string, gateway: Gateway, share: number, leadMs: number): Promise<void> => {
    rounds[name]!.push(await arrive(gateway.lines, { perSecond: capacity * share, durationMs: ROUND_MS, leadMs }));
    await calm(gateway.url);
  };
  for (let index = 0; index < ROUNDS; index++) {
    await round('unloaded', shedding, UNLOADED_SHARE, 0);
    await round('overload', shedding, TIMES, LEAD_MS);
  }
  await round('without shedding', without, TIMES, LEAD_MS);
  const names = {
    unloaded: `${UNLOADED_SHARE} x`,
    overload: `${TIMES} x`,
    'without shedding': `${TIMES} x, shedding off`,
  };
  console.log(`\n${ROUNDS} rounds of ${ROUND_MS} ms in turns, a provider that takes ${PROVIDER_WAIT_MS} ms`);
  for (const [name, label] of Object.entries(names)) print(label, rounds[name]!, capacity);
  const differences = [await compare(upstreamUrl, [shedding, without])];
  write({ capacity, rounds: Object.fromEntries(Object.entries(rounds).map(([name, all]) => [name, figures(all)])) });
  if (differences.some((count) => count > 0)) process.exitCode = 1;
}

async function startGateway(upstreamUrl: string, name: string, extra: object): Promise<Gateway> {
  const stateDir = join(scratch, name);
  const config = join(scratch, `${name}.json5`);
  const provider = {
    baseUrl: `${upstreamUrl}/v1/wait-${PROVIDER_WAIT_MS}`,
    api: 'openai-completions',
    apiKey: 'k',
    models: [{ id: 'bench' }],
  };
  const gateway = { http: { endpoints: { chatCompletions: { enabled: true } } } };
  writeFileSync(config, JSON.stringify({ gateway, models: { providers: { bench: provider } }, ...extra }));
  const main = join(root, 'packages/gateway/src/main.ts');
  const args = [main, 'serve', '--port', '0', '--state-dir', stateDir, '--config', config];
  const { url, child } = await start(args, /^weighbridge listening on (\S+)$/m);
  const request = requestBytes({
    url,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${readFileSync(join(stateDir, 'token'), 'utf8').trim()}` },
    body: { model: 'bench/bench', messages: MESSAGES },
  });
  const lines = await openLines(url, request, CONNECTIONS);
  // A connection that never carried a request is closed after a while; those that did may idle longer.
  await arrive(lines, { perSecond: 500, durationMs: 2 * CONNECTIONS + 500 });
  return { url, request, lines, databaseFile: join(stateDir, 'weighbridge.sqlite'), child };
}

/** Calls a second of callers who never overload, because each waits for its answer. */
async function measureCapacity({ url, request }: Gateway): Promise<number> {
  await load({ url, request, connections: 16, answersMax: WARM_CALLS });
  const rates: number[] = [];
  for (let index = 0; index < 3; index++) {
    const { answers, elapsedMs } = await load({ url, request, connections: 128, durationMs: ROUND_MS / 2 });
    rates.push((answers * 1000) / elapsedMs);
  }
  // The best: what others take from this machine meanwhile is not what it cannot do.
  return Math.max(...rates);
}

/** Until the gateway is as if nothing had been. */
async function calm(url: string): Promise<void> {
  for (;;) {
    const { load: view } = (await (await fetch(`${url}/readyz`)).json()) as { load: { shedding: boolean } };
    if (!view.shedding) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function figures(results: readonly ArrivalResult[]) {
  const of = (pick: (result: ArrivalResult) => number[], rank: number): number =>
    percentile(results.flatMap(pick), rank);
  const sum = (pick: (result: ArrivalResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return {
    sent: sum(({ sent }) => sent),
    unsent: sum(({ unsent }) => unsent),
    wrong: sum(({ wrong }) => wrong),
    admitted: sum(({ admittedMs }) => admittedMs.length),
    refused: sum(({ refusedMs }) => refusedMs.length),
    admittedP50Ms: of(({ admittedMs }) => admittedMs, 0.5),
    admittedP99Ms: of(({ admittedMs }) => admittedMs, 0.99),
    leadAdmittedP99Ms: of(({ leadAdmittedMs }) => leadAdmittedMs, 0.99),
    refusedP50Ms: of(({ refusedMs }) => refusedMs, 0.5),
    refusedP99Ms: of(({ refusedMs }) => refusedMs, 0.99),
    goodputPerSecond: percentile(
      results.map(({ admittedPerSecond }) => admittedPerSecond),
      0.5,
    ),
    ownLagP99Ms: of(({ ownLagMs }) => ownLagMs, 0.99),
  };
}

function print(label: string, results: readonly ArrivalResult[], capacity: number): void {
  const own = figures(results);
  const ms = (value: number): string => (Number.isNaN(value) ? '-' : `${value.toFixed(1)} ms`);
  console.log(`
${label}: ${own.sent} sent (${own.unsent} found none of the ${CONNECTIONS} connections idle), ${own.admitted} admitted, ${own.refused} refused, ${own.wrong} wrong
  admitted  p50 ${ms(own.admittedP50Ms)}  p99 ${ms(own.admittedP99Ms)}
  admitted in the lead (${LEAD_MS} ms), the burst among them: p99 ${ms(own.leadAdmittedP99Ms)}
  refused   p50 ${ms(own.refusedP50Ms)}  p99 ${ms(own.refusedP99Ms)}
  goodput   ${own.goodputPerSecond.toFixed(0)} calls/s, ${((100 * own.goodputPerSecond) / capacity).toFixed(0)} % of capacity
  callers' own lag p99 ${ms(own.ownLagP99Ms)}`);
}

/** The provider's journal against the ledgers, after a stop that drains. Returns how many differ. */
async function compare(upstreamUrl: string, gateways: readonly Gateway[]): Promise<number> {
  const asked = (await (await fetch(`${upstreamUrl}/journal`)).text()).split('\n');
  const entries: { dispatchId: string; outcome: string | null }[] = [];
  for (const { child, databaseFile } of gateways) {
    await child.end('SIGTERM');
    const db = new DatabaseSync(databaseFile, { readOnly: true });
    entries.push(...(db.prepare('select "dispatchId", outcome from entries').all() as unknown as typeof entries));
    db.close();
  }
  const recorded = new Set(entries.map(({ dispatchId }) => dispatchId));
  const lost = asked.filter((id) => !recorded.has(id)).length;
  const twice = entries.length - recorded.size;
  const unfinished = entries.filter(({ outcome }) => outcome !== 'completed').length;
  console.log(
    `\nthe provider was asked ${asked.length} times; the ledgers hold ${entries.length} entries: ` +
      `${lost} lost, ${twice} twice, ${unfinished} not completed`,
  );
  return lost + twice + Math.abs(asked.length - entries.length);
}

function write(report: object): void {
  const results = join(root, 'bench/results');
  mkdirSync(results, { recursive: true });
  const at = new Date().toISOString();
  const file = join(results, `overload-${at.replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, JSON.stringify({ at, node: process.version, pinned: canPin, ...report }, null, 2));
  console.log(`written to ${file}`);
}
