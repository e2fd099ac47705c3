/**
 * Takes the pictures of the page that the documents show: `node scripts/screenshots.ts` writes docs/images/. The ledger is made
 * of a seed, the browser is a real one; look at what comes out before it is committed.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { launchBrowser, openPage, signIn } from '../test/rig/browser.ts';
import { PageHouse } from '../test/rig/page-house.ts';
import { type Random, seeded } from '../test/rig/random.ts';
import { priced, randomEntries, type WrittenEntry, writeLedger } from '../test/rig/written-ledger.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const folder = join(import.meta.dirname, '../docs/images');

/** Those that are used more stand there more often. */
const MODELS = [
  ['anthropic', 'claude-sonnet-5', priced(3, 15)],
  ['anthropic', 'claude-sonnet-5', priced(3, 15)],
  ['anthropic', 'claude-sonnet-5', priced(3, 15)],
  ['openai', 'gpt-5', priced(1.25, 10)],
  ['openai', 'gpt-5', priced(1.25, 10)],
  ['openai', 'gpt-5-mini', priced(0.25, 2)],
  ['openai', 'gpt-5-mini', priced(0.25, 2)],
  ['google', 'gemini-3-pro', priced(2, 12)],
  ['anthropic', 'claude-opus-5', priced(5, 25)],
  ['openrouter', 'qwen3-coder', priced(0.4, 1.6)],
] as const;
const NAMES = {
  models: MODELS,
  agents: ['main', 'main', 'support', 'coder', null],
  sessions: Array.from({ length: 40 }, (_, n) => `agent:main:telegram:${1000 + n}`),
  endUsers: ['acme', 'acme', 'globex', 'initech', 'umbrella', 'hooli'],
  tenants: ['default'],
};

/** People work by day: most calls come in the afternoon, few at night. */
function byDay(random: Random, entries: readonly WrittenEntry[]): WrittenEntry[] {
  return entries.filter(({ settledAt }) => {
    const hour = (settledAt % DAY_MS) / HOUR_MS;
    return random() < 0.12 + 0.88 * Math.max(0, Math.sin(((hour - 6) / 15) * Math.PI)) ** 1.5;
  });
}

interface Shot {
  name: string;
  path?: string;
  options: Parameters<Browser['newContext']>[0];
  wait: string;
}

const WIDE = { width: 1440, height: 940 };
const BUSY: readonly Shot[] = [
  { name: 'models-light', options: { viewport: WIDE, colorScheme: 'light' }, wait: '.canvas canvas' },
  { name: 'models-dark', options: { viewport: WIDE, colorScheme: 'dark' }, wait: '.canvas canvas' },
  { name: 'models-phone', options: { viewport: { width: 390, height: 1200 } }, wait: '.canvas canvas' },
  {
    name: 'models-busy',
    path: '/models?range=1h&chart=tokens',
    options: { viewport: { width: 1440, height: 1400 } },
    wait: '.flight li',
  },
];
const EMPTY: readonly Shot[] = [
  { name: 'models-empty', options: { viewport: { width: 1100, height: 800 } }, wait: '.empty' },
];

async function take(browser: Browser, house: PageHouse, shots: readonly Shot[]): Promise<void> {
  for (const { name, path = '/models', options, wait } of shots) {
    const { page, context, misdeeds } = await openPage(browser, house.url, options);
    await signIn(page, house.url, house.token, path);
    await page.waitForSelector(wait);
    await page.waitForSelector('.live-live');
    // The drawing follows the layout by a frame or two.
    await page.waitForTimeout(600);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    if (misdeeds.length > 0) throw new Error(`${name}: ${misdeeds.join('; ')}`);
    await context.close();
  }
}

await import('./build-page.ts');
mkdirSync(folder, { recursive: true });
const browser = await launchBrowser();
const random = seeded(11);
const now = Date.now();
const month = byDay(random, randomEntries(random, 2_600, now - 2.2 * DAY_MS, now - HOUR_MS, NAMES));
const lastHour = randomEntries(random, 160, now - HOUR_MS, now - 1_000, NAMES);
const empty = await PageHouse.open();
await take(browser, empty, EMPTY);
await empty.close();
const house = await PageHouse.open((stateDir) => writeLedger(stateDir, [...month, ...lastHour]));
const held = ['main', 'coder', 'support'].map((agent, n) =>
  house.call(`openai/ok-${60 + n * 40}+hold-mid`, {
    'x-weighbridge-agent-id': 'main',
    'x-weighbridge-session-key': `agent:${agent}:telegram:${1000 + n}`,
  }),
);
await take(browser, house, BUSY);
house.provider.release();
await Promise.all(held);
await browser.close();
await house.close();
