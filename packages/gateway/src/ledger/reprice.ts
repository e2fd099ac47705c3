/**
 * Settled entries held against the prices in force, a page at a time: what they would cost now, and, unless it is only
 * asked, corrections that make their cost so. Entries are never changed, a cost never taken away: where no price is in
 * force the old one stays. Which price is in force is told by whoever asks.
 */
import type { RepriceAnswer, RepricedTenant, Usage } from '@weighbridge/protocol';
import { type SelectQueryBuilder, sql } from 'kysely';
import { GatewayError } from '../domain/errors.ts';
import { dispatchCost, type ModelUsage, partsOf, pricesOfParts } from '../domain/other-models.ts';
import type { PricePin } from '../domain/price.ts';
import { rangeOf } from '../lib/ids.ts';
import type { Tables } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { costCorrection } from './correction.ts';
import { RECORD_COLUMNS, selectEntries } from './questions.ts';
import { countedRow, type EntryRow, pricingOf, usageOf } from './record.ts';
import { PRICED_LATER } from './rollup.ts';
import type { CorrectInput, Settled } from './scripts.ts';

/** What the price of a settled entry follows from. */
export interface PricedEntry {
  provider: string;
  model: string;
  servedModel: string | null;
  startedAt: number;
  usage: Usage;
  serviceTier: string | null;
}

interface Counted extends Pick<PricedEntry, 'usage' | 'servedModel' | 'serviceTier'> {
  /** What other models consumed of it. */
  others: readonly ModelUsage[];
}

export interface RepriceQuestion {
  /** Null: every tenant's. */
  tenantId: string | null;
  /** By settlement, as all periods are. */
  fromMs: number;
  toMs: number;
  provider?: string | undefined;
  model?: string | undefined;
  /** Leave alone what has a cost. */
  unpricedOnly: boolean;
  /** Of the page before. */
  cursor: string | null;
  limit: number;
}

export interface RepriceDeps {
  store: Store;
  priceOf: (entry: PricedEntry) => PricePin | null;
  /** Null: nothing is written. */
  correct: ((correction: CorrectInput) => Promise<Settled>) | null;
  now: () => number;
}

/** All but what is long and not needed. */
const ENTRY_COLUMNS = RECORD_COLUMNS.filter((column) => column !== 'rawUsage');

/** Where a page ended: of a tenant's entries by their settlement, and the tenants by name. */
type Position = readonly [tenantId: string, settledAt: number, entryId: string];

interface Tally extends Omit<RepricedTenant, 'beforeNanoUsd' | 'afterNanoUsd' | 'differenceNanoUsd'> {
  before: bigint;
  after: bigint;
}

export async function repricePage(deps: RepriceDeps, question: RepriceQuestion): Promise<RepriceAnswer> {
  const { store } = deps;
  const position = question.cursor === null ? null : positionOf(question.cursor);
  const tenants = await tenantsFrom(store, question, position);
  const tallies: Tally[] = [];
  let left = question.limit;
  let next: Position | null = null;
  for (const tenantId of tenants) {
    const after = position !== null && position[0] === tenantId ? position : null;
    const rows = await entriesAfter(store, question, tenantId, after, left);
    if (rows.length > 0) tallies.push(await repriced(deps, question, tenantId, rows));
    left -= rows.length;
    if (left > 0) continue;
    const last = rows.at(-1)!;
    next = [tenantId, last.settledAt!, last.entryId];
    break;
  }
  return {
    object: 'reprice',
    dryRun: deps.correct === null,
    tenants: tallies.map(asTold),
    total: position === null ? await countOf(store, question, tenants) : null,
    nextCursor: next === null ? null : Buffer.from(JSON.stringify(next)).toString('base64url'),
  };
}

async function repriced(
  { store, priceOf, correct, now }: RepriceDeps,
  { unpricedOnly }: RepriceQuestion,
  tenantId: string,
  rows: readonly EntryRow[],
): Promise<Tally> {
  const corrections = await correctionsOf(store, tenantId, rows);
  const tally: Tally = { tenantId, entries: 0, repriced: 0, priced: 0, unpriced: 0, kept: 0, before: 0n, after: 0n };
  const written = rows.map(async (entry): Promise<void> => {
    const own = corrections.get(entry.entryId) ?? [];
    const counted = countedOf([entry, ...own]);
    const known = knownCost([entry, ...own]);
    if (counted === null || (unpricedOnly && known !== null)) return;
    tally.entries++;
    const { provider, model, startedAt } = entry;
    // Whoever reported it said what it cost: no price of ours takes the place of that.
    const isSaid = entry.priceSource === 'reported';
    const { usage, others, servedModel, serviceTier } = counted;
    const question = { provider, model, servedModel, startedAt, serviceTier, usage };
    const { price, otherModels } = pricesOfParts(question, others, (part) => (isSaid ? null : priceOf(part)));
    const cost = dispatchCost(partsOf(usage, price, otherModels));
    tally.before += known ?? 0n;
    tally.after += cost ?? known ?? 0n;
    if (price === null || cost === null) {
      if (known === null) tally.unpriced++;
      else tally.kept++;
      return;
    }
    if (cost === known) return;
    if (known === null) tally.priced++;
    else tally.repriced++;
    const wasUnpriced = isUnpriced([entry, ...own]);
    const differenceNanoUsd = cost - (known ?? 0n);
    await correct?.(
      costCorrection({
        entry,
        corrections: own.length,
        price,
        otherModels,
        differenceNanoUsd,
        wasUnpriced,
        now: now(),
      }),
    );
  });
  await Promise.all(written);
  return tally;
}

