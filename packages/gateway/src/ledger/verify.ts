/**
 * Proves that the ledger agrees with itself: rollups and what is folded from them equal a rebuild from the entries, every
 * settled entry has exactly one event, under its own number, and numbers rise with settlement time. Needs a ledger that
 * nobody writes meanwhile, or a snapshot of one.
 */

import { sql } from 'kysely';
import { type Histogram, mergeInto } from '../lib/histogram.ts';
import type { Row, Store } from '../store/store.ts';
import { FOLDED_SUMS, ROLLUP_KEY, ROLLUP_SUMS } from './columns.ts';
import { FoldedSums, partOf } from './folded-sums.ts';
import { FOLDED_TIERS, type FoldedTier, TIER_MS } from './periods.ts';
import { keyText, type Rollup, RollupFold, type RollupKey, type RollupSource } from './rollup.ts';
import { SHAPES, type Shape, tierName } from './shapes.ts';
import { ROLLUP_SOURCE_COLUMNS } from './statements.ts';

const PAGE = 5000;

/** A kept sum whole; its counts as text, they may pass 2^53. */
function keptColumns<Sum extends (typeof FOLDED_SUMS)[number]>(sums: readonly Sum[]) {
  return [
    ...ROLLUP_KEY,
    'latencies' as const,
    'firstTokens' as const,
    'lastSettledAt' as const,
    ...sums.map((column) => sql<string>`cast(${sql.ref(column)} as text)`.as(column)),
  ];
}

export interface Verification {
  ok: boolean;
  entries: number;
  open: number;
  rollups: number;
  events: number;
  /** What disagrees, in words, at most 20. */
  problems: string[];
}

export type VerifyProgress = (done: number, total: number) => void;

export async function verifyLedger(store: Store, onProgress: VerifyProgress = () => {}): Promise<Verification> {
  const problems: string[] = [];
  const report = (problem: string): void => void (problems.length < 20 && problems.push(problem));
  const { fold, entries, open } = await foldEntries(store, onProgress);
  const rollups = await compareRollups(store, fold, report);
  await compareFolded(store, fold, report);
  const events = await checkEvents(store, report);
  return { ok: problems.length === 0, entries, open, rollups, events, problems };
}

