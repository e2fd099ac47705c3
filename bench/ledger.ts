/**
 * How long questions take over a large ledger, on both engines: every kind of question over rollups, sums over entries,
 * pages of dispatches. The entries are made of a seed and inserted in bulk; rollups, events and folded sums come from the
 * ledger's own rebuild. Run `node bench/ledger.ts [--entries=1000000] [--engine=sqlite|postgres] [--only=TEXT]`. To ask the
 * same ledger again, name where it is to stay: `--file=PATH` (SQLite), `--database=URL` (an empty PostgreSQL database).
 * It is made in a process of its own, so that what making it left behind is not measured.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import type { TimeBucket, UsageGroup } from '@weighbridge/protocol';
import type { Database } from '../packages/gateway/src/domain/config.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../packages/gateway/src/events/room.ts';
import { Folding } from '../packages/gateway/src/ledger/folding.ts';
import { listDispatches } from '../packages/gateway/src/ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../packages/gateway/src/ledger/room.ts';
import { usageAnswer } from '../packages/gateway/src/ledger/usage-answer.ts';
import { Secret } from '../packages/gateway/src/lib/secret.ts';
import { openStore } from '../packages/gateway/src/store/open.ts';
import type { Engine, Store } from '../packages/gateway/src/store/store.ts';
import { percentile } from '../test/rig/load.ts';
import { PostgresServer, runOn } from '../test/rig/postgres-server.ts';
import { between, pick, type Random, seeded } from '../test/rig/random.ts';
import { entryRow, idOf } from './entry-row.ts';

const { values: flags } = parseArgs({
  options: {
    entries: { type: 'string' },
    engine: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    file: { type: 'string' },
    database: { type: 'string' },
    make: { type: 'boolean' },
  },
});
const ENTRIES = Number(flags.entries ?? 1_000_000);
const ROUNDS = Number(flags.rounds ?? 15);
/** A question that takes this long is asked less often. */
const SLOW_MS = 1_000;
const ROUNDS_SLOW = 3;
const SEED = 20_261_121;
const DAYS = 30;
const DAY_MS = 86_400_000;
const END_MS = Date.parse('2026-11-20T12:00:00Z');
const START_MS = END_MS - DAYS * DAY_MS;

const MODELS = [
  ['openai', 'gpt-5'],
  ['openai', 'gpt-5-mini'],
  ['anthropic', 'claude-sonnet-5'],
  ['google', 'gemini-3-pro'],
  ['openrouter', 'qwen/qwen3'],
  ['groq', 'llama-4'],
] as const;
const AGENTS = ['main', 'support', 'coder', null];

/** One entry as a row; ids ascend with time as ours do. */
function entry(n: number, random: Random) {
  const startedAt = START_MS + Math.floor((n / ENTRIES) * (END_MS - START_MS));
  const latencyMs = Math.round(200 * Math.exp(random() * 4));
  const [provider, model] = pick(random, MODELS);
  const roll = random();
  const outcome = roll < 0.96 ? 'completed' : roll < 0.98 ? 'failed' : 'aborted';
  const hasUsage = outcome !== 'failed';
  const input = whole(random, 20, 4000);
  return entryRow({
    n,
    startedAt,
    latencyMs,
    agentId: pick(random, AGENTS),
    sessionKey: `agent:main:${whole(random, 1, 5000)}`,
    endUserId: `customer-${whole(random, 1, 500)}`,
    provider,
    model,
    outcome,
    usageSource: hasUsage ? (outcome === 'aborted' ? 'estimated' : 'reported') : 'none',
    tokens: hasUsage ? { input, output: whole(random, 10, 900) } : null,
  });
}

function whole(random: Random, min: number, max: number): number {
  return Math.floor(between(random, min, max));
}

async function fill(database: Database): Promise<void> {
  const random = seeded(SEED);
  const columns = Object.keys(entry(0, seeded(1)));
  const names = columns.map((column) => `"${column}"`).join(', ');
  const ledger = `insert into ledger (one, "ledgerId", "lastSeq", "lastSettledAt") values (1, 'led_bench', ${ENTRIES}, ${END_MS + 1})`;
  const events = `insert into events (seq, "tenantId", id, type, at, subject, payload)
    select seq, "tenantId", 'evt' || substr("entryId", 4), 'model.usage', "settledAt", "entryId", null from entries`;
  if (database.kind === 'sqlite') {
    const db = new DatabaseSync(database.file);
    const insert = db.prepare(`insert into entries (${names}) values (${columns.map(() => '?').join(', ')})`);
    db.exec('pragma synchronous = off; begin');
    for (let n = 0; n < ENTRIES; n++) insert.run(...Object.values(entry(n, random)));
    db.exec(`${events}; ${ledger}; commit; pragma wal_checkpoint(truncate)`);
    db.close();
    return;
  }
  const url = database.url.reveal();
  for (let n = 0; n < ENTRIES; n += 5000) {
    const rows = Array.from({ length: Math.min(5000, ENTRIES - n) }, (_, i) => entry(n + i, random));
    const text = JSON.stringify(rows).replaceAll("'", "''");
    await runOn(
      url,
      `insert into entries (${names}) select ${names} from json_populate_recordset(null::entries, '${text}')`,
    );
  }
  await runOn(url, `${events}; ${ledger}; analyze`);
}

