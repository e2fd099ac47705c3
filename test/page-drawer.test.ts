/**
 * The drawer of one dispatch in a real browser: an answer that fails is asked for again, what an uncounted call cost is shown,
 * and closing it leads back to where one was: the focus, and the browser's history.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { DispatchRecord, List } from '@weighbridge/protocol';
import type { Page } from 'playwright-core';
import { signIn, type WatchedPage } from './rig/browser.ts';
import type { PageHouse } from './rig/page-house.ts';
import { type PageSeat, takeSeat } from './rig/page-seat.ts';

let seat: PageSeat;
let house: PageHouse;
let watched: WatchedPage;
let page: Page;

before(async () => {
  seat = await takeSeat({ width: 1440, height: 1000 }, 10_000);
  ({ house, watched, page } = seat);
  for (const model of ['ok-1', 'ok-2', 'ok-3']) await house.call(`openai/${model}`);
  await signIn(page, house.url, house.token);
});
after(() => seat?.close());
beforeEach(async () => {
  await page.goto(`${house.url}/models?range=1h`);
  await page.waitForSelector('.list tbody tr:nth-child(3)');
});
afterEach(() => assert.deepEqual(watched.misdeeds.splice(0), []));

const SECOND = '.list tbody tr:nth-child(2) .name';

async function newest(): Promise<DispatchRecord> {
  return (await house.ask<List<DispatchRecord>>('/api/v1/dispatches?limit=1')).data[0]!;
}

async function closed(): Promise<void> {
  await page.waitForSelector('.drawer', { state: 'detached' });
}

/** Waits until it has the focus: that comes with the frame in which the drawer goes. */
async function hasFocus(selector: string): Promise<void> {
  await page.waitForSelector(`${selector}:focus`, { state: 'attached' });
}

const CLOSERS: readonly [string, () => Promise<void>][] = [
  ['Escape', () => page.keyboard.press('Escape')],
  ['its button', () => page.click('.drawer >> text=Close')],
  ['a click beside it', () => page.mouse.click(5, 500)],
  ['going back', async () => void (await page.goBack())],
];

for (const [name, close] of CLOSERS) {
  test(`closed by ${name} it gives the focus back, and going back or forth opens nothing by itself`, async () => {
    const before = page.url();
    await page.focus(SECOND);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.drawer .lines');
    await page.evaluate(`globalThis.own = document.querySelector('.drawer')`);
    await close();
    await closed();
    await hasFocus(SECOND);
    assert.equal(await page.evaluate('own.open'), false, 'a dialog that goes while it is open leaves the page inert');
    await page.waitForURL(before);
    await page.click('nav >> text=Customers');
    await page.waitForSelector('.matrix');
    await page.goBack();
    await page.waitForURL(before);
    assert.equal(await page.locator('.drawer').count(), 0);
    await page.waitForSelector('.list tbody tr');
    await page.goBack();
    assert.ok(!page.url().includes('dispatch='), page.url());
    assert.equal(await page.locator('.drawer').count(), 0);
  });
}

test('opened by a click beside a name, the focus goes to the name', async () => {
  await page.click('.list tbody tr:nth-child(2) td:nth-child(3)');
  await page.waitForSelector('.drawer .lines');
  await page.keyboard.press('Escape');
  await closed();
  await hasFocus(SECOND);
});

test('opened by a link it closes onto its row, or the content where it has none, and adds nothing to the history', async () => {
  const { dispatchId } = await newest();
  for (const [range, selector] of [
    ['range=1h', `[data-dispatch="${dispatchId}"] .name`],
    ['range=1h&tab=health', '#main'],
  ] as const) {
    await page.goto(`${house.url}/models?${range}&dispatch=${dispatchId}`);
    await page.waitForSelector('.drawer .lines');
    await page.waitForSelector(selector);
    const entries = await page.evaluate('history.length');
    await page.keyboard.press('Escape');
    await closed();
    await hasFocus(selector);
    assert.ok(!page.url().includes('dispatch='));
    assert.equal(await page.evaluate('history.length'), entries);
  }
  await page.goBack();
  assert.equal(await page.locator('.drawer').count(), 0, 'the link before it was closed as well');
});

test('loaded anew while it is open it closes onto the page that it was opened from', async () => {
  const before = page.url();
  await page.click(SECOND);
  await page.waitForSelector('.drawer .lines');
  await page.reload();
  await page.waitForSelector('.drawer .lines');
  await page.keyboard.press('Escape');
  await closed();
  await page.waitForURL(before);
});

