/**
 * `npm run bench:page`: how large the page is, how soon it shows numbers, how long from a settlement to the screen, whether ten
 * thousand rows scroll, and how a million entries over 90 days and 40 models open. The gateway runs as it does for anybody, the
 * browser is a real one. Flags: `--entries=1000000`, `--file=FOLDER` to keep the large ledger, `--only=size|first|lag|rows|large`.
 * Whoever ends it from outside (`timeout`) reads that the browser has been closed: it needs two minutes, the large ledger more.
 */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../packages/gateway/src/events/room.ts';
import { Folding } from '../packages/gateway/src/ledger/folding.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../packages/gateway/src/ledger/room.ts';
import { openStore } from '../packages/gateway/src/store/open.ts';
import { launchBrowser, openPage, signIn } from '../test/rig/browser.ts';
import { GatewayProcess } from '../test/rig/gateway-process.ts';
import { percentile } from '../test/rig/load.ts';
import { type Random, seeded } from '../test/rig/random.ts';
import { startScriptedProvider } from '../test/rig/scripted-provider.ts';
import { entryRow } from './entry-row.ts';

const { values: flags } = parseArgs({
  options: { entries: { type: 'string' }, file: { type: 'string' }, only: { type: 'string' } },
});
const ENTRIES = Number(flags.entries ?? 1_000_000);
const ROUNDS = 15;
const DAY_MS = 86_400_000;
const MODELS = 40;
const SESSIONS = 10_000;
const RATE = 100;
const LAG_SECONDS = 15;
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-bench-page-'));

function say(what: string, found: number, target: number, unit: string): void {
  const verdict = found <= target ? 'ok' : 'OVER';
  console.log(
    `${what.padEnd(58)} ${found.toFixed(unit === 'kB' ? 1 : 0).padStart(7)} ${unit.padEnd(3)} (at most ${target}) ${verdict}`,
  );
}

const PARTS = ['size', 'first', 'lag', 'rows', 'large'] as const;
if (flags.only !== undefined && !(PARTS as readonly string[]).includes(flags.only)) {
  throw new Error(`--only=${flags.only} measures nothing; it takes ${PARTS.join(', ')}`);
}

function wanted(part: (typeof PARTS)[number]): boolean {
  return flags.only === undefined || flags.only === part;
}

/** Rows straight into the tables, rollups by the ledger's own rebuild: settling a million calls is not what is measured. */
async function makeLedger(file: string, entries: number, days: number, sessions: number): Promise<void> {
  const options = {
    database: { kind: 'sqlite' as const, file },
    durability: 'process' as const,
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
    holdMs: 600_000,
  };
  await (await openStore(options)).close();
  const db = new DatabaseSync(file);
  const random = seeded(20_261_121);
  const endMs = Date.now() - 60_000;
  const startMs = endMs - days * DAY_MS;
  const first = entryOf(random, 0, startMs, sessions);
  const names = Object.keys(first).map((name) => `"${name}"`);
  const insert = db.prepare(`insert into entries (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`);
  db.exec('pragma synchronous = off; begin');
  for (let n = 0; n < entries; n++) {
    insert.run(...Object.values(entryOf(random, n, startMs + Math.floor((n / entries) * (endMs - startMs)), sessions)));
  }
  db.exec(`insert into events (seq, "tenantId", id, type, at, subject, payload)
    select seq, "tenantId", 'evt' || substr("entryId", 4), 'model.usage', "settledAt", "entryId", null from entries;
    insert into ledger (one, "ledgerId", "lastSeq", "lastSettledAt") values (1, 'led_bench', ${entries}, ${endMs + 1});
    commit; pragma wal_checkpoint(truncate)`);
  db.close();
  const store = await openStore(options);
  await store.write('rebuildRollups', null);
  await new Folding(store).foldAll();
  await store.close();
}

function entryOf(random: Random, n: number, startedAt: number, sessions: number) {
  // A few models at a time, all of them over the weeks: so that a quarter of an hour has its calls in few sums, as it would.
  const model = (Math.floor(startedAt / (6 * 3_600_000)) * 7 + Math.floor(random() ** 2 * 6)) % MODELS;
  const latencyMs = Math.round(200 * Math.exp(random() * 4));
  const hasUsage = random() < 0.97;
  const input = Math.floor(20 + random() * 4000);
  return entryRow({
    n,
    startedAt,
    latencyMs,
    agentId: n % 3 === 0 ? 'main' : null,
    sessionKey: `agent:main:${n % sessions}`,
    endUserId: `customer-${n % 500}`,
    provider: `provider-${model % 5}`,
    model: `model-${model}`,
    outcome: hasUsage ? 'completed' : 'failed',
    usageSource: hasUsage ? 'reported' : 'none',
    tokens: hasUsage ? { input, output: Math.floor(10 + random() * 900) } : null,
  });
}

