/**
 * A ledger at a glance, in a moment however large it is: its counters, what is open, who has it, and whether its newest
 * events agree with their entries. Proving all of it is verify.ts. Needs a snapshot: a gateway may be writing.
 */
import { sql } from 'kysely';
import { databaseNow } from '../store/statement.ts';
import type { Store } from '../store/store.ts';

export interface LedgerGlance {
  ledgerId: string;
  lastSeq: number;
  lastSettledAt: number;
  /** An import broke off: no gateway starts on it. */
  importing: boolean;
  /** Entries that are open: in flight, or left by a gateway that died. */
  open: number;
  /** On a shared database: gateways whose lease is valid. */
  gateways: number;
  /** What does not agree, in words. */
  problems: string[];
}

/** Events whose entries are looked at. */
const NEWEST = 1000;

/** Null where nothing is recorded yet. */
export async function glanceAtLedger(store: Store): Promise<LedgerGlance | null> {
  const { queries } = store;
  const [ledger] = await store.read<{ ledgerId: string; lastSeq: number; lastSettledAt: number; importing: number }>(
    queries.selectFrom('ledger').select(['ledgerId', 'lastSeq', 'lastSettledAt', 'importing']).compile(),
  );
  if (!ledger) return null;
  const count = sql<number>`count(*)`.as('count');
  const [open] = await store.read<{ count: number }>(
    queries.selectFrom('entries').select(count).where('outcome', 'is', null).compile(),
  );
  const [gateways] = await store.read<{ count: number }>(
    queries.selectFrom('instances').select(count).where('leaseUntil', '>=', databaseNow(store.engine)).compile(),
  );
  return {
    ...ledger,
    importing: ledger.importing === 1,
    open: open!.count,
    gateways: gateways!.count,
    problems: await newestProblems(store, ledger.lastSeq),
  };
}

async function newestProblems(store: Store, lastSeq: number): Promise<string[]> {
  const events = await store.read<{ seq: number; at: number; type: string; entrySeq: number | null }>(
    store.queries
      .selectFrom('events')
      .leftJoin('entries', (join) =>
        join.onRef('entries.tenantId', '=', 'events.tenantId').onRef('entries.entryId', '=', 'events.subject'),
      )
      .select(['events.seq as seq', 'events.at as at', 'events.type as type', 'entries.seq as entrySeq'])
      .where('events.seq', '>', lastSeq - NEWEST)
      .orderBy('events.seq', 'desc')
      .compile(),
  );
  const problems: string[] = [];
  if ((events[0]?.seq ?? 0) !== lastSeq) {
    problems.push(`the last event has number ${events[0]?.seq ?? 'none'}, the last number given is ${lastSeq}`);
  }
  const strayed = events.filter(({ type, seq, entrySeq }) => type.startsWith('model.usage') && seq !== entrySeq);
  if (strayed.length > 0) problems.push(`${strayed.length} of the newest events have no entry under their number`);
  if (events.some(({ at }, index) => at < (events[index + 1]?.at ?? at))) problems.push('settlement time goes back');
  return problems;
}
