/** Pure translations between the nouns (intent, settlement), the ledger's rows, and the record that the world sees. */
import { type Cost, type DispatchRecord, makeUsage, type Usage } from '@weighbridge/protocol';
import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import { dispatchPriceId, type OtherModel } from '../domain/other-models.ts';
import { type PriceBasis, type PricePin, type RateName, rateNames, usdText } from '../domain/price.ts';
import { siblingId } from '../lib/ids.ts';
import { isoText } from '../lib/iso-text.ts';
import type { EntriesTable } from '../store/schema.ts';
import type { Value } from '../store/store.ts';
import type { INTENT_COLUMNS, SETTLEMENT_COLUMNS } from './columns.ts';

/** A row as the record needs it: money read as text, because a sum or a cost may pass 2^53. */
export type EntryRow = Omit<EntriesTable, 'costNanoUsd' | 'providerCostNanoUsd'> & {
  costNanoUsd: string | null;
  providerCostNanoUsd: number | null;
};

/** One value for each column: the compiler counts them. */
type ValuesOf<Columns extends readonly string[]> = { [Index in keyof Columns]: Value };
type IntentValues = ValuesOf<typeof INTENT_COLUMNS>;
type SettlementValues = ValuesOf<typeof SETTLEMENT_COLUMNS>;

/** In the order of INTENT_COLUMNS. */
export function intentValues(intent: EntryIntent, instanceId: string): Value[] {
  const { attribution: who } = intent;
  return [
    who.tenantId,
    siblingId(intent.dispatchId, 'ent'),
    intent.dispatchId,
    intent.runId,
    'usage',
    intent.attempt,
    instanceId,
    who.keyId,
    who.agentId,
    who.sessionKey,
    who.sessionId,
    who.endUserId,
    who.endUserSource,
    who.tags.length === 0 ? '[]' : JSON.stringify(who.tags),
    JSON.stringify(who.metadata),
    intent.provider,
    intent.model,
    intent.requestedModel,
    intent.api,
    intent.stream ? 1 : 0,
    intent.source,
    who.traceparent,
    intent.startedAt,
  ] satisfies IntentValues;
}

/** In the order of SETTLEMENT_COLUMNS. */
export function settlementValues(settlement: EntrySettlement, costNanoUsd: bigint | null): Value[] {
  const { usage, price, otherModels } = settlement;
  return [
    settlement.outcome,
    settlement.httpStatus,
    settlement.errorKind,
    settlement.stopReason,
    settlement.serviceTier,
    settlement.usageSource,
    usage?.input ?? null,
    usage?.output ?? null,
    usage?.cacheRead ?? null,
    usage?.cacheWrite ?? null,
    usage?.cacheWrite1h ?? null,
    usage?.reasoning ?? null,
    usage?.audioInput ?? null,
    usage?.audioOutput ?? null,
    usage?.imageInput ?? null,
    usage?.imageOutput ?? null,
    usage && Object.keys(usage.serverTools).length > 0 ? JSON.stringify(usage.serverTools) : null,
    settlement.rawUsage,
    settlement.servedModel,
    settlement.providerCost?.nanoUsd ?? null,
    settlement.providerCost?.source ?? null,
    price ? dispatchPriceId(price, otherModels) : null,
    price?.source ?? null,
    pricingText(price, otherModels),
    costNanoUsd,
    settlement.latencyMs,
    settlement.timeToFirstTokenMs,
    settlement.endedAt,
    settlement.providerRequestId,
  ] satisfies SettlementValues;
}

const textOfRates = new WeakMap<PricePin, string>();

/**
 * What priced a dispatch as JSON text: the rates and where they are from, and what other models consumed with theirs. The
 * latter also where the dispatch has no price, because a later one must not take their tokens for those of the model that
 * served. Null where there is nothing to say.
 */
export function pricingText(price: PricePin | null, otherModels: readonly OtherModel[]): string | null {
  if (otherModels.length === 0) return price === null ? null : ratesText(price);
  return JSON.stringify({
    ...(price === null ? {} : writtenPrice(price)),
    otherModels: otherModels.map((other) => ({
      model: other.model,
      usage: shortUsage(other.usage),
      price: other.price && { priceId: other.price.priceId, source: other.price.source, ...writtenPrice(other.price) },
    })),
  });
}

/** A price is shared by many calls, so its text is made once. */
function ratesText(price: PricePin): string {
  let text = textOfRates.get(price);
  if (text === undefined) {
    text = JSON.stringify(writtenPrice(price));
    textOfRates.set(price, text);
  }
  return text;
}

type WrittenPrice = { [Name in RateName]?: string } & { basis?: ShortBasis };

function writtenPrice({ rates, basis }: PricePin): WrittenPrice {
  const written = Object.fromEntries(rateNames(rates).map((name) => [name, rates[name]!.toString()]));
  return basis === null ? written : { ...written, basis: shortBasis(basis) };
}

function readPrice({ basis, ...written }: WrittenPrice): Pick<PricePin, 'rates' | 'basis'> {
  const names = Object.keys(written) as RateName[];
  const rates = Object.fromEntries(names.map((name) => [name, BigInt(written[name]!)]));
  return { rates, basis: basis === undefined ? null : wholeBasis(basis, names) };
}

type WrittenOther = Pick<OtherModel, 'model'> & {
  usage: Partial<Usage>;
  price: (Pick<PricePin, 'priceId' | 'source'> & WrittenPrice) | null;
};