interface Measured {
  question: string;
  targetMs: number | null;
  rows: number;
  /** Least CPU time of this process (all threads; PostgreSQL's server is another): what a busy machine does not hide. */
  cpu: number;
  min: number;
  p50: number;
  max: number;
}

async function measure(question: string, targetMs: number | null, ask: () => Promise<number>): Promise<Measured[]> {
  if (!question.includes(flags.only ?? '')) return [];
  const times: number[] = [];
  const cpus: number[] = [];
  const firstAt = performance.now();
  let rows = await ask();
  const rounds = performance.now() - firstAt > SLOW_MS ? Math.min(ROUNDS, ROUNDS_SLOW) : ROUNDS;
  for (let round = 0; round < rounds; round++) {
    const [startedAt, usedAt] = [performance.now(), process.cpuUsage()];
    rows = await ask();
    times.push(performance.now() - startedAt);
    const { user, system } = process.cpuUsage(usedAt);
    cpus.push((user + system) / 1000);
  }
  return [
    {
      question,
      targetMs,
      rows,
      cpu: Math.min(...cpus),
      min: Math.min(...times),
      p50: percentile(times, 0.5),
      max: Math.max(...times),
    },
  ];
}

async function questions(store: Store): Promise<Measured[]> {
  const found: Measured[] = [];
  const all = { fromMs: START_MS, toMs: END_MS + DAY_MS };
  const usage = async (
    name: string,
    groupBy: UsageGroup[],
    over: {
      bucket?: TimeBucket;
      tz?: string;
      filters?: object;
      days?: number;
      target?: number | null;
      latency?: boolean;
    } = {},
  ): Promise<void> => {
    const { bucket = null, tz = 'UTC', filters = {}, days, target = 50, latency } = over;
    const period = days === undefined ? all : { fromMs: END_MS - days * DAY_MS, toMs: END_MS };
    const question = {
      tenantId: 'default',
      ...period,
      groupBy,
      bucket,
      tz,
      filters,
      ...(latency === undefined ? {} : { latency }),
    };
    found.push(...(await measure(name, target, async () => (await usageAnswer(store, question)).rows.length)));
  };
  for (const group of ['model', 'provider', 'agent', 'tenant', 'source', 'outcome'] as const) {
    await usage(`30 days by ${group}`, [group]);
  }
  await usage('30 days, total', []);
  await usage('30 days by model, agent, outcome', ['model', 'agent', 'outcome']);
  await usage('30 days by model of one agent', ['model'], { filters: { agentId: 'coder' } });
  await usage('30 days, a model nobody used', [], { filters: { model: 'none' } });
  await usage('29.3 days by model (ragged ends)', ['model'], { days: 29.3 });
  await usage('days of 30 days', [], { bucket: 'day' });
  await usage('days of 30 days by model', ['model'], { bucket: 'day' });
  await usage('days of 30 days, New York', [], { bucket: 'day', tz: 'America/New_York' });
  await usage('days of 30 days by model, New York', ['model'], { bucket: 'day', tz: 'America/New_York' });
  await usage('days of 30 days by model, Kolkata', ['model'], { bucket: 'day', tz: 'Asia/Kolkata' });
  await usage('hours of 30 days', [], { bucket: 'hour' });
  await usage('hours of 30 days by model', ['model'], { bucket: 'hour' });
  await usage('hours of 7 days by model', ['model'], { bucket: 'hour', days: 7 });
  await usage('hours of 7 days with latencies', [], { bucket: 'hour', days: 7, latency: true });
  await usage('quarters of 1 day by model', ['model'], { bucket: '15m', days: 1 });
  await usage('months by model', ['model'], { bucket: 'month' });
  await usage('entries: one session, 30 days', [], { filters: { sessionKey: 'agent:main:17' }, target: null });
  await usage('entries: one end user by model, 30 days', ['model'], {
    filters: { endUserId: 'customer-17' },
    target: null,
  });
  await usage('entries: by end user, 1 day', ['endUser'], { days: 1, target: null });
  await usage('entries: by session, 30 days', ['session'], { target: null });

  const page = (name: string, filters: object, cursor: string | null, limit = 100): Promise<Measured[]> =>
    measure(
      name,
      20,
      async () => (await listDispatches(store, { tenantId: 'default', limit, cursor, filters })).data.length,
    );
  const deep = idOf(START_MS + DAY_MS, Math.floor(ENTRIES / 30));
  found.push(...(await page('page: newest 100', {}, null)));
  found.push(...(await page('page: newest 1000', {}, null, 1000)));
  found.push(...(await page('page: deep', {}, deep)));
  found.push(...(await page('page: of a model', { model: 'gpt-5' }, null)));
  found.push(...(await page('page: of a session', { sessionKey: 'agent:main:17' }, null)));
  found.push(...(await page('page: of an end user', { endUserId: 'customer-17' }, null)));
  found.push(...(await page('page: failed', { outcome: 'failed' }, null)));
  found.push(...(await page('page: in flight (none)', { outcome: 'open' }, null)));
  found.push(...(await page('page: a model nobody used', { model: 'none' }, null)));
  found.push(...(await page('page: an agent nobody used', { agentId: 'none' }, null)));
  found.push(...(await page('page: a run', { runId: `run_${idOf(START_MS, 0)}` }, null)));
  found.push(
    ...(await page(
      'page: model and agent, rare with user',
      { model: 'gpt-5', agentId: 'coder', endUserId: 'customer-9' },
      null,
    )),
  );
  found.push(...(await page('page: model and provider that never meet', { model: 'gpt-5', provider: 'google' }, null)));
  return found;
}

