/**
 * What can be asked of the ledger about single dispatches: pages of them, newest first, and one in full.
 * Every question names its tenant, or says that it is the operator's and about all; an id of another tenant is not found.
 */
import type { Amount, DispatchDetail, DispatchRecord, List, PriceDetail, PriceLine } from '@weighbridge/protocol';
import { type Kysely, sql } from 'kysely';
import { GatewayError } from '../domain/errors.ts';
import {
  type DispatchPart,
  lineName,
  type OtherModel,
  partLines,
  partsOf,
  unpricedOf,
} from '../domain/other-models.ts';
import { type PricePin, usdText } from '../domain/price.ts';
import { firstId, rangeOf, siblingId } from '../lib/ids.ts';
import type { Tables } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { CORRECTION_COLUMNS, INTENT_COLUMNS, SETTLEMENT_COLUMNS } from './columns.ts';
import { mergedPage, type TenantsAtOnce } from './merged-pages.ts';
import { pageOfTenant } from './pages.ts';
import { countedRow, type EntryRow, pricingOf, recordOf, usageOf } from './record.ts';
import { ofTenants, tenantsOf } from './tenants.ts';

/** Exact matches; `outcome: 'open'` asks for what is in flight. */
export interface DispatchFilters {
  model?: string;
  provider?: string;
  agentId?: string;
  sessionKey?: string;
  endUserId?: string;
  outcome?: string;
  runId?: string;
  source?: string;
}

export interface DispatchesQuestion {
  /** Null: every tenant. */
  tenantId: string | null;
  limit: number;
  cursor: string | null;
  /** Only what began before; null, or absent: all. */
  beforeMs?: number | null;
  filters: DispatchFilters;
  /** Entries looked at for one page; for tests. */
  scannedMax?: number;
  /** For tests. */
  tenantsAtOnce?: TenantsAtOnce;
}

export async function listDispatches(store: Store, question: DispatchesQuestion): Promise<List<DispatchRecord>> {
  const tenants = await tenantsOf(store, question.tenantId);
  const below = upperEnd(question);
  if (tenants.length === 1) return pageOfTenant(store, tenants[0]!, below, question);
  const { limit, tenantsAtOnce: atOnce } = question;
  return mergedPage(store, tenants, { below, limit, atOnce }, (tenantId) =>
    pageOfTenant(store, tenantId, below, question),
  );
}

/** Ids of a page are below this. */
function upperEnd({ cursor, beforeMs = null }: DispatchesQuestion): string {
  const ofCursor = cursor === null ? 'ent`' : entryOfCursor(cursor);
  const ofTime = beforeMs === null ? 'ent`' : firstId('ent', beforeMs);
  return ofCursor < ofTime ? ofCursor : ofTime;
}

/** One dispatch by `dsp_…` or `ent_…` (null: whosever it is), with its price lines, the usage as sent, and its corrections. */
export async function findDispatch(store: Store, tenantId: string | null, id: string): Promise<DispatchDetail | null> {
  const tenants = await tenantsOf(store, tenantId);
  const [row] = await store.read<EntryRow>(
    selectEntries(store.queries)
      .where(ofTenants('tenantId', tenants))
      .where('entryId', '=', siblingId(id, 'ent'))
      .compile(),
  );
  if (!row) return null;
  const [from, below] = rangeOf('cor', row.entryId, row.entryId);
  const corrections = await store.read<EntryRow>(
    selectEntries(store.queries)
      .where('tenantId', '=', row.tenantId)
      // By the key: without a count of its rows no engine prefers an index of corrections to it.
      .where('entryId', '>=', from)
      .where('entryId', '<', below)
      .where('corrects', '=', row.entryId)
      .orderBy('settledAt')
      .orderBy('seq')
      .compile(),
  );
  const counted = countedRow([row, ...corrections]) ?? row;
  const { servedModel, providerCostNanoUsd, providerCostSource, rawUsage } = counted;
  return {
    ...recordOf(row),
    servedModel,
    ...explained(counted),
    costNow: costNow([row, ...corrections]),
    providerCost:
      providerCostNanoUsd === null
        ? null
        : { ...amountOf(BigInt(providerCostNanoUsd)), source: providerCostSource ?? '' },
    rawUsage: rawUsage === null ? null : JSON.parse(rawUsage),
    corrections: corrections.map(recordOf),
  };
}

