/**
 * Percentiles of an answer: nearest-rank over completed dispatches, exact to 1 ms below 10 s and to 1 % above, whether
 * they come from the histograms of rollups or from the entries themselves.
 */
import { type RawBuilder, sql } from 'kysely';
import { binOf, midOf, Tally } from '../lib/histogram.ts';
import type { Row, Store } from '../store/store.ts';
import type { Piece, Tier } from './periods.ts';
import type { TenantsQuestion } from './usage-question.ts';
import { entriesTable, settledWithin } from './usage-sums.ts';
import {
  buckets,
  filtered,
  groupColumns,
  groupValues,
  keepsOutcome,
  nameOf,
  rowsOfTiers,
  type TierSelection,
} from './usage-tiers.ts';

const LATENCY_RANKS = [0.5, 0.95, 0.99];
const FIRST_TOKEN_RANKS = [0.5, 0.95];

/** Percentiles in the order of the ranks above; null where nothing completed. */
export interface Latencies {
  latency: readonly number[] | null;
  firstToken: readonly number[] | null;
}

interface LatencyRow extends Row {
  bucket: number;
  latencies: Uint8Array;
  firstTokens: Uint8Array;
}

/** By the text of bucket and groups (`nameOf`), and under `null` over everything. */
export type LatenciesByRow = Map<string | null, Latencies>;

export async function latenciesOfRollups(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
): Promise<LatenciesByRow> {
  const select = (tier: Tier): TierSelection => ({
    columns: [sql.ref('r.latencies'), sql.ref('r.firstTokens')],
    condition: keepsOutcome(question, tier) ? sql`r.outcome = 'completed'` : null,
    isSummed: false,
  });
  const rows = await rowsOfTiers(store, question, pieces, select, (row: LatencyRow) => row);
  const groups = Map.groupBy(rows, (row) => nameOf(row.bucket, groupValues(row, question)));
  const latencies = new Map<string | null, Latencies>();
  const [latency, firstToken] = [new Tally(), new Tally()];
  const [ownLatency, ownFirstToken] = [new Tally(latency), new Tally(firstToken)];
  for (const [name, own] of groups) {
    ownLatency.clear();
    ownFirstToken.clear();
    for (const row of own) {
      ownLatency.add(row.latencies);
      ownFirstToken.add(row.firstTokens);
    }
    latencies.set(name, ranksOf(ownLatency, ownFirstToken));
  }
  return latencies.set(null, ranksOf(latency, firstToken));
}

function ranksOf(latency: Tally, firstToken: Tally): Latencies {
  return { latency: latency.percentiles(LATENCY_RANKS), firstToken: firstToken.percentiles(FIRST_TOKEN_RANKS) };
}

/** Which percentiles of entries are wanted: of every group or of these, and of everything or not. */
export interface RankedOnly {
  shown: readonly (readonly (string | null)[])[] | null;
  isWholeWanted: boolean;
}

/** The database ranks the entries itself, so that only the percentiles travel, however many entries there are. */
export async function latenciesOfEntries(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  { shown, isWholeWanted }: RankedOnly,
): Promise<LatenciesByRow> {
  const found = new Map<string | null, Latencies>();
  const whole = { ...question, groupBy: [], bucket: null };
  for (const [column, ranks, name] of [
    ['latencyMs', LATENCY_RANKS, 'latency'],
    ['timeToFirstTokenMs', FIRST_TOKEN_RANKS, 'firstToken'],
  ] as const) {
    const tell = (key: string | null, row: Row) => {
      const own = found.get(key) ?? { latency: null, firstToken: null };
      // The same rounding as the histograms of rollups have.
      const values = ranks.map((_, index) => midOf(binOf(row[`p${index}`] as number)));
      found.set(key, { ...own, [name]: values });
    };
    for (const row of await ranked(store, question, pieces, column, ranks, ofShown(store, question, shown))) {
      tell(nameOf(row.bucket as number, groupValues(row, question)), row);
    }
    if (!isWholeWanted) continue;
    const inOne = pieces.map((piece) => ({ ...piece, bucket: 0 }));
    for (const row of await ranked(store, whole, inOne, column, ranks, null)) tell(null, row);
  }
  return found;
}

/** Of a thousand sessions shown the percentiles are wanted, and not of a million others. */
function ofShown(
  store: Store,
  question: TenantsQuestion,
  shown: readonly (readonly (string | null)[])[] | null,
): RawBuilder<unknown> | null {
  const place = question.groupBy.findIndex((group) => group === 'session' || group === 'endUser');
  if (shown === null || place === -1) return null;
  const group = groupColumns(question, 'e')[place]!;
  // The period finds them: `+` keeps SQLite from walking all that these sessions ever did.
  const column = store.engine === 'sqlite' ? sql`+${group}` : group;
  const values = JSON.stringify([...new Set(shown.map((groups) => groups[place]))]);
  const known =
    store.engine === 'sqlite'
      ? sql`select value from json_each(${values})`
      : sql`select value from jsonb_array_elements_text(cast(${values} as jsonb)) as shown(value)`;
  const isKnown = sql`${column} in (${known} where value is not null)`;
  return values.includes('null') ? sql`(${isKnown} or ${column} is null)` : isKnown;
}

function ranked(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  column: 'latencyMs' | 'timeToFirstTokenMs',
  ranks: readonly number[],
  condition: RawBuilder<unknown> | null,
): Promise<Row[]> {
  const value = sql.ref(`e.${column}`);
  const groups = groupColumns(question, 'e').map((group, index) => sql`${group} as ${sql.ref(`g${index}`)}`);
  const keys = sql.join([sql.ref('bucket'), ...groups.map((_, index) => sql.ref(`g${index}`))]);
  const atRanks = sql.join(
    ranks.map((rank, index) => {
      // Nearest rank: the first place that is not before rank x count, in integers of per cent.
      const place = sql`max(1, (n * ${sql.lit(Math.round(rank * 100))} + 99) / 100)`;
      const least =
        store.engine === 'sqlite' ? place : sql`greatest(1, (n * ${sql.lit(Math.round(rank * 100))} + 99) / 100)`;
      return sql`max(v) filter (where place = ${least}) as ${sql.ref(`p${index}`)}`;
    }),
  );
  const query = sql<Row>`with ${buckets(pieces)}, v as (
      select ${sql.join([sql`b.bucket as bucket`, ...groups, sql`${value} as v`])} from b cross join ${entriesTable(store, question)}
      where ${settledWithin(question, 'e')} and ${filtered(question, 'e')}
        and e.kind = 'usage' and e.outcome = 'completed' and ${value} is not null${condition === null ? sql`` : sql` and ${condition}`}
    ), placed as (
      select v.*, row_number() over (partition by ${keys} order by v) as place, count(*) over (partition by ${keys}) as n from v
    ) select ${keys}, ${atRanks} from placed group by ${keys}`;
  return store.read<Row>(query.compile(store.queries));
}
