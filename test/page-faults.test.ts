/**
 * The page on a bad day: answers that fail, come late or never, a period that ends under it, an address that says what cannot
 * be. What it shows stays true, what it lacks it says, and it comes round by itself.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page, Route } from 'playwright-core';
import { signIn, type WatchedPage } from './rig/browser.ts';
import type { PageHouse } from './rig/page-house.ts';
import { type PageSeat, takeSeat } from './rig/page-seat.ts';

const IS_SUMS = /\/api\/v1\/usage\?/;
const IS_LIST = /\/api\/v1\/dispatches\?/;

let seat: PageSeat;
let house: PageHouse;
let watched: WatchedPage;
let page: Page;

before(async () => {
  seat = await takeSeat({ width: 1440, height: 1000 }, 15_000);
  ({ house, watched, page } = seat);
  for (const end of ['a', 'b']) await house.call('openai/ok-1', { 'x-weighbridge-end-user-id': `customer-${end}` });
  await house.call('openai/ok-2');
  await signIn(page, house.url, house.token);
});
after(() => seat?.close());
afterEach(async () => {
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  // The browser itself tells its console of answers with an error's status.
  const unexpected = watched.misdeeds.splice(0).filter((text) => !/status of (429|500|503)/.test(text));
  assert.deepEqual(unexpected, []);
});

const requests = async (): Promise<number> =>
  Number(await page.locator('[data-tile="requests"] .value data').first().getAttribute('value'));

function parameter(route: Route, name: string): string | null {
  return new URL(route.request().url()).searchParams.get(name);
}

test('a period that ends while answers are slow floods nobody, and the numbers go on', async () => {
  let asked = 0;
  await page.route(IS_SUMS, async (route) => {
    asked += 1;
    const response = await route.fetch();
    const answer = (await response.json()) as { to: string };
    await sleep(300);
    // Every event lies after its end.
    await route.fulfill({ response, json: { ...answer, to: new Date(Date.now() - 60_000).toISOString() } });
  });
  await page.goto(`${house.url}/models?range=1h`);
  await page.waitForSelector('.live-live');
  await page.waitForSelector('.sums tbody tr[data-name]');
  const before = await requests();
  asked = 0;
  const endsAt = Date.now() + 4_000;
  let called = 0;
  for (; Date.now() < endsAt; called++) await house.call('openai/ok-1');
  const seen = await requests();
  assert.ok(called > 20, `${called} calls`);
  assert.ok(asked <= 5 * 5, `${asked} questions in 4 s`);
  assert.ok(seen > before + 1, `${seen} of ${before + called} were shown`);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.waitForSelector(`[data-tile="requests"] .value data[value="${before + called}"]`);
});

test('one answer that fails takes nothing else away, is told of, and is asked again', async () => {
  let fails = true;
  await page.route(IS_SUMS, (route) => {
    const isChart = parameter(route, 'bucket') !== null && parameter(route, 'groupBy') === 'model';
    if (!fails || !isChart) return route.continue();
    return route.fulfill({ status: 429, headers: { 'retry-after': '1' }, json: { error: { message: 'Too many.' } } });
  });
  await page.goto(`${house.url}/models`);
  await page.waitForSelector('.sums tbody tr[data-name]');
  await page.waitForSelector('.flight');
  await page.waitForSelector('.list tbody tr');
  await page.waitForSelector('[role="alert"] >> text=Too many.');
  fails = false;
  await page.waitForSelector('.canvas canvas');
  await page.waitForSelector('[role="alert"]', { state: 'detached' });
});

test('a list of dispatches that could not be asked says so, and comes', async () => {
  let fails = true;
  await page.route(IS_LIST, (route) => {
    if (!fails) return route.continue();
    return route.fulfill({ status: 500, json: { error: { message: 'Not now.' } } });
  });
  await page.goto(`${house.url}/models`);
  await page.waitForSelector('.tail >> text=Not now.');
  fails = false;
  await page.waitForSelector('.list tbody tr');
  assert.equal(await page.locator('.tail >> text=Not now.').count(), 0);
});

test('until the answer for another group is there, rows keep the name of theirs', async () => {
  await page.goto(`${house.url}/models`);
  await page.waitForSelector('.sums tbody tr[data-name="ok-1"]');
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(IS_SUMS, async (route) => {
    await held;
    await route.continue();
  });
  await page.selectOption('#group', 'endUser');
  await page.waitForSelector('.answered[aria-busy="true"]');
  assert.equal(await page.textContent('.table-card h2'), 'Models');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('.table-card .exports >> text=CSV')]);
  assert.match(file.suggestedFilename(), /^model-24h-/);
  await page.click('.sums tr[data-name="ok-1"] .name');
  assert.match(page.url(), /filter=model%3Aok-1/);
  release();
  await page.waitForSelector('.answered[aria-busy="false"]');
  assert.equal(await page.textContent('.table-card h2'), 'End users');
  assert.equal(await page.locator('.sums tbody tr[data-name="ok-1"]').count(), 0);
});

test('of an address that says what cannot be, the rest holds and the page tells of it', async () => {
  const filter = encodeURIComponent('tenant:acme colour:red tenant:default model:ok-2');
  await page.goto(`${house.url}/models?filter=${filter}`);
  await page.waitForSelector('[role="alert"] >> text=“colour:red” is no filter');
  const chips = await page.locator('.chip').allTextContents();
  assert.deepEqual(
    chips.map((text) => text.replace(/\s*×$/, '')),
    ['tenant:default', 'model:ok-2'],
  );
  await page.waitForSelector('[data-tile="requests"] .value data[value="1"]');
  await page.waitForSelector('.list tbody tr');
});

test('what a filter excludes is looked past, however much of it came last', async () => {
  for (let n = 0; n < 60; n++) await house.call('openai/ok-1');
  await page.goto(`${house.url}/models?filter=-model:ok-1`);
  await page.waitForSelector('.list tbody tr >> text=ok-2');
});

test('customers whose answer takes longer than the pause between questions are shown all the same', async () => {
  await page.route(IS_SUMS, async (route) => {
    await sleep(5_500);
    await route.continue();
  });
  await page.goto(`${house.url}/models?tab=customers`);
  await page.waitForSelector('.matrix tr[data-name="customer-a"]');
});

test('sessions of one name are told apart by their tenants, and lead to their own dispatches', async () => {
  const keyOf = async (tenantId: string): Promise<string> => {
    const made = await fetch(`${house.url}/api/v1/keys`, {
      method: 'POST',
      headers: { ...house.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ tenantId, scopes: ['dispatch'] }),
    });
    return ((await made.json()) as { key: string }).key;
  };
  for (const [tenantId, calls] of [
    ['acme', 1],
    ['globex', 3],
  ] as const) {
    const authorization = `Bearer ${await keyOf(tenantId)}`;
    for (let n = 0; n < calls; n++) {
      await house.call('openai/ok-1', { authorization, 'x-weighbridge-session-key': 'agent:main:main' });
    }
  }
  await page.goto(`${house.url}/models?tab=sessions`);
  await page.locator('tr[data-session="agent:main:main"]', { hasText: 'globex' }).locator('.name').click();
  await page.waitForSelector('.tail th >> text=Tenant');
  assert.match(page.url(), /tenant%3Aglobex/);
  await page.waitForSelector('[data-tile="requests"] .value data[value="3"]');
});
