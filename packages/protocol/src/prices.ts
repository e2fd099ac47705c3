/** What `POST /api/v1/prices/reprice` answers: what a page of entries would cost, or costs now, at the prices in force. */

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
