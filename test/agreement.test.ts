/**
 * Promise P8 over a whole gateway: one random run of dispatches, with failures, hang-ups, answers that say nothing of usage,
 * and corrections at its end. What the webhook's receiver, the plugin, the metrics and the API hold must be the sums of
 * the ledger's own rows, which are read here from the file and added up by nobody else.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { quotas, seed } from './quotas.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { seeded } from './rig/random.ts';
import { until } from './rig/until.ts';

const TOKEN = 'agreement';
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };
const PRICED = 'ok-20+gap-1ms';
/** Model, and of a thousand calls how many ask for it. */
const MODELS = [
  ['ok-3', 600],
  ['ok-2+no-usage', 80],
  ['ok-4+usage-every', 80],
  ['status-500', 80],
  ['ok-3+reset-mid', 60],
  [PRICED, 100],
] as const;
/** What is hung up on must not have ended by itself before. */
const UNENDING = 'ok-4+hang-mid';
const IMAGE = { model: 'dall-e-3', cost_usd: '0.500000001', latency_ms: 900, agent_name: 'a0' };
const CALLERS = 16;
const BUCKETS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;

/** Everything that two of the five must agree on; counts and tokens as text, because a sum may pass 2^53. */
interface Sums {
  dispatches: string;
  byOutcome: Record<string, string>;
  tokens: Record<string, string>;
  costNanoUsd: string;
}

interface Told {
  kind: string;
  outcome: string;
  usage: Record<(typeof BUCKETS)[number], number> | null;
  cost: { nanoUsd: string } | null;
}

const PLUGIN = `
import { appendFileSync } from 'node:fs';
const seen = (event, ctx) => {
  const { kind, outcome, usage, cost } = event;
  appendFileSync(new URL('./seen.ndjson', import.meta.url), JSON.stringify({ id: ctx.eventId, kind, outcome, usage, cost }) + '\\n');
};
export default { id: 'counter', onModelDispatchComplete: seen, onModelUsageCorrected: seen };
`;

test('metrics, webhooks, plugins, the API and the ledger agree on one random run, its failures and its corrections', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const scratch = scratchDirectory(t);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const received = new Map<string, Told>();
  const receiver = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { id, data } = JSON.parse(text) as { id: string; data: Told };
    received.set(id, data);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  t.after(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const folder = join(scratch, 'counter');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'counter', type: 'module', main: 'index.js' }));
  writeFileSync(join(folder, 'index.js'), PLUGIN);

  const gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    env: { WEIGHBRIDGE_TOKEN: TOKEN },
    config: configOf(provider.baseUrl, (receiver.address() as AddressInfo).port, folder, 10),
  });
  await gateway.start();
  t.after(() => gateway.stop());
  await playCalls(gateway.url);
  // Counted by somebody else, and without tokens: an image, which cost something all the same.
  await asked(gateway, '/api/v1/ingest/model_usage', 'POST', IMAGE);
  await until(
    'nothing is in flight',
    async () => (await asked<{ data: [] }>(gateway, '/api/v1/runs')).data.length === 0,
  );

  // A price was wrong: what was settled with it is corrected.
  const file = `${gateway.stateDir}.config.json5`;
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"output": 10', '"output": 11'));
  await asked(gateway, '/api/v1/reload', 'POST');
  const path = `/api/v1/prices/reprice?from=2020-01-01&limit=1000&model=${encodeURIComponent(PRICED)}`;
  const { tenants } = await asked<{ tenants: { repriced: number }[] }>(gateway, path, 'POST');
  assert.ok(tenants[0]!.repriced > 0, 'nothing was corrected');

  const ledger = sumsOfLedger(gateway.databaseFile);
  assert.equal(ledger.sums.dispatches, String(quotas.agreedDispatches + 1));
  assert.ok(['failed', 'aborted', 'completed'].every((outcome) => Number(ledger.sums.byOutcome[outcome]) > 0));
  const seenFile = join(folder, 'seen.ndjson');
  const seen = () => (existsSync(seenFile) ? readFileSync(seenFile, 'utf8').trim().split('\n') : []);
  await until('the receiver has all', () => received.size >= ledger.rows, 60_000);
  await until('the plugin has all', () => seen().length >= ledger.rows, 60_000);

  assert.deepEqual(await sumsOfApi(gateway), ledger.sums, 'the API and the ledger');
  assert.deepEqual(sumsOfMetrics(await textOf(gateway, '/metrics')), ledger.sums, 'metrics and the ledger');
  assert.deepEqual(sumsOf([...received.values()]), ledger.sums, 'webhooks and the ledger');
  const byId = new Map(
    seen()
      .map((line) => JSON.parse(line) as Told & { id: string })
      .map((told) => [told.id, told]),
  );
  assert.deepEqual(sumsOf([...byId.values()]), ledger.sums, 'the plugin and the ledger');
  assert.deepEqual([...byId.keys()].sort(), [...received.keys()].sort(), 'the same events');
  const waits = async () => (await textOf(gateway, '/metrics')).match(/^weighbridge_follower_age_seconds\{.*$/gm);
  await until('metrics say that nobody has anything left to come', async () => {
    const lines = (await waits()) ?? [];
    return lines.length === 2 && lines.every((line) => line.endsWith('} 0'));
  });
});

function configOf(baseUrl: string, port: number, plugin: string, output: number): object {
  const config = scriptedConfig(baseUrl, {
    limits: { retriesMax: 0 },
    metering: { onCallerGone: 'abort' },
    webhooks: [
      {
        url: `http://127.0.0.1:${port}/`,
        events: ['model.usage', 'model.usage.corrected'],
        allowPrivate: true,
        concurrency: 16,
      },
    ],
    plugins: { load: { paths: [plugin] } },
  });
  return JSON.parse(JSON.stringify(config).replaceAll('"output":10', `"output":${output}`)) as object;
}