/** What was counted, with what its price follows from. */
function countedOf(rows: readonly EntryRow[]): Counted | null {
  const row = countedRow(rows);
  const usage = row === undefined ? null : usageOf(row);
  if (row === undefined || usage === null) return null;
  const { servedModel, serviceTier, priceRates } = row;
  return { usage, servedModel, serviceTier, others: priceRates === null ? [] : pricingOf(priceRates).otherModels };
}

/** Whether it stands in the count of those that have usage and no cost. */
function isUnpriced(rows: readonly EntryRow[]): boolean {
  return countedRow(rows)?.costNanoUsd === null && !rows.some(({ reason }) => reason === PRICED_LATER);
}

/** An entry's cost with its corrections; null where none of them has one. */
function knownCost(rows: readonly EntryRow[]): bigint | null {
  const costs = rows.flatMap(({ costNanoUsd: cost }) => (cost === null ? [] : [BigInt(cost)]));
  return costs.length === 0 ? null : costs.reduce((sum, cost) => sum + cost, 0n);
}

async function entriesAfter(
  store: Store,
  question: RepriceQuestion,
  tenantId: string,
  after: Position | null,
  limit: number,
): Promise<EntryRow[]> {
  let query = asked(selectEntries(store.queries, ENTRY_COLUMNS), question)
    .where('tenantId', '=', tenantId)
    .orderBy('settledAt')
    .orderBy('entryId')
    .limit(limit);
  if (after !== null) {
    const [, settledAt, entryId] = after;
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('settledAt', 'entryId'), '>', tuple(settledAt, entryId)),
    );
  }
  return store.read<EntryRow>(query.compile());
}

function asked<O>(
  query: SelectQueryBuilder<Tables, 'entries', O>,
  { fromMs, toMs, provider, model }: RepriceQuestion,
): SelectQueryBuilder<Tables, 'entries', O> {
  let wanted = query.where('kind', '=', 'usage').where('settledAt', '>=', fromMs).where('settledAt', '<', toMs);
  if (provider !== undefined) wanted = wanted.where('provider', '=', provider);
  if (model !== undefined) wanted = wanted.where('model', '=', model);
  return wanted;
}

async function correctionsOf(
  store: Store,
  tenantId: string,
  rows: readonly EntryRow[],
): Promise<Map<string, EntryRow[]>> {
  const ids = rows.map(({ entryId }) => entryId);
  const sorted = ids.toSorted();
  const [from, below] = rangeOf('cor', sorted[0]!, sorted.at(-1)!);
  const found = await store.read<EntryRow>(
    selectEntries(store.queries, ENTRY_COLUMNS)
      .where('tenantId', '=', tenantId)
      .where('entryId', '>=', from)
      .where('entryId', '<', below)
      .where('corrects', 'in', ids)
      .compile(),
  );
  return Map.groupBy(found, ({ corrects }) => corrects!);
}

async function tenantsFrom(
  store: Store,
  { tenantId }: RepriceQuestion,
  position: Position | null,
): Promise<readonly string[]> {
  if (tenantId !== null) return [tenantId];
  const query = store.queries.selectFrom('rollups').select('tenantId').distinct().orderBy('tenantId');
  const rows = await store.read<{ tenantId: string }>(
    (position === null ? query : query.where('tenantId', '>=', position[0])).compile(),
  );
  return rows.map((row) => row.tenantId);
}

async function countOf(store: Store, question: RepriceQuestion, tenants: readonly string[]): Promise<number> {
  if (tenants.length === 0) return 0;
  const counted = asked(store.queries.selectFrom('entries'), question)
    .where('tenantId', 'in', tenants)
    .select(sql<number>`count(*)`.as('n'));
  const [row] = await store.read<{ n: number }>(counted.compile());
  return row!.n;
}

function asTold({ before, after, ...tally }: Tally): RepricedTenant {
  return {
    ...tally,
    beforeNanoUsd: before.toString(),
    afterNanoUsd: after.toString(),
    differenceNanoUsd: (after - before).toString(),
  };
}

function positionOf(cursor: string): Position {
  try {
    const [tenantId, settledAt, entryId] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof tenantId === 'string' && Number.isSafeInteger(settledAt) && typeof entryId === 'string') {
      return [tenantId, settledAt as number, entryId];
    }
  } catch {
    // Said below.
  }
  throw new GatewayError('invalid_request', '`cursor` is not one that was returned; leave it out to start anew.', {
    param: 'cursor',
  });
}
