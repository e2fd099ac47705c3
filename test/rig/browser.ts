/**
 * A real headless Chromium, driven by playwright-core, which brings no browser: it is the system's. Pages of it say what must
 * not happen: messages on the console, errors, requests off their origin.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env.WEIGHBRIDGE_TEST_CHROMIUM ?? PLACES.find((path) => existsSync(path));
  if (executablePath === undefined) {
    throw new Error(
      'there is no Chromium for the tests of the page: `apt-get install chromium`, or name one with WEIGHBRIDGE_TEST_CHROMIUM',
    );
  }
  // Without a sandbox: in a container it has no rights to make one, and only our own page is opened.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'] });
}

const PACKAGES = join(import.meta.dirname, '../../packages');

/** Builds the page unless it is newer than all that it is built of: a build takes as long as ten tests. */
export async function buildPage(): Promise<void> {
  const built = join(PACKAGES, 'dashboard/dist/index.html');
  const newest = Math.max(...['dashboard', 'client', 'protocol'].flatMap((name) => changesIn(join(PACKAGES, name))));
  if (!existsSync(built) || statSync(built).mtimeMs <= newest) await import('../../scripts/build-page.ts');
}

/** When everything in a folder was changed, but what is built or installed. A folder that lost a file has changed too. */
function changesIn(folder: string): number[] {
  const inside = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !/^(dist|node_modules)$/.test(name));
  const own = statSync(folder).mtimeMs;
  return inside.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? changesIn(path) : [own, statSync(path).mtimeMs];
  });
}

export interface WatchedPage {
  page: Page;
  context: BrowserContext;
  /** What a page must not do, in words; empty while it behaves. */
  misdeeds: string[];
}

/** A page in a context of its own. What it asks of other origins, and what it complains of, is kept. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const misdeeds: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') misdeeds.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => misdeeds.push(`error: ${error.message}`));
  context.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) misdeeds.push(`off the origin: ${request.url()}`);
  });
  return { page, context, misdeeds };
}

/** Signs in as a person does: the form, the token, Enter. */
export async function signIn(page: Page, url: string, token: string, path = '/models'): Promise<void> {
  await page.goto(url + path);
  await page.fill('#credential', token);
  await page.press('#credential', 'Enter');
  await page.waitForSelector('.head');
  if (path !== '/models') await page.goto(url + path);
}
