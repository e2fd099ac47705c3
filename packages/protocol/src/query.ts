/** Questions and answers of the asking API: `GET /api/v1/usage`, `/dispatches`, `/runs`. */
import type { DispatchRecord } from './event.ts';

export interface List<Item> {
  object: 'list';
  data: Item[];
  hasMore: boolean;
  nextCursor: string | null;
}

export const USAGE_GROUPS = [
  'model',
  'provider',
  'agent',
  'session',
  'tenant',
  'endUser',
  'source',
  'outcome',
] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** How a period may be cut; days, hours and months are those of the asked time zone. */
export const TIME_BUCKETS = ['minute', '15m', 'hour', 'day', 'month'] as const;
export type TimeBucket = (typeof TIME_BUCKETS)[number];

/** What a sum is made of: how many dispatches of each kind stand in it. */
export interface Composition {
  reported: number;
  partial: number;
  estimated: number;
  none: number;
  /** Dispatches with usage but without a price: their cost is missing from the sum. */
  unpriced: number;
  /** Dispatches whose end nobody saw (the gateway died). */
  uncertain: number;
}

/** Sums over settled entries. Integers beyond 2^53 travel as decimal strings, so all money and tokens do. */
export interface UsageSums {
  requests: number;
  input: string;
  output: string;
  cacheRead: string;
  cacheWrite: string;
  cacheWrite1h: string;
  reasoning: string;
  total: string;
  costNanoUsd: string;
  costUsd: string;
  composition: Composition;
  /** Milliseconds over completed dispatches; null when there are none, or when latencies were not asked for. */
  latencyMs: { avg: number; p50: number; p95: number; p99: number } | null;
  timeToFirstTokenMs: { p50: number; p95: number } | null;
}

export interface UsageRow extends UsageSums {
  /** The values of the asked groups; null where an entry has none. */
  group: Partial<Record<UsageGroup, string | null>>;
  /** Where the row's bucket begins, ISO 8601; null when no bucket was asked for. */
  bucketStart: string | null;
  /** Last settlement in the row, ISO 8601. */
  lastSettledAt: string;
}

export interface UsageAnswer {
  object: 'usage';
  from: string;
  to: string;
  groupBy: UsageGroup[];
  bucket: TimeBucket | null;
  /** The time zone whose days, hours and months the buckets are. */
  tz: string;
  /** The sums hold every event up to this sequence number and none after it; percentiles may be a little newer. */
  asOfSeq: number;
  /** With a bucket: by time. Without: the costliest first. */
  rows: UsageRow[];
  /** Groups left out because there are more than one answer holds; the totals have them. */
  rowsOmitted: number;
  totals: UsageSums;
}

export interface PriceLine {
  /** `input`, `cacheRead`, …; of another model than the one that served, its name and a space before: `claude-opus-5 input`. */
  bucket: string;
  units: number;
  /** pico-USD for one unit, an integer as a decimal string. */
  ratePicoUsd: string;
  amountPicoUsd: string;
  /** Who published the rate: `config`, or a catalogue and its version. */
  source: string;
}

/** The price of a dispatch and why it is this one. */
export interface PriceDetail {
  priceId: string;
  /** `config`, `import`, `book` or `demo`. */
  source: string;
  /** Where a book's row stands, and what of the dispatch chose it; null where the price is no book's. */
  basis: {
    book: string;
    provider: string;
    model: string;
    validFrom: string | null;
    promptAbove: number | null;
    serviceTier: string | null;
  } | null;
  /** Of the other models that consumed a part of it (an advisor); absent where none did. */
  otherModels?: (Omit<PriceDetail, 'otherModels'> & { model: string })[];
}

/** Nano-USD as a decimal string, and the same in USD for people. */
export interface Amount {
  nanoUsd: string;
  usd: string;
}

/** `GET /api/v1/dispatches/{id}`: the record, its price lines, the usage as the provider sent it. */
export interface DispatchDetail extends DispatchRecord {
  /** As the provider named the model, where that is another name. */
  servedModel: string | null;
  price: PriceDetail | null;
  /** Why there is usage and no cost; null where there is a cost or no usage. */
  unpriced: string | null;
  /** The sum of the entry's cost and its corrections'; null where none has one. */
  costNow: Amount | null;
  /** What the provider said that it cost, and in which field or header. */
  providerCost: (Amount & { source: string }) | null;
  priceLines: PriceLine[] | null;
  rawUsage: unknown;
  corrections: DispatchRecord[];
}

/** One element of `GET /api/v1/runs`: a run that has not ended. */
export interface RunInFlight {
  runId: string;
  tenantId: string;
  agentId: string | null;
  sessionKey: string | null;
  provider: string;
  model: string;
  attempt: number;
  startedAt: string;
  /** Generated so far by the present dispatch; an estimate. */
  tokens: number;
}
