/** What the server wrote into the page for whoever has it open: no secret. */
import type { UsageAnswer } from '@weighbridge/client';

export interface Facts {
  version: string;
  /** Whose entries are seen; null: every tenant's. */
  tenantId: string | null;
  /** May stop runs, make keys, replay deliveries. */
  isAdmin: boolean;
  canSignOut: boolean;
  /** One that may be called, `provider/model`; null: none is listed. */
  model: string | null;
  /** The server's clock when it sent the page, milliseconds. */
  now: number;
  /** The event log's last number then. */
  seq: number;
  /** The sums of the last 24 hours by source and outcome, so that nobody waits for them; null: they took too long. */
  sums: UsageAnswer | null;
}

function readFacts(): Facts {
  const text = document.querySelector<HTMLMetaElement>('meta[name="weighbridge-facts"]')?.content ?? '';
  return JSON.parse(text) as Facts;
}

export const facts = readFacts();

/** How far the server's clock is ahead of this one's, milliseconds, as well as one answer can tell. */
const clockAheadMs = facts.now - (performance.timeOrigin + (navigationEntry()?.responseStart ?? performance.now()));

/** Now by the server's clock. */
export function serverNow(): number {
  return Date.now() + clockAheadMs;
}

function navigationEntry(): PerformanceNavigationTiming | undefined {
  return performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined;
}
