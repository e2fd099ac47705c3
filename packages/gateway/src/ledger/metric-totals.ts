/**
 * Everything the ledger ever recorded, by provider, model, agent, source and outcome, for whoever scrapes metrics. Totals
 * come from rollups, so they equal every other answer and survive restarts. A quarter of an hour that is over never
 * changes (settlement time does not go back): it is added once and kept, and each question reads only what is newer.
 * Callers choose names: so many combinations of provider, model and agent are kept apart, the rest are one.
 */
import { USAGE_BUCKETS, USAGE_SOURCES } from '@weighbridge/protocol';
import { sql } from 'kysely';
import { DurationCounts } from '../lib/exposition.ts';
import { type Histogram, mergeInto, midOf } from '../lib/histogram.ts';
import type { Store } from '../store/store.ts';
import { BUCKET_MS } from './rollup.ts';

/** Rows read at once while the past is taken in. */
const PAGE = 2_000;
const BOUNDS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600] as const;

const SUMS = ['requests', ...USAGE_SOURCES, 'unpriced'] as const;
const BIG_SUMS = [...USAGE_BUCKETS, 'costNanoUsd'] as const;
const NAMES = ['provider', 'model', 'agentId'] as const;
/** The provider, model and agent of all that have no place of their own. */
const OTHER = '_other';

export interface MetricTotals {
  provider: string;
  model: string;
  /** Empty where there is none. */
  agentId: string;
  source: string;
  outcome: string;
  sums: Record<(typeof SUMS)[number], number>;
  big: Record<(typeof BIG_SUMS)[number], bigint>;
  /** Of completed dispatches. */
  latencies: DurationCounts;
  firstTokens: DurationCounts;
}

type TotalsRow = Pick<MetricTotals, 'provider' | 'model' | 'agentId' | 'source' | 'outcome'> & {
  tenantId: string;
  bucketStart: number;
  latencies: Uint8Array;
  firstTokens: Uint8Array;
} & Record<(typeof SUMS)[number], number> &
  Record<(typeof BIG_SUMS)[number], string>;

export class LedgerTotals {
  readonly #store: Store;
  readonly #tenantId: string | null;
  readonly #max: () => number;
  /** Who is kept apart: whoever is stays so, or a counter would fall. Null: nobody asked yet. */
  #named: Set<string> | null = null;
  readonly #past = new Map<string, MetricTotals>();
  /** What is before this moment is in `#past`. */
  #pastToMs = 0;
  #reading: Promise<unknown> = Promise.resolve();

  /** `tenantId` null: of all tenants together. `max`: combinations that are kept apart. */
  constructor(store: Store, tenantId: string | null, max: () => number) {
    this.#store = store;
    this.#tenantId = tenantId;
    this.#max = max;
  }

  /** As of now. The first question takes in the whole past, page by page. */
  read(): Promise<MetricTotals[]> {
    const read = this.#reading.then(() => this.#read());
    // Who asks next must not suffer for it.
    this.#reading = read.catch(() => {});
    return read;
  }

  async #read(): Promise<MetricTotals[]> {
    this.#named ??= new Set((await this.#busiest()).map(nameOf));
    const overMs = await this.#lastQuarter();
    if (overMs > this.#pastToMs) {
      const more = new Map<string, MetricTotals>();
      await this.#addAll(more, this.#pastToMs, overMs);
      // All of it or nothing: a question that failed half way is asked again whole.
      for (const totals of more.values()) merge(this.#past, totals);
      this.#pastToMs = overMs;
    }
    const all = new Map<string, MetricTotals>();
    for (const totals of this.#past.values()) merge(all, totals);
    await this.#addAll(all, this.#pastToMs, Number.MAX_SAFE_INTEGER);
    return [...all.values()];
  }

  /** The start of the quarter of an hour that the newest settlement lies in. */
  async #lastQuarter(): Promise<number> {
    const query = this.#store.queries.selectFrom('ledger').select('lastSettledAt').compile();
    const [row] = await this.#store.read<{ lastSettledAt: number }>(query);
    return Math.floor((row?.lastSettledAt ?? 0) / BUCKET_MS) * BUCKET_MS;
  }

