/**
 * What the page says, read from its document, against the entries themselves, added up here in another way: for every grouping,
 * and for days of zones in which the clocks change or stand a quarter of an hour apart from others.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { seed } from './quotas.ts';
import { signIn, type WatchedPage } from './rig/browser.ts';
import type { PageHouse } from './rig/page-house.ts';
import { type PageSeat, takeSeat } from './rig/page-seat.ts';
import { seeded } from './rig/random.ts';
import { costOf, priced, randomEntries, type WrittenEntry, writeLedger } from './rig/written-ledger.ts';

const ENTRIES = 900;
const DAY_MS = 86_400_000;
/** Into the clocks' change of this autumn and spring where one lies in the last 80 days; else the days are as long as others. */
const ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];
const NAMES = {
  models: [
    ['openai', 'gpt-5', priced(1.25, 10)],
    ['azure', 'gpt-5', priced(1.5, 11)],
    ['anthropic', 'claude "sonnet" <5>', priced(3, 15)],
    ['google', 'gemini-3-pro', priced(2, 12)],
    ['local', 'unpriced-model', null],
  ] as const,
  agents: ['main', 'support', null],
  sessions: [...Array.from({ length: 25 }, (_, n) => `agent:main:${n}`), null],
  endUsers: ['kunde-ä', 'customer-2', 'customer-3', null],
  tenants: ['default', 'acme'],
};
const GROUPS = {
  model: (entry: WrittenEntry) => entry.model,
  provider: (entry: WrittenEntry) => entry.provider,
  agent: (entry: WrittenEntry) => entry.agentId,
  session: (entry: WrittenEntry) => entry.sessionKey,
  tenant: (entry: WrittenEntry) => entry.tenantId,
  endUser: (entry: WrittenEntry) => entry.endUserId,
  source: (entry: WrittenEntry) => entry.source,
} as const;

const now = Date.now();
const entries = randomEntries(seeded(seed), ENTRIES, now - 80 * DAY_MS, now - 1_000, NAMES);

let seat: PageSeat;
let house: PageHouse;
let watched: WatchedPage;
let page: Page;

before(async () => {
  // Tall, so that every row of the table is drawn.
  seat = await takeSeat({ width: 1600, height: 3000 }, 30_000, (stateDir) => writeLedger(stateDir, entries));
  ({ house, watched, page } = seat);
  await signIn(page, house.url, house.token);
});
after(() => seat?.close());

interface Sum {
  requests: string;
  prompt: string;
  completion: string;
  tokens: string;
  cost: string;
  errors: number;
  p95: number | null;
}

/** By name, `''` for what has none. */
function sumsOf(group: keyof typeof GROUPS): Record<string, Sum> {
  const found: Record<string, Sum> = {};
  for (const [name, own] of Map.groupBy(entries, (entry) => GROUPS[group](entry) ?? '')) found[name] = sumOf(own);
  return found;
}

function sumOf(own: readonly WrittenEntry[]): Sum {
  const add = (amount: (entry: WrittenEntry) => number): string =>
    own.reduce((sum, entry) => sum + BigInt(amount(entry)), 0n).toString();
  const prompt = ({ usage }: WrittenEntry) =>
    usage === null ? 0 : usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h;
  const completed = own.filter(({ outcome }) => outcome === 'completed').map(({ latencyMs }) => latencyMs);
  completed.sort((a, b) => a - b);
  return {
    requests: String(own.length),
    prompt: add(prompt),
    completion: add(({ usage }) => usage?.output ?? 0),
    tokens: add((entry) => prompt(entry) + (entry.usage?.output ?? 0)),
    cost: own.reduce((sum, entry) => sum + (costOf(entry) ?? 0n), 0n).toString(),
    errors: own.filter(({ outcome }) => outcome === 'failed').length / own.length,
    p95: completed[Math.ceil(completed.length * 0.95) - 1] ?? null,
  };
}

/** What the table shows, by name. */
async function shownRows(): Promise<Record<string, Sum>> {
  // The sums are there first.
  await page.waitForSelector('.sums tbody tr[data-name]');
  return (await page.evaluate(`Object.fromEntries([...document.querySelectorAll('.sums tbody tr[data-name]')].map((row) => {
    const value = (column) => row.querySelector('td[data-column="' + column + '"] data')?.value ?? null;
    const number = (column) => value(column) === null ? null : Number(value(column));
    return [row.dataset.name, { requests: value('requests'), prompt: value('prompt'), completion: value('completion'),
      tokens: value('tokens'), cost: value('cost'), errors: number('errors'), p95: number('p95') }];
  }))`)) as Record<string, Sum>;
}