/** Notes when the first number, and when the chart, is on the screen, counted from the navigation's start. */
const WATCH = `(() => {
  const seen = { numbers: null, chart: null };
  const look = () => {
    if (seen.numbers === null && document.querySelector('[data-tile="requests"] .value data')) {
      seen.numbers = -1;
      requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.numbers = performance.now(); }));
    }
    if (seen.chart === null && document.querySelector('.canvas canvas')) {
      seen.chart = -1;
      requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.chart = performance.now(); }));
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
})()`;

/** `between` is run between two openings. */
async function openings(
  page: Page,
  url: string,
  between: () => Promise<void> = async () => {},
): Promise<{ numbers: number[]; chart: number[] }> {
  const numbers: number[] = [];
  const chart: number[] = [];
  await page.addInitScript(WATCH);
  for (let round = 0; round < ROUNDS; round++) {
    await between();
    await page.goto(url);
    const seen = page.locator('html[data-numbers][data-chart]');
    await seen.waitFor({ state: 'attached' });
    const [numbersMs, chartMs] = await Promise.all([
      seen.getAttribute('data-numbers'),
      seen.getAttribute('data-chart'),
    ]);
    // The first fills caches that anybody's second visit has.
    if (round === 0) continue;
    numbers.push(Number(numbersMs));
    chart.push(Number(chartMs));
  }
  return { numbers, chart };
}

async function withGateway<Answer>(
  stateDir: string,
  env: Record<string, string>,
  use: (gateway: GatewayProcess) => Promise<Answer>,
): Promise<Answer> {
  const gateway = new GatewayProcess({ stateDir, config: null, env });
  await gateway.start();
  try {
    return await use(gateway);
  } finally {
    await gateway.stop();
  }
}

/** What the page loads, its drawing library among it; the form to sign in is another document. */
function size(): void {
  const folder = join(import.meta.dirname, '../packages/dashboard/dist/assets');
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'));
  const kilobytes = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0) / 1000;
  const ofForm = scripts.filter((name) => name.startsWith('signIn'));
  say('JavaScript, gzip', kilobytes(scripts.filter((name) => !ofForm.includes(name))), 60, 'kB');
  console.log(`  the form to sign in, beside it: ${kilobytes(ofForm).toFixed(1)} kB`);
}

async function first(browser: Browser): Promise<void> {
  const stateDir = join(scratch, 'first');
  mkdirSync(stateDir, { recursive: true });
  await makeLedger(join(stateDir, 'weighbridge.sqlite'), 20_000, 30, SESSIONS);
  await withGateway(stateDir, {}, async (gateway) => {
    const { page, context } = await openPage(browser, gateway.url, { viewport: { width: 1440, height: 900 } });
    await signIn(page, gateway.url, gateway.token);
    if (wanted('first')) {
      const floor = await barePage(browser);
      const { numbers } = await openings(page, `${gateway.url}/models`, floor.open);
      await floor.close();
      const [median, least] = [percentile(numbers, 0.5), percentile(floor.numbers.slice(1), 0.5)];
      say('first numbers after navigation, median', median, 100, 'ms');
      console.log(
        `  a page of one number and nothing else, opened in turns with it: ${least.toFixed(0)} ms; beyond it ${(median - least).toFixed(0)} ms`,
      );
    }
    if (wanted('rows')) await rows(page, gateway.url);
    await context.close();
  });
}

