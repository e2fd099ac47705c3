/** What `doctor` says of the ledger: its engine and schema, whether it agrees with itself at a glance, its disk, the clocks. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Database, databaseName, type GatewayConfig } from '../domain/config.ts';
import type { Store } from '../store/store.ts';
import { bytesText, type Check } from './check.ts';
import { webhookChecks } from './check-webhooks.ts';
import { countText } from './format.ts';

/** Below that two clocks are called the same. */
const SKEW_WARNING_MS = 2_000;
/** The share in use from which a disk is a warning; the gateway's log tells of 90 and 95 too. */
const DISK_WARNING_PERCENT = 80;

export async function storeChecks({ database, limits, webhooks }: GatewayConfig): Promise<Check[]> {
  return [...(await ledgerChecks(database, webhooks)), await diskCheck(database, limits.diskFreeBytesMin)];
}

async function ledgerChecks(database: Database, webhooks: GatewayConfig['webhooks']): Promise<Check[]> {
  const subject = 'ledger';
  const name = databaseName(database);
  if (database.kind === 'sqlite' && !existsSync(database.file)) {
    return [{ subject, verdict: 'note', text: `${name} does not exist yet; serve makes it` }];
  }
  try {
    const { openSnapshot } = await import('../store/open.ts');
    const store = await openSnapshot(database);
    try {
      return await openedChecks(store, name, webhooks);
    } finally {
      await store.close();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : 'it cannot be read';
    return [{ subject, verdict: 'failure', text: `${name}: ${reason}` }];
  }
}

async function openedChecks(store: Store, name: string, webhooks: GatewayConfig['webhooks']): Promise<Check[]> {
  const [{ clockSkew, databaseFacts }, { glanceAtLedger }] = await Promise.all([
    import('../store/facts.ts'),
    import('../ledger/glance.ts'),
  ]);
  const facts = await databaseFacts(store);
  const checks: Check[] = [
    { subject: 'ledger', verdict: 'ok', text: `${name}, ${facts.server}, ${bytesText(facts.bytes)}` },
    schemaCheck(facts),
  ];
  if (!facts.synced) {
    checks.push({
      subject: 'ledger',
      verdict: 'warning',
      text: 'fsync is off: a crash of the server may break all of it',
    });
  }
  // What an older schema lacks cannot be asked for; a newer one may mean something else.
  if (facts.pending.length + facts.unknown.length > 0) return checks;
  const glance = await glanceAtLedger(store);
  checks.push(...glanceChecks(glance, store.engine === 'postgres'));
  if (store.engine === 'postgres') checks.push(skewCheck(await clockSkew(store, Date.now)));
  checks.push(datesCheck(glance?.lastSettledAt ?? 0, Date.now()));
  checks.push(...(await webhookChecks(store, webhooks)));
  return checks;
}

function schemaCheck({
  lastMigration,
  pending,
  unknown,
}: {
  lastMigration: string | null;
  pending: string[];
  unknown: string[];
}): Check {
  const subject = 'schema';
  if (unknown.length > 0) {
    const text = `a newer Weighbridge wrote it (migration ${unknown.join(', ')}); start that version instead`;
    return { subject, verdict: 'failure', text };
  }
  if (pending.length > 0) {
    const text = `${lastMigration ?? 'empty'}; serve brings it up to date (${pending.join(', ')}). Back up first`;
    return { subject, verdict: lastMigration === null ? 'note' : 'warning', text };
  }
  return { subject, verdict: 'ok', text: `${lastMigration}, the newest of this version` };
}

type Glance = Awaited<ReturnType<typeof import('../ledger/glance.ts').glanceAtLedger>>;

function glanceChecks(glance: Glance, isShared: boolean): Check[] {
  const subject = 'entries';
  if (glance === null) return [{ subject, verdict: 'note', text: 'nothing is recorded yet' }];
  if (glance.importing) {
    const text = 'an import into it broke off; give the same `ledger import` again';
    return [{ subject, verdict: 'failure', text }];
  }
  if (glance.problems.length > 0) {
    const text = `${glance.problems.join('; ')}. \`ledger verify\` says more; restore a backup`;
    return [{ subject, verdict: 'failure', text }];
  }
  const living = isShared ? `, ${glance.gateways} gateway(s) alive` : '';
  const text = `${glance.ledgerId}, ${countText(glance.lastSeq)} events, ${countText(glance.open)} open${living}; the newest agree (\`ledger verify\` proves all)`;
  return [{ subject, verdict: 'ok', text }];
}

export function skewCheck({ aheadMs, roundTripMs }: { aheadMs: number; roundTripMs: number }): Check {
  const subject = 'clock';
  const apart = Math.abs(aheadMs);
  const within = `${countText(apart)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} the database, asked within ${countText(roundTripMs)} ms`;
  if (apart - roundTripMs / 2 < SKEW_WARNING_MS) return { subject, verdict: 'ok', text: within };
  return { subject, verdict: 'warning', text: `${within}: entries get wrong dates. Set it right (NTP)` };
}

/** Dates never go back, so a clock that was ahead once dates everything until the right time has caught up. */
export function datesCheck(lastSettledAt: number, nowMs: number): Check {
  const subject = 'clock';
  const aheadMs = lastSettledAt - nowMs;
  if (aheadMs < SKEW_WARNING_MS) return { subject, verdict: 'ok', text: 'not behind the last entry' };
  const until = new Date(lastSettledAt).toISOString();
  const text = `the last entry is dated ${until}, ${countText(Math.round(aheadMs / 1000))} s ahead of this clock; until then all are dated so. Set clocks right (NTP)`;
  return { subject, verdict: 'warning', text };
}

export async function diskCheck(database: Database, freeBytesMin: number): Promise<Check> {
  const subject = 'disk';
  if (database.kind === 'postgres')
    return { subject, verdict: 'note', text: 'the database’s is not to be seen from here' };
  const { DiskSpace } = await import('../store/disk-space.ts');
  const folder = existingFolder(dirname(database.file));
  const space = new DiskSpace({ folder, freeBytesMin: () => freeBytesMin, onMark: () => {}, onFloor: () => {} });
  await space.look();
  space.close();
  const view = space.view;
  if (view === null)
    return { subject, verdict: 'note', text: `${folder}: its file system does not say how full it is` };
  const text = `${folder} is ${view.usedPercent} % full, ${bytesText(view.freeBytes)} free`;
  if (view.belowFloor) {
    return {
      subject,
      verdict: 'failure',
      text: `${text}: calls are refused below limits.diskFreeBytesMin (${bytesText(freeBytesMin)})`,
    };
  }
  return { subject, verdict: view.usedPercent >= DISK_WARNING_PERCENT ? 'warning' : 'ok', text };
}

function existingFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existingFolder(dirname(folder));
}
