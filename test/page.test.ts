/**
 * The page in a real browser: signing in, the first call, live sums, drilling down, stopping a run, a gateway that restarts. What
 * it shows is read from the document and held against the ledger. A page that complains or asks elsewhere fails its test.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DispatchRecord, List, UsageAnswer } from '@weighbridge/protocol';
import type { Browser, Page, Request } from 'playwright-core';
import { runCli } from '../packages/gateway/src/cli/program.ts';
import { openPage, signIn, type WatchedPage } from './rig/browser.ts';
import type { PageHouse } from './rig/page-house.ts';
import { type PageSeat, takeSeat } from './rig/page-seat.ts';

const HOSTILE = 'openai/ok-3+<img/src=x/onerror=alert(1)>';
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let seat: PageSeat;
let browser: Browser;
let house: PageHouse;
let watched: WatchedPage;
let page: Page;

before(async () => {
  seat = await takeSeat({ width: 1440, height: 1000 }, 30_000);
  ({ browser, house, watched, page } = seat);
});
after(() => seat?.close());
afterEach(() => assert.deepEqual(watched.misdeeds.splice(0), []));

/** The exact number of a cell of the table. */
async function cell(row: string, column: string): Promise<string | null> {
  const found = page.locator(`.sums tr[data-name="${row}"] td[data-column="${column}"] data`);
  return (await found.count()) === 0 ? null : found.getAttribute('value');
}

async function tile(id: string): Promise<string | null> {
  return page.locator(`[data-tile="${id}"] .value data`).first().getAttribute('value');
}

/** Waits until the tile shows this number. */
async function until(id: string, value: number | string): Promise<void> {
  await page.waitForSelector(`[data-tile="${id}"] .value data[value="${value}"]`);
}

