/**
 * The page as hands and small screens use it: a double click, a date typed key by key, long tables, long names, phones. What
 * counts is measured in a real browser: where things stand, how wide they are, what was asked.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyInfo, List } from '@weighbridge/protocol';
import type { Page } from 'playwright-core';
import { signIn, type WatchedPage } from './rig/browser.ts';
import type { PageHouse } from './rig/page-house.ts';
import { type PageSeat, takeSeat } from './rig/page-seat.ts';
import { seeded } from './rig/random.ts';
import { priced, randomEntries, writeLedger } from './rig/written-ledger.ts';

const HOUR_MS = 3_600_000;
/** More rows than are all drawn. */
const SESSIONS = 200;
const LONG = 'agent:main:telegram:group:-1001234567890:topic:42:user:9876543210';
/** Turns the order of what follows it, unless it is held. */
const TURNING = 'ok-3+<\u202Etxt.exe>';

let seat: PageSeat;
let house: PageHouse;
let watched: WatchedPage;
let page: Page;

before(async () => {
  seat = await takeSeat({ width: 1366, height: 900 }, 30_000, manySessions);
  ({ house, watched, page } = seat);
  await signIn(page, house.url, house.token);
});
after(() => seat?.close());
afterEach(() => assert.deepEqual(watched.misdeeds.splice(0), []));

async function manySessions(stateDir: string): Promise<void> {
  const now = Date.now();
  const names = {
    models: [
      ['anthropic', 'claude-sonnet-5', priced(3, 15)],
      ['openai', 'gpt-5-mini', priced(0.25, 2)],
    ],
    agents: ['main'],
    sessions: Array.from({ length: SESSIONS }, (_, n) => `agent:main:telegram:${n}`),
    endUsers: ['acme'],
    tenants: ['default'],
  } as const;
  await writeLedger(stateDir, randomEntries(seeded(3), 1200, now - 20 * HOUR_MS, now - 1000, names));
}

async function open(search: string, width: number, height = 900): Promise<void> {
  await page.setViewportSize({ width, height });
  await page.goto(`${house.url}/models${search}`);
  await page.waitForSelector('.sums thead, .new-key, .panel');
}

/** Until this holds in the page, whose policy lets no function in that would wait there. */
async function until(holds: string): Promise<void> {
  const endsAt = Date.now() + 15_000;
  while ((await page.evaluate(holds)) !== true) {
    assert.ok(Date.now() < endsAt, `not within 15 s: ${holds}`);
    await sleep(50);
  }
}