  async #addAll(into: Map<string, MetricTotals>, fromMs: number, toMs: number): Promise<void> {
    let after: readonly (string | number)[] | null = null;
    while (true) {
      const rows = await this.#page(fromMs, toMs, after);
      for (const row of rows) merge(into, this.#placed(totalsOf(row)));
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = [last.bucketStart, last.tenantId, last.provider, last.model, last.agentId, last.source, last.outcome];
    }
  }

  #placed(totals: MetricTotals): MetricTotals {
    const name = nameOf(totals);
    const named = this.#named!;
    if (!named.has(name) && named.size >= this.#max()) {
      return { ...totals, provider: OTHER, model: OTHER, agentId: OTHER };
    }
    named.add(name);
    return totals;
  }

  /** Those that get a place at the beginning. */
  #busiest(): Promise<Pick<MetricTotals, (typeof NAMES)[number]>[]> {
    let query = this.#store.queries.selectFrom('rollups').select(NAMES).groupBy(NAMES);
    if (this.#tenantId !== null) query = query.where('tenantId', '=', this.#tenantId);
    query = query.orderBy(({ fn }) => fn.sum('requests'), 'desc').limit(this.#max());
    for (const column of NAMES) query = query.orderBy(column);
    return this.#store.read(query.compile());
  }

  #page(fromMs: number, toMs: number, after: readonly (string | number)[] | null): Promise<TotalsRow[]> {
    const key = ['bucketStart', 'tenantId', 'provider', 'model', 'agentId', 'source', 'outcome'] as const;
    let query = this.#store.queries
      .selectFrom('rollups')
      .select([...key, ...SUMS, 'latencies', 'firstTokens'])
      .select(BIG_SUMS.map((column) => sql<string>`cast(${sql.ref(column)} as text)`.as(column)))
      .where('bucketStart', '>=', after === null ? fromMs : (after[0] as number))
      .where('bucketStart', '<', toMs)
      .limit(PAGE);
    for (const column of key) query = query.orderBy(column);
    if (this.#tenantId !== null) query = query.where('tenantId', '=', this.#tenantId);
    if (after !== null) {
      const place = sql.join(key.map((column) => sql.ref(column)));
      query = query.where(sql<boolean>`(${place}) > (${sql.join(after.map((value) => sql`${value}`))})`);
    }
    return this.#store.read<TotalsRow>(query.compile());
  }
}

function nameOf({ provider, model, agentId }: Pick<MetricTotals, (typeof NAMES)[number]>): string {
  return JSON.stringify([provider, model, agentId]);
}

function totalsOf(row: TotalsRow): MetricTotals {
  const { provider, model, agentId, source, outcome } = row;
  const isCompleted = outcome === 'completed';
  return {
    provider,
    model,
    agentId,
    source,
    outcome,
    sums: Object.fromEntries(SUMS.map((column) => [column, Number(row[column])])) as MetricTotals['sums'],
    big: Object.fromEntries(BIG_SUMS.map((column) => [column, BigInt(row[column])])) as MetricTotals['big'],
    latencies: durationsOf(isCompleted ? row.latencies : null),
    firstTokens: durationsOf(isCompleted ? row.firstTokens : null),
  };
}

function durationsOf(bytes: Uint8Array | null): DurationCounts {
  const durations = new DurationCounts(BOUNDS_SECONDS);
  if (bytes === null) return durations;
  const histogram: Histogram = new Map();
  mergeInto(histogram, bytes);
  for (const [bin, count] of histogram) durations.add(midOf(bin) / 1000, count);
  return durations;
}

function merge(into: Map<string, MetricTotals>, totals: MetricTotals): void {
  const { provider, model, agentId, source, outcome, sums, big, latencies, firstTokens } = totals;
  const name = JSON.stringify([provider, model, agentId, source, outcome]);
  const kept = into.get(name);
  if (kept === undefined) {
    const copied = { latencies: durationsOf(null), firstTokens: durationsOf(null) };
    copied.latencies.merge(latencies);
    copied.firstTokens.merge(firstTokens);
    into.set(name, { ...totals, sums: { ...sums }, big: { ...big }, ...copied });
    return;
  }
  for (const column of SUMS) kept.sums[column] += sums[column];
  for (const column of BIG_SUMS) kept.big[column] += big[column];
  kept.latencies.merge(latencies);
  kept.firstTokens.merge(firstTokens);
}