async function open(path: string): Promise<void> {
  await page.goto(`${house.url}/models?range=90d&${path}`);
  await page.waitForSelector(`[data-tile="requests"] .value data[value="${ENTRIES}"]`);
}

for (const group of Object.keys(GROUPS) as (keyof typeof GROUPS)[]) {
  test(`sums by ${group} are those of the entries`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await open(`by=${group}`);
    const expected = sumsOf(group);
    // Percentiles of sessions and end users over months are not asked: they would be waited for.
    const hasNone = group === 'session' || group === 'endUser';
    for (const sum of Object.values(expected)) if (hasNone) sum.p95 = null;
    assert.deepEqual(await shownRows(), expected);
    const tile = await page.locator('[data-tile="cost"] .value data').getAttribute('value');
    assert.equal(tile, sumOf(entries).cost);
  });
}

test('what is left out is out of every sum, and what has no such value stays', async () => {
  await page.goto(
    `${house.url}/models?range=90d&filter=${encodeURIComponent('-model:gpt-5 -agent:main -tenant:acme')}`,
  );
  const own = entries.filter(
    (entry) => entry.model !== 'gpt-5' && entry.agentId !== 'main' && entry.tenantId !== 'acme',
  );
  await page.waitForSelector(`[data-tile="requests"] .value data[value="${own.length}"]`);
  const expected = Object.fromEntries(
    [...Map.groupBy(own, ({ model }) => model)].map(([name, some]) => [name, sumOf(some)]),
  );
  assert.deepEqual(await shownRows(), expected);
});

for (const zone of ZONES) {
  test(`days in ${zone} are those of its own clocks`, async () => {
    await open(`tz=${encodeURIComponent(zone)}`);
    await page.click('text=As table');
    await page.waitForSelector('.twin-table tbody tr');
    const shown = (await page.evaluate(`[...document.querySelectorAll('.twin-table tbody tr')].flatMap((row) =>
      [...row.querySelectorAll('td')].map((cell) => [row.dataset.start, cell.dataset.series, cell.querySelector('data').value]))`)) as [
      string,
      string,
      string,
    ][];
    const dateOf = (ms: number): string => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(ms);
    const expected = new Map<string, bigint>();
    for (const entry of entries) {
      const name = `${dateOf(entry.settledAt)} ${entry.model}`;
      expected.set(name, (expected.get(name) ?? 0n) + (costOf(entry) ?? 0n));
    }
    const found = shown.map(
      ([start, series, cost]) => [`${dateOf(Date.parse(start))} ${series}`, BigInt(cost)] as const,
    );
    assert.equal(new Set(found.map(([name]) => name)).size, found.length, 'a day stands there twice');
    const nonZero = (pairs: Iterable<readonly [string, bigint]>) => [...pairs].filter(([, cost]) => cost > 0n).sort();
    assert.deepEqual(nonZero(found), nonZero(expected));
  });
}

test('a range that begins in the midst of a day holds all of that day’s part, and lists no dispatch from outside', async () => {
  const [fromMs, toMs] = [now - 40.4 * DAY_MS, now - 20.6 * DAY_MS].map((ms) => Math.floor(ms / 900_000) * 900_000);
  const iso = (ms: number): string => encodeURIComponent(new Date(ms).toISOString());
  const own = entries.filter(({ settledAt }) => settledAt >= fromMs! && settledAt < toMs!);
  await page.goto(`${house.url}/models?range=custom&from=${iso(fromMs!)}&to=${iso(toMs!)}&chart=requests`);
  await page.waitForSelector(`[data-tile="requests"] .value data[value="${own.length}"]`);
  await page.click('text=As table');
  await page.waitForSelector('.twin-table tbody tr');
  const drawn = (await page.evaluate(
    `[...document.querySelectorAll('.twin-table td data')].reduce((sum, { value }) => sum + Number(value), 0)`,
  )) as number;
  assert.equal(drawn, own.length);
  await page.waitForSelector('text=Last dispatches of this range');
  const listed = (await page.evaluate(
    `[...document.querySelectorAll('.tail tbody time')].map(({ dateTime }) => Date.parse(dateTime))`,
  )) as number[];
  assert.equal(listed.length, 25);
  assert.deepEqual(
    listed,
    own
      .slice(-25)
      .map(({ settledAt }) => settledAt)
      .reverse(),
  );
});

test('the page did nothing that it must not', () => {
  assert.deepEqual(watched.misdeeds, []);
});