async function playCalls(url: string): Promise<void> {
  const random = seeded(seed);
  const weights = MODELS.flatMap(([model, share]) => Array.from({ length: share }, () => model));
  const plans = Array.from({ length: quotas.agreedDispatches }, () => ({
    model: weights[Math.floor(random() * weights.length)]!,
    stream: random() < 0.7,
    hangsUp: random() < 0.3,
    agent: `a${Math.floor(random() * 3)}`,
  }));
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let plan = plans.pop(); plan !== undefined; plan = plans.pop()) await play(url, plan);
    }),
  );
}

async function play(
  url: string,
  { model, stream, hangsUp, agent }: { model: string; stream: boolean; hangsUp: boolean; agent: string },
): Promise<void> {
  const gone = new AbortController();
  const isCut = hangsUp && stream && model === PRICED;
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...AUTHORIZATION, 'x-weighbridge-agent-id': agent },
      body: JSON.stringify({
        model: `scripted/${isCut ? UNENDING : model}`,
        stream,
        messages: [{ role: 'user', content: 'hi' }],
      }),
      signal: gone.signal,
    });
    for await (const _chunk of answer.body ?? []) if (isCut) gone.abort();
  } catch {
    // Hung up, or broken off by the provider: both are meant.
  }
}

/** The rows themselves, by nobody's sums. */
function sumsOfLedger(file: string): { rows: number; sums: Sums } {
  const db = new DatabaseSync(file, { readOnly: true });
  const columns = ['kind', 'outcome', ...BUCKETS, 'cast("costNanoUsd" as text) as cost'].join(', ');
  const rows = db.prepare(`select ${columns} from entries`).all() as Record<string, string | number | null>[];
  db.close();
  const told = rows.map(
    (row): Told => ({
      kind: String(row.kind),
      outcome: String(row.outcome),
      usage:
        row.input === null
          ? null
          : (Object.fromEntries(BUCKETS.map((name) => [name, Number(row[name])])) as Told['usage']),
      cost: row.cost === null ? null : { nanoUsd: String(row.cost) },
    }),
  );
  return { rows: rows.length, sums: sumsOf(told) };
}

function sumsOf(told: readonly Told[]): Sums {
  const usages = told.filter(({ kind }) => kind === 'usage');
  const byOutcome = Object.fromEntries(
    [...Map.groupBy(usages, ({ outcome }) => outcome)].map(([outcome, own]) => [outcome, String(own.length)]),
  );
  const tokens = Object.fromEntries(
    BUCKETS.map((name) => [name, String(told.reduce((sum, { usage }) => sum + (usage?.[name] ?? 0), 0))]),
  );
  const costNanoUsd = told.reduce((sum, { cost }) => sum + BigInt(cost?.nanoUsd ?? 0), 0n).toString();
  return { dispatches: String(usages.length), byOutcome: sorted(byOutcome), tokens, costNanoUsd };
}

async function sumsOfApi(gateway: GatewayProcess): Promise<Sums> {
  type Row = { group: { outcome: string }; requests: number };
  type Answer = { rows: Row[]; totals: Record<string, string> & { requests: number } };
  const { rows, totals } = await asked<Answer>(gateway, '/api/v1/usage?from=2020-01-01&groupBy=outcome');
  return {
    dispatches: String(totals.requests),
    byOutcome: sorted(Object.fromEntries(rows.map(({ group, requests }) => [group.outcome, String(requests)]))),
    tokens: Object.fromEntries(BUCKETS.map((name) => [name, totals[name]!])),
    costNanoUsd: totals.costNanoUsd!,
  };
}

function sumsOfMetrics(text: string): Sums {
  const samples = Array.from(text.matchAll(/^(weighbridge_\w+)\{(.*)\} (\S+)$/gm), ([, name, labels, value]) => ({
    name: name!,
    label: (wanted: string) => new RegExp(`(?:^|,)${wanted}="([^"]*)"`).exec(labels!)?.[1] ?? '',
    value: Number(value),
  }));
  const of = (name: string) => samples.filter((sample) => sample.name === name);
  const sum = (values: readonly { value: number }[]) => values.reduce((total, { value }) => total + value, 0);
  const dispatches = of('weighbridge_dispatches_total');
  const byOutcome = Map.groupBy(dispatches, ({ label }) => label('outcome'));
  const tokens = of('weighbridge_tokens_total');
  return {
    dispatches: String(sum(dispatches)),
    byOutcome: sorted(Object.fromEntries([...byOutcome].map(([outcome, own]) => [outcome, String(sum(own))]))),
    tokens: Object.fromEntries(
      BUCKETS.map((name) => [name, String(sum(tokens.filter(({ label }) => label('bucket') === name)))]),
    ),
    costNanoUsd: String(Math.round(sum(of('weighbridge_cost_usd')) * 1e9)),
  };
}

function sorted<Value>(object: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function asked<Answer>(gateway: GatewayProcess, path: string, method = 'GET', sent?: object): Promise<Answer> {
  const body = sent === undefined ? null : JSON.stringify(sent);
  const answer = await fetch(gateway.url + path, { method, headers: AUTHORIZATION, body });
  const text = await answer.text();
  assert.ok(answer.ok, `${path}: ${text}`);
  return JSON.parse(text) as Answer;
}

async function textOf(gateway: GatewayProcess, path: string): Promise<string> {
  return (await fetch(gateway.url + path, { headers: AUTHORIZATION })).text();
}