/** Makes the ledger; one that was made before is taken as it is. */
async function prepare(database: Database, store: Store): Promise<void> {
  const [known] = await store.read(store.queries.selectFrom('ledger').select('ledgerId').compile());
  if (known) return;
  const filledAt = performance.now();
  await fill(database);
  const rebuiltAt = performance.now();
  await store.write('rebuildRollups', null);
  const foldedAt = performance.now();
  await new Folding(store).foldAll();
  const readyAt = performance.now();
  if (database.kind === 'postgres') await runOn(database.url.reveal(), 'vacuum analyze');
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  console.log(
    `${ENTRIES} entries made in ${seconds(rebuiltAt - filledAt)}, rollups rebuilt in ${seconds(foldedAt - rebuiltAt)}, folded in ${seconds(readyAt - foldedAt)}`,
  );
}

function openLedger(database: Database): Promise<Store> {
  return openStore({
    database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
    holdMs: 600_000,
  });
}

async function make(database: Database): Promise<void> {
  const store = await openLedger(database);
  await prepare(database, store);
  await store.close();
}

function makeApart(database: Database): void {
  const where = database.kind === 'sqlite' ? `--file=${database.file}` : `--database=${database.url.reveal()}`;
  const args = [import.meta.filename, '--make', `--engine=${database.kind}`, `--entries=${ENTRIES}`, where];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

async function ask(database: Database): Promise<void> {
  const store = await openLedger(database);
  for (const { question, targetMs, rows, cpu, min, p50, max } of await questions(store)) {
    const verdict = targetMs === null ? '' : max <= targetMs ? 'ok' : p50 <= targetMs ? 'p50 ok' : 'MISSED';
    console.log(
      `${question.padEnd(44)} ${String(rows).padStart(6)} rows  cpu ${cpu.toFixed(1).padStart(6)}  min ${min.toFixed(1).padStart(7)}  p50 ${p50.toFixed(1).padStart(7)} ms  max ${max.toFixed(1).padStart(7)} ms  ${targetMs === null ? '' : `< ${targetMs}`} ${verdict}`,
    );
  }
  await store.close();
}

async function run(engine: Engine): Promise<void> {
  const folder = join(tmpdir(), `weighbridge-bench-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const server = engine === 'postgres' && flags.database === undefined ? await PostgresServer.start() : null;
  try {
    const database: Database =
      engine === 'postgres'
        ? { kind: 'postgres', url: new Secret(flags.database ?? (await server!.createDatabase())) }
        : { kind: 'sqlite', file: flags.file ?? join(folder, 'ledger.sqlite') };
    if (flags.make) return await make(database);
    console.log(`\n${engine}`);
    makeApart(database);
    await ask(database);
  } finally {
    await server?.end();
    if (existsSync(folder)) rmSync(folder, { recursive: true });
  }
}

for (const engine of ['sqlite', 'postgres'] as const) {
  if (flags.engine === undefined || flags.engine === engine) await run(engine);
}