test('its run becomes a filter, and going back from there opens nothing', async () => {
  const before = page.url();
  await page.click(SECOND);
  await page.waitForSelector('.drawer .lines');
  await page.click('.drawer dd .name');
  await closed();
  await page.waitForURL(/filter=run/);
  await page.goBack();
  await page.waitForURL(before);
  assert.equal(await page.locator('.drawer').count(), 0);
});

test('an answer that failed is asked for again, and the drawer says what it then is', async () => {
  const address = /\/api\/v1\/dispatches\/dsp_/;
  await page.route(address, (route) => route.abort());
  await page.click(SECOND);
  await page.waitForSelector('.drawer >> text=The gateway cannot be reached.');
  await page.click('.drawer >> text=Try again');
  await page.waitForSelector('.drawer >> text=The gateway cannot be reached.');
  await page.unroute(address);
  await page.click('.drawer >> text=Try again');
  await page.waitForSelector('.drawer .lines');
  assert.equal(await page.locator('.drawer .problem').count(), 0);
  assert.equal(await page.evaluate(`document.querySelector('.drawer').contains(document.activeElement)`), true);
  // The browser itself tells its console of answers that did not come.
  watched.misdeeds.splice(0);
});

test('another model’s tokens stand in lines of their own, and each line is its units times its rate', async () => {
  const address = /\/api\/v1\/dispatches\/dsp_/;
  const line = (bucket: string, units: number, rate: number) => {
    const amountPicoUsd = String(units * rate);
    return { bucket, units, ratePicoUsd: String(rate), amountPicoUsd, source: 'config' };
  };
  await page.route(address, async (route) => {
    const response = await route.fetch();
    const detail = (await response.json()) as { usage: object; cost: object };
    const usage = { ...detail.usage, input: 30, cacheRead: 7, output: 40, reasoning: null, total: 77 };
    const priceLines = [line('input', 10, 2e6), line('output', 20, 1e7), line('claude-opus-5 input', 20, 5e6)];
    priceLines.push(line('claude-opus-5 output', 20, 25e6), line('claude-opus-5 cacheRead', 7, 5e5));
    await route.fulfill({ response, json: { ...detail, usage, priceLines } });
  });
  await page.click(SECOND);
  await page.waitForSelector('.drawer .lines');
  const rows = await page.locator('.drawer .lines tbody tr').allTextContents();
  await page.unroute(address);
  assert.deepEqual(rows, [
    'Input102$0.00002',
    'Output2010$0.0002',
    'claude-opus-5 input205$0.0001',
    'claude-opus-5 output2025$0.0005',
    'claude-opus-5 cacheRead70.5$0.0000035',
  ]);
});

test('usage that came late, by a correction, has its lines, and is not told as uncounted', async () => {
  const address = /\/api\/v1\/dispatches\/dsp_/;
  let total = 0;
  await page.route(address, async (route) => {
    const response = await route.fetch();
    const detail = (await response.json()) as DispatchRecord;
    total = detail.usage!.total;
    const late = { ...detail, entryId: 'cor_1', kind: 'correction', reason: 'settled_late' };
    const json = { ...detail, outcome: 'uncertain', usage: null, cost: null, usageSource: 'none', corrections: [late] };
    await route.fulfill({ response, json });
  });
  await page.click(SECOND);
  await page.waitForSelector('.drawer .lines');
  const [foot, correction] = [await page.textContent('.drawer tfoot'), await page.textContent('.drawer .corrections')];
  await page.unroute(address);
  assert.ok(foot!.includes(total.toLocaleString('en-US')), `the total is not in ${foot}`);
  assert.match(correction!, /^settled_late: usage on /);
});

test('what an uncounted call cost is shown: its cost, and what whoever sent it says', async () => {
  const body = JSON.stringify({ model: 'dall-e-3', cost_usd: 0.5, latency_ms: 900, agent_name: 'main' });
  await fetch(`${house.url}/api/v1/ingest/model_usage`, { method: 'POST', headers: house.headers, body });
  const { dispatchId } = await newest();
  await page.click(`[data-dispatch="${dispatchId}"] .name`);
  await page.waitForSelector('.drawer >> text=Nothing was counted');
  const rows = await page.locator('.drawer .lines tr').allTextContents();
  assert.deepEqual(rows, ['Cost, reported$0.500000', 'The provider says$0.500000']);
});
