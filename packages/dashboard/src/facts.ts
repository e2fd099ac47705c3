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
  return JSON.parse(document.querySelector<HTMLElement>('#page')!.dataset.facts!) as Facts;
}

export const facts = readFacts();

/** The tenant of whoever names none. */
export const DEFAULT_TENANT = 'default';

/** Whether it has to be said whose each of these is: several tenants may have sessions of the same name. */
export function areOfTenants(rows: readonly { tenantId: string }[]): boolean {
  return facts.tenantId === null && rows.some(({ tenantId }) => tenantId !== DEFAULT_TENANT);
}

/** How far the server's clock is ahead of this one's, milliseconds, as well as one answer can tell. */
const clockAheadMs = facts.now - (performance.timeOrigin + (navigationEntry()?.responseStart ?? performance.now()));

/** Now by the server's clock. */
export function serverNow(): number {
  return Date.now() + clockAheadMs;
}

function navigationEntry(): PerformanceNavigationTiming | undefined {
  return performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined;
}
