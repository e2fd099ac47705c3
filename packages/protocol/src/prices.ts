/** What the questions about prices answer: entries held against the prices in force, and against the providers' word. */
import type { UsageGroup } from './query.ts';

/** Sums over the entries of one tenant. Money is nano-USD as a decimal string. */
export interface RepricedTenant {
  tenantId: string;
  /** Looked at: settled, with usage. */
  entries: number;
  /** Their cost was another, and is corrected. */
  repriced: number;
  /** They had no cost, and have one now. */
  priced: number;
  /** They still have none: nobody published a price for them. */
  unpriced: number;
  /** They keep a cost that no price in force would give them. */
  kept: number;
  beforeNanoUsd: string;
  afterNanoUsd: string;
  differenceNanoUsd: string;
}

/** `POST /api/v1/prices/reprice`: what a page of entries would cost, or costs now, at the prices in force. */
export interface RepriceAnswer {
  object: 'reprice';
  /** Nothing was written. */
  dryRun: boolean;
  tenants: RepricedTenant[];
  /** Entries that fit the question, with those of the pages before; null except on the first page. */
  total: number | null;
  /** Go on with this; null when all were looked at. */
  nextCursor: string | null;
}

export interface RepricePage extends RepriceAnswer {
  /** Names the prices that were in force. */
  pricesHash: string;
}

/** Our cost beside the provider's own, over the dispatches that have both. Money is nano-USD as a decimal string. */
export interface ReconciliationSums {
  /** Dispatches whose provider said what they cost. */
  dispatches: number;
  /** Of these, how many have another cost here; a nano-USD more or less is rounding. */
  differing: number;
  /** Of these, how many have no cost here: they are in neither sum. */
  unpriced: number;
  costNanoUsd: string;
  providerCostNanoUsd: string;
  /** Ours less theirs. */
  differenceNanoUsd: string;
  differenceUsd: string;
}

export interface ReconciledDispatch {
  dispatchId: string;
  provider: string;
  model: string;
  /** Ours with its corrections; null: unpriced. */
  nanoUsd: string | null;
  providerNanoUsd: string;
  differenceNanoUsd: string | null;
  /** The field or the header in which the provider said it. */
  source: string;
}

/** `GET /api/v1/usage/reconciliation`. */
export interface Reconciliation {
  object: 'reconciliation';
  from: string;
  to: string;
  groupBy: UsageGroup[];
  /** The furthest apart first. */
  rows: (ReconciliationSums & { group: Partial<Record<UsageGroup, string | null>> })[];
  totals: ReconciliationSums;
  /** Single dispatches that differ or are unpriced, the furthest apart first, at most 20. */
  furthest: ReconciledDispatch[];
}