/** The price, line by line, or why there is none. */
function explained(row: EntryRow): Pick<DispatchDetail, 'price' | 'priceLines' | 'unpriced'> {
  const usage = usageOf(row);
  if (row.priceRates === null || row.priceId === null) {
    return {
      price: null,
      priceLines: null,
      unpriced: usage === null ? null : 'no price was known when it was settled',
    };
  }
  const source = row.priceSource ?? 'config';
  const { otherModels, ...own } = pricingOf(row.priceRates);
  const price = { priceId: row.priceId, source: source as PricePin['source'], ...own };
  // A cost that somebody reported has no rates, and so no lines.
  const parts = usage === null || source === 'reported' ? null : partsOf(usage, price, otherModels);
  const missing = parts === null ? [] : unpricedOf(parts);
  return {
    price: { ...priceDetail(price), ...(otherModels.length === 0 ? {} : { otherModels: otherPrices(otherModels) }) },
    priceLines: parts === null || missing.length > 0 ? null : parts.flatMap(wireLines),
    unpriced:
      missing.length === 0 || row.costNanoUsd !== null ? null : `its price has no rate for ${missing.join(', ')}`,
  };
}

function priceDetail({ priceId, source, basis: whole }: PricePin): Omit<PriceDetail, 'otherModels'> {
  if (whole === null) return { priceId, source, basis: null };
  const { published: _, ...basis } = whole;
  return { priceId, source, basis };
}

/** Those that have one; what has none is named as unpriced. */
function otherPrices(otherModels: readonly OtherModel[]): NonNullable<PriceDetail['otherModels']> {
  return otherModels.flatMap(({ model, price }) => (price === null ? [] : [{ model, ...priceDetail(price) }]));
}

function wireLines(part: DispatchPart): PriceLine[] {
  return (partLines(part) ?? []).map(({ bucket, units, ratePicoUsd, amountPicoUsd }) => ({
    bucket: lineName(part, bucket),
    units,
    ratePicoUsd: ratePicoUsd.toString(),
    amountPicoUsd: amountPicoUsd.toString(),
    source: part.price?.basis?.published[bucket] ?? part.price?.source ?? '',
  }));
}

function costNow(rows: readonly EntryRow[]): Amount | null {
  const costs = rows.flatMap(({ costNanoUsd: cost }) => (cost === null ? [] : [BigInt(cost)]));
  return costs.length === 0 ? null : amountOf(costs.reduce((sum, cost) => sum + cost, 0n));
}

function amountOf(nanoUsd: bigint): Amount {
  return { nanoUsd: nanoUsd.toString(), usd: usdText(nanoUsd) };
}

/** Settled entries and corrections of every tenant by their numbers: what an export holds. */
export async function settledAfter(
  store: Store,
  question: { seq: number; fromMs: number; toMs: number; limit: number },
): Promise<(DispatchRecord & { seq: number })[]> {
  const events = await store.read<{ seq: number; tenantId: string; subject: string }>(
    store.queries
      .selectFrom('events')
      .select(['seq', 'tenantId', 'subject'])
      .where('seq', '>', question.seq)
      .where('type', 'in', ['model.usage', 'model.usage.corrected'])
      .where('at', '>=', question.fromMs)
      .where('at', '<', question.toMs)
      .orderBy('seq')
      .limit(question.limit)
      .compile(),
  );
  const records = new Map<string, DispatchRecord>();
  for (const [tenantId, own] of Map.groupBy(events, (event) => event.tenantId)) {
    const subjects = own.map(({ subject }) => subject);
    for (const [entryId, record] of await recordsByEntryId(store, tenantId, subjects)) records.set(entryId, record);
  }
  return events.map(({ seq, subject }) => ({ seq, ...records.get(subject)! }));
}

/** Records by entry id: what the event log shows as the data of `model.usage`. */
export async function recordsByEntryId(
  store: Store,
  tenantId: string,
  entryIds: readonly string[],
): Promise<Map<string, DispatchRecord>> {
  if (entryIds.length === 0) return new Map();
  const rows = await store.read<EntryRow>(
    selectEntries(store.queries).where('tenantId', '=', tenantId).where('entryId', 'in', entryIds).compile(),
    // Only settled entries are in the log.
    'announced',
  );
  return new Map(rows.map((row) => [row.entryId, recordOf(row)]));
}

/** Everything of an entry but its money, which is read as text: a cost may pass 2^53. */
export const RECORD_COLUMNS = [
  ...INTENT_COLUMNS,
  ...CORRECTION_COLUMNS,
  'seq' as const,
  'settledAt' as const,
  ...SETTLEMENT_COLUMNS,
].filter((column) => column !== 'costNanoUsd');

/** Entries in full, or some of their columns. */
export function selectEntries(
  db: Kysely<Tables>,
  columns: readonly (typeof RECORD_COLUMNS)[number][] = RECORD_COLUMNS,
) {
  return db
    .selectFrom('entries')
    .select([...columns, sql<string | null>`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd')]);
}

function entryOfCursor(cursor: string): string {
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(cursor)) {
    throw new GatewayError('invalid_request', '`cursor` is not one that a list returned; leave it out to start anew.', {
      param: 'cursor',
    });
  }
  return `ent_${cursor}`;
}