/** By how much the page is wider than the screen. */
async function sideways(): Promise<number> {
  return Number(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'));
}

test('a double click revokes no key, nor does a key that is held down; two clicks do', async () => {
  await open('?tab=keys', 1366);
  await page.fill('.new-key [name="name"]', 'production');
  await page.click('text=Make a key');
  const button = page.locator('tr[data-key] .actions button');
  await button.dblclick();
  assert.equal(await button.getAttribute('aria-label'), 'Really revoke the key production');
  await sleep(300);
  const { data } = await house.ask<List<KeyInfo>>('/api/v1/keys');
  assert.deepEqual(
    data.map(({ state }) => state),
    ['active'],
  );
  // Until it has forgotten.
  await page.waitForSelector('text=Really revoke', { state: 'detached' });
  await button.focus();
  await page.keyboard.down('Enter');
  // Longer than a double click takes.
  await sleep(600);
  await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  assert.equal(await button.textContent(), 'Really revoke');
  await button.click();
  await page.waitForSelector('tr[data-key] >> text=revoked');
});

test('a range that is typed key by key is one step back, and asks for nothing in between', async () => {
  await open('', 1366);
  await page.selectOption('#range', 'custom');
  const from = page.locator('.custom input').first();
  const before = await from.inputValue();
  const asked: string[] = [];
  page.on('request', (request) => void (request.url().includes('/api/v1/usage?') && asked.push(request.url())));
  const steps = async (): Promise<number> => Number(await page.evaluate('history.length'));
  const stepsBefore = await steps();
  await sleep(500);
  asked.splice(0);
  await from.click({ position: { x: 12, y: 12 } });
  await page.keyboard.type('10202024', { delay: 30 });
  assert.equal((await from.inputValue()).slice(0, 10), '2024-10-20');
  assert.equal(await steps(), stepsBefore);
  assert.deepEqual(asked, []);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.period >> text=Oct 20, 2024');
  assert.equal(await steps(), stepsBefore + 1);
  assert.match(page.url(), /from=2024-10-20T/);
  // A stretch that ends before it begins waits for its other end.
  const to = page.locator('.custom input').last();
  await to.click({ position: { x: 12, y: 12 } });
  await page.keyboard.type('09012024', { delay: 30 });
  await from.focus();
  assert.equal(await page.locator('.custom input:invalid').count(), 1);
  assert.equal(await steps(), stepsBefore + 1);
  await page.goBack();
  await until(
    `document.querySelector('.custom input').value === '${before}' && document.querySelector('.custom :invalid') === null`,
  );
});

for (const width of [1024, 1366, 1440]) {
  test(`at ${width} pixels every number of a long table is read in full, and the table fills its card`, async () => {
    await open('?by=session&compare=no', width);
    await page.waitForSelector('.sums.long');
    const cut = await page.evaluate(`[...document.querySelectorAll('.sums :is(td, th)[data-column]')]
      .filter((cell) => cell.offsetWidth > 0 && cell.scrollWidth > cell.clientWidth)
      .map((cell) => cell.dataset.column + ' ' + cell.textContent)`);
    assert.deepEqual(cut, []);
    const [table, card, last, name] = (await page.evaluate(`[
      document.querySelector('.sums').getBoundingClientRect().right,
      document.querySelector('.table-card').getBoundingClientRect().right,
      document.querySelector('.sums thead th:last-child').getBoundingClientRect().right,
      document.querySelector('.sums tbody .name').getBoundingClientRect().width,
    ]`)) as number[];
    assert.ok(Math.abs(table! - last!) < 2, `the last column ends at ${last}, the table at ${table}`);
    assert.ok(table! <= card! + 1, `the table ends at ${table}, its card at ${card}`);
    assert.ok(name! > 100, `${name} px for the name`);
  });
}

test('the drawer shows how long was waited and written, and a name that turns letters turns only its own', async () => {
  await house.call(`openai/${TURNING}`);
  await open('', 1366);
  await page.click('.tail tbody tr:first-child .name');
  await page.waitForSelector('.waterfall [role="img"]');
  const heights = await page.evaluate(
    `[...document.querySelectorAll('.waterfall [role="img"] > *')].map((part) => Math.round(part.getBoundingClientRect().height))`,
  );
  assert.deepEqual(heights, [12, 12]);
  const [modelEnds, outcomeBegins] = (await page.evaluate(`[
    document.querySelector('.lead b').getBoundingClientRect().right,
    document.querySelector('.lead .outcome').getBoundingClientRect().left,
  ]`)) as number[];
  assert.ok(modelEnds! < outcomeBegins!, `the model ends at ${modelEnds}, its outcome begins at ${outcomeBegins}`);
});

test('at 320 pixels the amounts of the drawer and the end of every chip are on the screen, and nothing moves sideways', async () => {
  const held = house.call('openai/ok-8+hold-mid', {
    'x-weighbridge-session-key': LONG,
  });
  const filters = `filter=${encodeURIComponent(`-session:${LONG} -agent:${LONG}`)}`;
  for (const width of [320, 360]) {
    for (const search of [`?${filters}`, `?by=session&${filters}&range=custom&from=2024-01-01&to=2027-01-01`]) {
      await open(search, width, 640);
      await page.waitForSelector('.legend .key');
      assert.ok((await sideways()) <= 0, `${await sideways()} px too wide at ${width} with ${search}`);
      const ends = (await page.evaluate(`[...document.querySelectorAll('.chip')].map((chip) => {
        const [own, cross] = [chip, chip.lastElementChild].map((part) => part.getBoundingClientRect());
        return [cross.right <= own.right && own.right <= innerWidth, chip.title.length];
      })`)) as [boolean, number][];
      assert.equal(ends.length, 2);
      for (const [isInside, title] of ends) assert.ok(isInside && title > LONG.length);
    }
  }
  await open('', 320, 640);
  await page.waitForSelector('.flight li');
  assert.ok((await sideways()) <= 0, 'with a run of a long name in flight');
  await page.locator('.tail tbody tr', { hasText: 'claude' }).first().locator('.name').click();
  await page.waitForSelector('.drawer .lines');
  const right = await page.evaluate(
    `Math.max(...[...document.querySelectorAll('.lines :is(td, th)')].map((cell) => cell.getBoundingClientRect().right))`,
  );
  assert.ok(Number(right) <= 320, `the price lines end at ${right}`);
  await page.keyboard.press('Escape');
  house.provider.release();
  await held;
});

test('on a phone the head is as high while it connects as when it is live, and the tab one is on is seen', async () => {
  for (const width of [320, 360, 390, 430, 1024]) {
    await open('?tab=health', width, 640);
    await page.waitForSelector('.live-live');
    const heights = await page.evaluate(`(() => {
      const [head, live] = ['.head', '.live'].map((which) => document.querySelector(which));
      const texts = ['connecting', 'stale', 'live 99.99 s', 'live'];
      return texts.map((said) => { live.replaceChildren(live.firstChild, said); return head.offsetHeight; });
    })()`);
    assert.equal(new Set(heights as number[]).size, 1, `at ${width}: ${heights}`);
    if (width === 1024) assert.ok((heights as number[])[0]! < 60, `${heights} px for one line`);
    const end = await page.evaluate(`document.querySelector('nav [aria-current]').getBoundingClientRect().right`);
    assert.ok(Number(end) <= width, `the tab ends at ${end} of ${width}`);
  }
});

test('thirty runs in flight take no more of the page than a list does, and keys reach the last of them', async () => {
  await open('', 390, 844);
  const held = Array.from({ length: 30 }, (_, n) =>
    house.call('openai/ok-8+hold-mid', { 'x-weighbridge-agent-id': `a${n}` }),
  );
  await until(`document.querySelectorAll('.flight li').length === 30`);
  const height = async () => Number(await page.evaluate(`document.querySelector('.flight').offsetHeight`));
  assert.ok((await height()) < 500, `${await height()} px`);
  await page.setViewportSize({ width: 1366, height: 900 });
  assert.ok((await height()) < 900, `${await height()} px on a laptop`);
  assert.match((await page.getAttribute('.flight li button', 'aria-label'))!, /^Stop run of ok-8\+hold-mid, a\d+$/);
  await page.focus('.runs');
  await page.keyboard.press('End');
  await until(`document.querySelector('.runs').scrollTop > 100`);
  house.provider.release();
  await Promise.all(held);
});

test('what keys point at in the chart is said, and only then', async () => {
  await open('', 1366);
  await page.waitForSelector('.canvas canvas');
  await page.hover('.canvas .u-over', { position: { x: 300, y: 100 } });
  await page.waitForSelector('.legend .when:not(:empty)');
  assert.equal(await page.textContent('.chart-card [role="status"]'), '');
  await page.focus('.canvas');
  await page.keyboard.press('ArrowLeft');
  await until(
    `/^\\w{3} \\d+, \\d\\d:\\d\\d: /.test(document.querySelector('.chart-card [role="status"]').textContent)`,
  );
});