async function foldEntries(
  store: Store,
  onProgress: VerifyProgress,
): Promise<{ fold: RollupFold; entries: number; open: number }> {
  const [all] = await store.read<{ n: number }>(
    store.queries.selectFrom('entries').select(sql<number>`count(*)`.as('n')).compile(),
  );
  const fold = new RollupFold();
  let entries = 0;
  let open = 0;
  let after = { tenantId: '', entryId: '' };
  while (true) {
    const { tenantId, entryId } = after;
    const page = await store.read(
      store.queries
        .selectFrom('entries')
        .select([
          ...ROLLUP_SOURCE_COLUMNS.filter((column) => column !== 'costNanoUsd'),
          sql<string | null>`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd'),
        ])
        .where(({ eb, refTuple, tuple }) => eb(refTuple('tenantId', 'entryId'), '>', tuple(tenantId, entryId)))
        .orderBy('tenantId')
        .orderBy('entryId')
        .limit(PAGE)
        .compile(),
    );
    const last = page.at(-1);
    if (!last) return { fold, entries, open };
    for (const row of page) {
      entries += 1;
      if (row.outcome === null) open += 1;
      else fold.add({ ...row, costNanoUsd: bigintOf(row.costNanoUsd) } as unknown as RollupSource);
    }
    onProgress(Math.min(entries, all!.n), all!.n);
    after = { tenantId: String(last.tenantId), entryId: String(last.entryId) };
  }
}

async function compareRollups(store: Store, fold: RollupFold, report: (problem: string) => void): Promise<number> {
  const kept = await store.read(store.queries.selectFrom('rollups').select(keptColumns(ROLLUP_SUMS)).compile());
  compareKept('rollup', kept, fold.rollups, report);
  return kept.length;
}

/** Each tier holds exactly what is over, no more and no less. */
async function compareFolded(store: Store, fold: RollupFold, report: (problem: string) => void): Promise<void> {
  const columns = ['hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'] as const;
  const [progress] = await store.read<Row>(store.queries.selectFrom('ledger').select(columns).compile());
  for (const tier of FOLDED_TIERS) {
    const foldedToMs = Number(progress?.[`${tier}sFoldedTo`] ?? 0);
    const parts = [...fold.rollups.values()].filter(({ key }) => key.bucketStart < foldedToMs);
    for (const shape of Object.keys(SHAPES) as Shape[]) {
      const name = tierName(tier, shape);
      const kept = await store.read(
        store.queries.selectFrom('foldedRollups').select(keptColumns(FOLDED_SUMS)).where('tier', '=', name).compile(),
      );
      compareKept(`folded ${name}`, kept, foldedOf(tier, shape, parts), report);
    }
  }
}

function foldedOf(tier: FoldedTier, shape: Shape, parts: readonly Rollup[]): ReadonlyMap<string, Rollup> {
  const folded = new FoldedSums(TIER_MS[tier], shape);
  for (const part of parts) folded.add(partOf(part));
  return folded.rollups;
}

function compareKept(
  what: string,
  kept: readonly Row[],
  expected: ReadonlyMap<string, Rollup>,
  report: (problem: string) => void,
): void {
  const missing = new Map(expected);
  for (const row of kept) {
    const name = keyText(row as unknown as RollupKey);
    const rebuilt = missing.get(name);
    missing.delete(name);
    if (!rebuilt) report(`the ${what} ${name} has no entries`);
    else compareRollup(`${what} ${name}`, row, rebuilt, report);
  }
  for (const name of missing.keys()) report(`the ${what} ${name} is missing`);
}

function compareRollup(name: string, row: Row, expected: Rollup, report: (problem: string) => void): void {
  for (const [column, sum] of Object.entries(expected.sums)) {
    const kept = String(row[column]);
    const rebuilt = String(sum);
    if (kept !== rebuilt) report(`the ${name} has ${column} ${kept}, its entries give ${rebuilt}`);
  }
  for (const column of ['latencies', 'firstTokens'] as const) {
    if (!sameHistogram(row[column] as Uint8Array, expected[column])) {
      report(`the ${name} has other ${column} than its entries`);
    }
  }
  if (row.lastSettledAt !== expected.lastSettledAt) report(`the ${name} has another lastSettledAt`);
}

function sameHistogram(bytes: Uint8Array, expected: Histogram): boolean {
  const kept: Histogram = new Map();
  mergeInto(kept, bytes);
  return kept.size === expected.size && [...kept].every(([bin, count]) => expected.get(bin) === count);
}

async function checkEvents(store: Store, report: (problem: string) => void): Promise<number> {
  const [counts] = await store.read<{ events: number; usage: number; last: number | null }>(
    store.queries
      .selectFrom('events')
      .select([
        sql<number>`count(*)`.as('events'),
        sql<number>`count(*) filter (where type in ('model.usage', 'model.usage.corrected'))`.as('usage'),
        sql<number | null>`max(seq)`.as('last'),
      ])
      .compile(),
  );
  const [lonely] = await store.read<{ count: number }>(
    store.queries
      .selectFrom('entries')
      .leftJoin('events', (join) =>
        join
          .onRef('events.seq', '=', 'entries.seq')
          .onRef('events.tenantId', '=', 'entries.tenantId')
          .onRef('events.subject', '=', 'entries.entryId'),
      )
      .select(sql<number>`count(*)`.as('count'))
      .where('entries.outcome', 'is not', null)
      .where('events.seq', 'is', null)
      .compile(),
  );
  if (lonely!.count > 0) report(`${lonely!.count} settled entries have no event under their number`);
  // With each entry in an event, any event more is one too many: without an entry, or a second one for it.
  const [settled] = await store.read<{ count: number }>(
    store.queries
      .selectFrom('entries')
      .select(sql<number>`count(*)`.as('count'))
      .where('outcome', 'is not', null)
      .compile(),
  );
  const extra = counts!.usage - (settled!.count - lonely!.count);
  if (extra > 0) report(`${extra} events of usage have no settled entry under their number, or tell of one twice`);
  const [ledger] = await store.read<{ lastSeq: number }>(
    store.queries.selectFrom('ledger').select('lastSeq').compile(),
  );
  if ((counts!.last ?? 0) !== (ledger?.lastSeq ?? 0)) report('the last event is not the last number given');
  const [backwards] = await store.read<{ count: number }>(
    store.queries
      .selectFrom(
        store.queries
          .selectFrom('events')
          .select(['at', sql<number | null>`lag("at") over (order by seq)`.as('before')])
          .as('steps'),
      )
      .select(sql<number>`count(*)`.as('count'))
      .whereRef('steps.at', '<', 'steps.before')
      .compile(),
  );
  if (backwards!.count > 0) report(`settlement time goes back ${backwards!.count} times`);
  return counts!.events;
}

function bigintOf(text: unknown): bigint | null {
  return text === null ? null : BigInt(text as string);
}