/** What this browser takes on this machine to open any page with a number in it: one script, and a server that does nothing. */
async function barePage(
  browser: Browser,
): Promise<{ numbers: number[]; open(): Promise<void>; close(): Promise<void> }> {
  const number = '<p data-tile="requests"><b class="value"><data value="1">1</data></b></p>';
  const server = createServer((request, response) => {
    const isScript = request.url === '/number.js';
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html',
      'cache-control': isScript ? 'public, max-age=31536000, immutable' : 'no-store',
    });
    response.end(
      isScript
        ? `document.querySelector('main').innerHTML = ${JSON.stringify(number)};`
        : '<!doctype html><title>One number</title><script type="module" src="/number.js"></script><main></main>',
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.addInitScript(WATCH);
  const numbers: number[] = [];
  return {
    numbers,
    async open() {
      await page.goto(`http://127.0.0.1:${port}/`);
      const seen = page.locator('html[data-numbers]');
      await seen.waitFor({ state: 'attached' });
      numbers.push(Number(await seen.getAttribute('data-numbers')));
    },
    async close() {
      await page.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A wheel turned fast, and a scroll bar dragged: pixels a frame. */
const SPEEDS = [200, 1400];

async function rows(page: Page, url: string): Promise<void> {
  for (const speed of SPEEDS) {
    await page.goto(`${url}/models?range=30d&by=session`);
    await page.waitForSelector('.sums tbody tr[data-name]');
    const count = Number(await page.getAttribute('.sums', 'aria-rowcount')) - 2;
    const spent = await mainThreadMs(page);
    const frames = await scrolled(page, speed);
    const own = ((await spent()) / frames.length).toFixed(1);
    const floor = percentile(await plainTable(page.context().browser()!, count, speed), 0.95);
    const p95 = percentile(frames, 0.95);
    say(`scrolling ${count} rows by ${speed} px: a frame, p95`, p95, 34, 'ms');
    console.log(
      `  a table of as many rows without any script: ${floor.toFixed(0)} ms; times that: ${(p95 / floor).toFixed(2)}`,
    );
    console.log(`  of it the page’s own thread was at work, whatever else ran beside: ${own} ms a frame`);
  }
}

/** How long each frame took, milliseconds. */
async function scrolled(page: Page, speed: number): Promise<number[]> {
  return (await page.evaluate(`new Promise((resolve) => {
    const times = []; let last = performance.now(); let top = 0;
    const step = () => {
      const now = performance.now(); times.push(now - last); last = now;
      top += ${speed}; scrollTo(0, top);
      if (times.length < 240) requestAnimationFrame(step); else resolve(times);
    };
    requestAnimationFrame(step);
  })`)) as number[];
}

/** What this browser does on this machine with rows that are simply there: no page of rows scrolls better. */
async function plainTable(browser: Browser, count: number, speed: number): Promise<number[]> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const row = (n: number) => `<tr>${Array.from({ length: 12 }, (_, cell) => `<td>${n * cell}</td>`).join('')}</tr>`;
  const style = 'table { width: 100%; table-layout: fixed; font: 14px sans-serif } td { height: 34px }';
  await page.setContent(
    `<style>${style}</style><table>${Array.from({ length: count }, (_, n) => row(n)).join('')}</table>`,
  );
  // Until it has been laid out and painted: ten thousand rows take their time.
  await sleep(3000);
  const frames = await scrolled(page, speed);
  await page.close();
  return frames;
}

/** Processor time of the page's thread from now on: what a machine that is busy with other things does not lengthen. */
async function mainThreadMs(page: Page): Promise<() => Promise<number>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async (): Promise<number> => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000;
  };
  const before = await read();
  return async () => (await read()) - before;
}

/** A steady load beside an open page, whose own measure is read: from the settlement to after the frame that shows it. */
async function lag(browser: Browser): Promise<void> {
  const provider = await startScriptedProvider(join(scratch, 'journal.ndjson'));
  const env = { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: provider.baseUrl };
  await withGateway(join(scratch, 'lag'), env, async (gateway) => {
    const call = async (): Promise<void> => {
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.token}` },
        body: JSON.stringify({ model: 'openai/ok-3', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
      });
      await answer.text();
    };
    await call();
    const { page, context } = await openPage(browser, gateway.url, { viewport: { width: 1440, height: 900 } });
    await signIn(page, gateway.url, gateway.token);
    await page.waitForSelector('.live-live');
    const calls: Promise<void>[] = [];
    const spent = await mainThreadMs(page);
    const startedAt = performance.now();
    for (let n = 0; n < RATE * LAG_SECONDS; n++) {
      calls.push(call());
      await sleep(Math.max(0, startedAt + ((n + 1) * 1000) / RATE - performance.now()));
    }
    await Promise.all(calls);
    await sleep(500);
    const shown = Number(/([\d.]+) s/.exec((await page.textContent('.live .lag')) ?? '')?.[1]) * 1000;
    const requests = await page.locator('[data-tile="requests"] .value data').getAttribute('value');
    console.log(`calls shown: ${requests} of ${calls.length + 1}`);
    say(`settled to painted at ${RATE}/s, p99`, shown, 250, 'ms');
    const own = ((await spent()) / (performance.now() - startedAt)) * 100;
    console.log(`  of it the page’s own thread was at work: ${own.toFixed(0)} % of the time`);
    await context.close();
  });
  await provider.close();
}

async function large(browser: Browser): Promise<void> {
  const stateDir = flags.file ?? join(scratch, 'large');
  const file = join(stateDir, 'weighbridge.sqlite');
  mkdirSync(stateDir, { recursive: true });
  if (!existsSync(file)) {
    const startedAt = performance.now();
    await makeLedger(file, ENTRIES, 90, SESSIONS);
    console.log(`${ENTRIES} entries made in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
  await withGateway(stateDir, {}, async (gateway) => {
    const { page, context } = await openPage(browser, gateway.url, { viewport: { width: 1440, height: 900 } });
    await signIn(page, gateway.url, gateway.token);
    const { numbers, chart } = await openings(page, `${gateway.url}/models?range=90d`);
    say(`90 days, ${MODELS} models, ${ENTRIES} entries: numbers, median`, percentile(numbers, 0.5), 300, 'ms');
    say('the same with its chart drawn, median', percentile(chart, 0.5), 300, 'ms');
    await context.close();
  });
}

await import('../scripts/build-page.ts');
const browser = await launchBrowser();
try {
  if (wanted('size')) size();
  if (wanted('first') || wanted('rows')) await first(browser);
  if (wanted('lag')) await lag(browser);
  if (wanted('large')) await large(browser);
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
}