/** What `pricingText` wrote. */
export function pricingOf(text: string): Pick<PricePin, 'rates' | 'basis'> & { otherModels: OtherModel[] } {
  const { otherModels = [], ...written } = JSON.parse(text) as WrittenPrice & { otherModels?: WrittenOther[] };
  return {
    ...readPrice(written),
    otherModels: otherModels.map(({ model, usage, price }) => {
      if (price === null) return { model, usage: makeUsage(usage), price };
      const { priceId, source, ...rest } = price;
      return { model, usage: makeUsage(usage), price: { priceId, source, ...readPrice(rest) } };
    }),
  };
}

/** Without what is none. */
function shortUsage({ total: _, ...counts }: Usage): Partial<Usage> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => typeof count === 'number' && count > 0));
}

/** As it lies on every row: without what is null, and with who published most of the rates named once. */
type ShortBasis = Pick<PriceBasis, 'book' | 'provider' | 'model'> &
  Partial<PriceBasis> & { by: string; also?: Record<string, string> };

function shortBasis({ published, ...rest }: PriceBasis): ShortBasis {
  const by = published.input ?? Object.values(published)[0] ?? '';
  const also = Object.fromEntries(Object.entries(published).filter(([, who]) => who !== by));
  const said = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)) as typeof rest;
  return { ...said, by, ...(Object.keys(also).length === 0 ? {} : { also }) };
}

function wholeBasis({ by, also = {}, ...said }: ShortBasis, names: readonly RateName[]): PriceBasis {
  const published = Object.fromEntries(names.map((name) => [name, also[name] ?? by]));
  return { validFrom: null, promptAbove: null, serviceTier: null, ...said, published };
}

/** The columns of a row that a record is made of; what corrects something says what and why. */
type RecordSource = Omit<EntryRow, keyof Unlisted> & Partial<Unlisted>;
type Unlisted = Pick<
  EntryRow,
  | 'instanceId'
  | 'corrects'
  | 'reason'
  | 'seq'
  | 'rawUsage'
  | 'servedModel'
  | 'providerCostNanoUsd'
  | 'providerCostSource'
  | 'priceRates'
>;

export function recordOf(row: RecordSource): DispatchRecord {
  const record = plainRecordOf(row);
  if (row.kind !== 'correction') return record;
  const { entryId, kind, ...rest } = record;
  return { entryId, kind, corrects: row.corrects!, reason: row.reason ?? '', ...rest };
}

function plainRecordOf(row: RecordSource): DispatchRecord {
  return {
    entryId: row.entryId,
    kind: row.kind,
    dispatchId: row.dispatchId,
    runId: row.runId,
    attempt: row.attempt,
    tenantId: row.tenantId,
    keyId: row.keyId,
    agentId: row.agentId,
    sessionKey: row.sessionKey,
    sessionId: row.sessionId,
    endUserId: row.endUserId,
    endUserSource: row.endUserSource as DispatchRecord['endUserSource'],
    tags: row.tags === '[]' ? [] : (JSON.parse(row.tags) as string[]),
    metadata: row.metadata === '{}' ? {} : (JSON.parse(row.metadata) as Record<string, unknown>),
    provider: row.provider,
    model: row.model,
    requestedModel: row.requestedModel,
    api: row.api,
    serviceTier: row.serviceTier,
    outcome: row.outcome as DispatchRecord['outcome'],
    httpStatus: row.httpStatus,
    errorKind: row.errorKind,
    stopReason: row.stopReason,
    stream: row.stream === 1,
    usage: usageOf(row),
    usageSource: (row.usageSource ?? 'none') as DispatchRecord['usageSource'],
    cost: costOf(row),
    latencyMs: row.latencyMs,
    timeToFirstTokenMs: row.timeToFirstTokenMs,
    startedAt: isoText(row.startedAt),
    endedAt: row.endedAt === null ? null : isoText(row.endedAt),
    settledAt: row.settledAt === null ? null : isoText(row.settledAt),
    source: row.source as DispatchRecord['source'],
    providerRequestId: row.providerRequestId,
    traceparent: row.traceparent,
  };
}

/** Of an entry and its corrections the one that has the usage: where it came late, a correction brought it. */
export function countedRow<R extends Pick<RecordSource, 'input'>>(rows: readonly R[]): R | undefined {
  return rows.find(({ input }) => input !== null);
}

export function usageOf(row: RecordSource): Usage | null {
  if (row.input === null) return null;
  const input = row.input;
  const output = row.output ?? 0;
  const cacheRead = row.cacheRead ?? 0;
  const cacheWrite = row.cacheWrite ?? 0;
  const cacheWrite1h = row.cacheWrite1h ?? 0;
  return {
    input,
    output,
    cacheRead,
    cacheWrite,
    cacheWrite1h,
    reasoning: row.reasoning,
    audioInput: row.audioInput ?? 0,
    audioOutput: row.audioOutput ?? 0,
    imageInput: row.imageInput ?? 0,
    imageOutput: row.imageOutput ?? 0,
    serverTools: row.serverTools === null ? {} : (JSON.parse(row.serverTools) as Record<string, number>),
    total: input + output + cacheRead + cacheWrite + cacheWrite1h,
  };
}

function costOf(row: RecordSource): Cost | null {
  if (row.costNanoUsd === null || row.priceId === null) return null;
  return {
    nanoUsd: row.costNanoUsd,
    usd: usdText(BigInt(row.costNanoUsd)),
    currency: 'USD',
    source: row.priceSource ?? 'config',
    priceId: row.priceId,
  };
}