async function faultsOfAccess(rules?: readonly string[]): Promise<string[]> {
  // Half a megabyte, so once a document.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(`(() => { ${AXE} })()`);
  const found = (await page.evaluate(
    `axe.run(document, ${JSON.stringify({ runOnly: rules ?? WCAG, resultTypes: ['violations'] })})`,
  )) as {
    violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[];
  };
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`,
  );
}

test('a wrong token is told so; the right one and Enter open the page, which an empty ledger tells how to fill', async () => {
  await page.goto(`${house.url}/models`);
  assert.deepEqual(await faultsOfAccess(), []);
  await page.fill('#credential', 'wrong');
  await page.press('#credential', 'Enter');
  await page.waitForSelector('text=not a token or key of this gateway');
  // The browser itself tells its console that a document came with an error's status.
  watched.misdeeds.splice(0);
  await signIn(page, house.url, house.token);
  await page.waitForSelector('text=Nothing is metered yet');
  const snippet = await page.locator('.snippets pre').first().textContent();
  assert.ok(snippet?.includes(`${house.url}/v1/chat/completions`));
  assert.deepEqual(await faultsOfAccess(), []);
});

test('`open` prints a link that signs in another browser once', async () => {
  const said: string[] = [];
  const code = await runCli(['open', '--url', house.url, '--token', house.token], {
    stdout: (text) => said.push(text),
    stderr: () => {},
    write: async () => {},
    isTerminal: false,
    stderrIsTerminal: false,
    variables: {},
    onInterrupt: () => {},
    startGateway: () => assert.fail('it starts nothing'),
  });
  assert.equal(code, 0);
  const other = await openPage(browser, house.url);
  await other.page.goto(said.join('').trim());
  await other.page.waitForSelector('.head');
  assert.ok(!other.page.url().includes('code'));
  await other.context.close();
  const third = await openPage(browser, house.url);
  await third.page.goto(said.join('').trim());
  await third.page.waitForSelector('text=This link was used');
  await third.context.close();
});

test('whoever signs in at a shared link sees what it shows', async () => {
  const other = await openPage(browser, house.url);
  await other.page.goto(`${house.url}/models?tab=health&range=7d&filter=model%3A%22a+b%22`);
  await other.page.fill('#credential', house.token);
  await other.page.press('#credential', 'Enter');
  await other.page.waitForSelector('.head');
  assert.match(other.page.url(), /\/models\?tab=health&range=7d&filter=model%3A%22a\+b%22$/);
  await other.context.close();
});

test('nothing secret is in the address, in storage or in what scripts can read', async () => {
  const readable = (await page.evaluate(
    'JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML])',
  )) as string;
  assert.ok(!readable.includes(house.token));
  assert.equal(await page.evaluate('document.cookie'), '');
});

test('the first call turns the light green, and its numbers are the provider’s', async () => {
  await house.call('openai/ok-3');
  await page.waitForSelector('text=The first call is metered');
  await until('requests', 1);
  const { data } = await house.ask<List<DispatchRecord>>('/api/v1/dispatches');
  assert.equal(await tile('tokens'), String(data[0]!.usage!.total));
  assert.equal(await cell('ok-3', 'completion'), String(data[0]!.usage!.output));
});

test('calls arrive while one looks, and the sums are those of the ledger to the last token', async () => {
  for (let n = 0; n < 12; n++)
    await house.call(`openai/ok-${1 + (n % 3)}`, { 'x-weighbridge-end-user-id': `customer-${n % 4}` });
  await until('requests', 13);
  const { totals, rows } = await house.ask<UsageAnswer>('/api/v1/usage?groupBy=model');
  assert.equal(await tile('tokens'), totals.total);
  for (const { group, requests, output } of rows) {
    assert.equal(await cell(group.model!, 'requests'), String(requests));
    assert.equal(await cell(group.model!, 'completion'), output);
  }
  assert.match((await page.textContent('.live'))!, /live \d+\.\d\d s/);
});

test('a model whose name is a script stays text', async () => {
  await house.call(HOSTILE);
  await until('requests', 14);
  const name = HOSTILE.replace('openai/', '');
  await page.waitForSelector(`.sums th[scope="row"] >> text=${name}`);
  assert.equal(await page.locator('img').count(), 0);
});

test('a click filters, the address keeps it, going back takes it away', async () => {
  await page.click('.sums tr[data-name="ok-1"] .name');
  await page.waitForSelector('.sums tbody tr[data-name]:only-child');
  assert.match(page.url(), /filter=model%3Aok-1/);
  const { totals } = await house.ask<UsageAnswer>('/api/v1/usage?model=ok-1');
  await until('requests', totals.requests);
  await page.goBack();
  await until('requests', 14);
});

test('a filter is typed, and one that is none is told so', async () => {
  await page.fill('#filter', 'endUser:customer-1 model:ok-2');
  await page.press('#filter', 'Enter');
  const { totals } = await house.ask<UsageAnswer>('/api/v1/usage?model=ok-2&endUser=customer-1');
  await until('requests', totals.requests);
  await page.fill('#filter', 'colour:red');
  await page.press('#filter', 'Enter');
  assert.match(String(await page.evaluate(`document.querySelector('#filter').validationMessage`)), /no filter/);
  await page.fill('#filter', '');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await until('requests', 14);
});

test('Alt and a click leave a row out, by keys alone: / to the filter, arrows to the rows, Alt Enter, Esc', async () => {
  await page.keyboard.press('/');
  assert.equal(await page.evaluate('document.activeElement.id'), 'filter');
  await page.keyboard.press('Escape');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const name = String(await page.evaluate('document.activeElement.title'));
  await page.keyboard.press('Alt+Enter');
  await page.waitForSelector(`.sums tr[data-name="${name}"]`, { state: 'detached' });
  const { totals } = await house.ask<UsageAnswer>(`/api/v1/usage?exclude=${encodeURIComponent(`model:${name}`)}`);
  await until('requests', totals.requests);
  assert.ok(totals.requests < 14);
  await page.keyboard.press('Escape');
  await until('requests', 14);
  await page.keyboard.press('?');
  await page.waitForSelector('.keys-card');
  await closeCard();
});

/** What is pressed before it is gone would be meant for it. */
async function closeCard(): Promise<void> {
  await page.keyboard.press('Escape');
  await page.waitForSelector('.keys-card', { state: 'detached' });
}

test('single characters can be turned off, and on again without any, and stay so when the page is opened anew', async () => {
  const isFiltering = () => page.evaluate(`document.activeElement.id === 'filter'`);
  await page.keyboard.press('?');
  await page.uncheck('.keys-card input');
  await closeCard();
  for (const opens of [async () => {}, async () => void (await page.reload())]) {
    await opens();
    await until('requests', 14);
    await page.keyboard.press('/');
    assert.equal(await isFiltering(), false);
    await page.keyboard.press('3');
    assert.equal(await page.title(), 'Models · Weighbridge');
    await page.keyboard.press('?');
    assert.equal(await page.locator('.keys-card').count(), 0);
  }
  await page.focus('button.skip');
  await page.keyboard.press('Enter');
  await page.check('.keys-card input');
  await closeCard();
  await page.keyboard.press('/');
  assert.equal(await isFiltering(), true);
  await page.keyboard.press('Escape');
});

test('a read key that is sent to a tab of the operator’s sees the models, under their name', async () => {
  const made = await fetch(`${house.url}/api/v1/keys`, {
    method: 'POST',
    headers: house.headers,
    body: JSON.stringify({ tenantId: 'default', scopes: ['read'] }),
  });
  const { key } = (await made.json()) as { key: string };
  const reader = await openPage(browser, house.url);
  await signIn(reader.page, house.url, key, '/models?tab=keys');
  await reader.page.waitForSelector('[data-tile="requests"] .value data');
  assert.equal(await reader.page.textContent('nav [aria-current]'), 'Models');
  assert.equal(await reader.page.title(), 'Models · Weighbridge');
  assert.deepEqual(reader.misdeeds, []);
  await reader.context.close();
});

test('customers and models stand in one table, and go into a file that no spreadsheet runs', async () => {
  await house.call('openai/ok-1', { 'x-weighbridge-end-user-id': '=1+1' });
  await page.click('nav >> text=Customers');
  await page.waitForSelector('.matrix tr[data-name="=1+1"]');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('.exports >> text=CSV')]);
  assert.match(file.suggestedFilename(), /^customers-\w+-\d{4}-\d\d-\d\d(-to-\d{4}-\d\d-\d\d)?\.csv$/);
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\r\n');
  assert.ok(
    lines.some((line) => line.startsWith("'=1+1,ok-1,1,")),
    lines.join('\n'),
  );
  const { rows } = await house.ask<UsageAnswer>('/api/v1/usage?groupBy=endUser,model');
  assert.equal(lines.length, rows.length + 1);
  const requests = lines.slice(1).reduce((sum, line) => sum + Number(line.split(',')[2]), 0);
  assert.equal(
    requests,
    rows.reduce((sum, { requests }) => sum + requests, 0),
  );
  assert.deepEqual(await faultsOfAccess(), []);
  await page.click('nav >> text=Models');
  await until('requests', 15);
});

test('the other tabs are real: a key is made, shown once and revoked; sessions, webhooks and health answer', async () => {
  await page.click('nav >> text=Keys');
  await page.fill('.new-key [name="name"]', '<b>laptop</b>');
  await page.click('text=Make a key');
  const key = (await page.textContent('.new-key code'))!;
  assert.equal((await fetch(`${house.url}/v1/models`, { headers: { 'x-api-key': key } })).status, 200);
  await page.click('text=I have it');
  await page.click('tr[data-key] .actions button');
  await page.click('text=Really revoke');
  await page.waitForSelector('tr[data-key] >> text=revoked');
  assert.equal((await fetch(`${house.url}/v1/models`, { headers: { 'x-api-key': key } })).status, 401);
  await page.click('nav >> text=Webhooks');
  await page.waitForSelector('text=No endpoint yet');
  await page.click('nav >> text=Sessions');
  await page.waitForSelector('.panel >> text=Sessions');
  await page.click('nav >> text=Health');
  await page.waitForSelector('.health >> text=Takes calls');
  assert.deepEqual(await faultsOfAccess(), []);
  await page.click('nav >> text=Models');
});

test('a dispatch opens in full, line by line, and Escape closes it', async () => {
  await page.click('.list tbody tr:first-child .name');
  await page.waitForSelector('.drawer .lines');
  const id = (await page.textContent('.drawer h2'))!;
  const { usage } = await house.ask<DispatchRecord>(`/api/v1/dispatches/${id}`);
  const shown = await page.locator('.lines tfoot td').first().textContent();
  assert.equal(shown, usage!.total.toLocaleString('en-US'));
  assert.deepEqual(await faultsOfAccess(), []);
  await page.keyboard.press('Escape');
  await page.waitForSelector('.drawer', { state: 'detached' });
});

test('a run in flight is seen with what it has written, and stopped by two clicks', async () => {
  const call = house.call('openai/ok-8+hold-mid', { 'x-weighbridge-agent-id': 'main' });
  await page.waitForSelector('.flight li');
  await page.click('.flight li button');
  await page.click('.flight li button >> text=Really stop');
  await call;
  await page.waitForSelector('.flight li', { state: 'detached' });
  await page.waitForSelector('.list .outcome.aborted');
  house.provider.release();
});

test('the page has no fault that axe knows, in light and in dark, as chart and as table', async () => {
  await page.goto(`${house.url}/models?range=1h`);
  await page.waitForSelector('.canvas canvas');
  assert.deepEqual(await faultsOfAccess(), []);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.click('text=As table');
  assert.deepEqual(await faultsOfAccess(['color-contrast']), []);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.click('text=As chart');
});

test('what is settled while the page opens is not lost between its first sums and the feed', async () => {
  const before = Number(await tile('requests'));
  const isFeed = /\/api\/v1\/events/;
  await page.route(isFeed, async (route) => {
    await house.call('openai/ok-1');
    await route.continue();
  });
  await page.goto(`${house.url}/models`);
  await until('requests', before + 1);
  await page.unroute(isFeed);
});

test('whatever answer of the first ones comes last, nothing of the page is missing, and what is above comes first', async () => {
  const isSums = /\/api\/v1\/usage\?/;
  const parts = ['chart', 'course', 'table', 'before'];
  for (const last of parts) {
    const held = new Map<string, () => Promise<void>>();
    await page.route(isSums, (route) => {
      const part = partOf(route.request().url());
      if (part !== 'sources') return void held.set(part, () => route.continue());
      return route.continue();
    });
    await page.goto(`${house.url}/models`);
    while (held.size < parts.length) await sleep(10);
    for (const part of parts.filter((part) => part !== last)) {
      await held.get(part)!();
      if (part === 'chart') await page.waitForSelector('.canvas canvas');
    }
    if (last === 'table') assert.equal(await page.locator('.sums').count(), 0);
    await held.get(last)!();
    await page.waitForSelector('.sums tbody tr[data-name]');
    await page.waitForSelector('.canvas canvas');
    await page.waitForSelector('[data-tile="requests"] .spark');
    await page.waitForSelector('.flight');
    await page.unroute(isSums);
  }
});

function partOf(url: string): string {
  const { searchParams } = new URL(url);
  if (searchParams.get('groupBy')!.startsWith('source')) return 'sources';
  if (searchParams.get('groupBy') === 'outcome') return searchParams.has('bucket') ? 'course' : 'before';
  return searchParams.has('bucket') ? 'chart' : 'table';
}

test('a tab that nobody sees asks for nothing, and catches up when it is seen', async () => {
  const before = Number(await tile('requests'));
  const asked: string[] = [];
  await page.evaluate(seen(false));
  await page.waitForSelector('.live-paused');
  const note = (request: Request): void => void asked.push(request.url());
  page.on('request', note);
  await house.call('openai/ok-1');
  await sleep(1500);
  page.off('request', note);
  assert.deepEqual(asked, []);
  assert.equal(Number(await tile('requests')), before);
  await page.evaluate(seen(true));
  await page.waitForSelector('.live-live');
  await until('requests', before + 1);
});

/** As a browser tells a page; no tab of this one is ever in the background. */
function seen(isSeen: boolean): string {
  return `Object.defineProperty(document, 'hidden', { configurable: true, value: ${!isSeen} });
    document.dispatchEvent(new Event('visibilitychange'));`;
}

test('a gateway that restarts is told as stale, and what was called meanwhile is there afterwards', async () => {
  const before = Number(await tile('requests'));
  await house.stop();
  await page.waitForSelector('.live-stale');
  await house.start();
  await house.call('openai/ok-2');
  await page.waitForSelector('.live-live');
  await until('requests', before + 1);
  await house.call('openai/ok-2');
  await until('requests', before + 2);
  // Nobody was there to be asked.
  const unexpected = watched.misdeeds.splice(0).filter((text) => !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(text));
  assert.deepEqual(unexpected, []);
});
