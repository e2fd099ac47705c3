/** A seat before the page: a gateway of its own and a real browser that has a page of it, not yet opened nor signed in. */
import type { Browser, Page, ViewportSize } from 'playwright-core';
import { buildPage, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { PageHouse } from './page-house.ts';

export interface PageSeat {
  browser: Browser;
  house: PageHouse;
  watched: WatchedPage;
  page: Page;
  close(): Promise<void>;
}

/** `prepare` may fill the ledger before the gateway starts; whatever the page is asked for may take `timeoutMs`. */
export async function takeSeat(
  viewport: ViewportSize,
  timeoutMs: number,
  prepare?: (stateDir: string) => Promise<void>,
): Promise<PageSeat> {
  await buildPage();
  // First: where there is no browser, nothing else has been opened that would keep the tests from ending.
  const browser = await launchBrowser();
  const house = await PageHouse.open(prepare).catch(async (error) => {
    await browser.close();
    throw error;
  });
  const watched = await openPage(browser, house.url, { viewport });
  const { page } = watched;
  page.setDefaultTimeout(timeoutMs);
  const close = async (): Promise<void> => {
    await browser.close();
    await house.close();
  };
  return { browser, house, watched, page, close };
}
