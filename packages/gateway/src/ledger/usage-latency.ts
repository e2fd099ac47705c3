/**
 * Percentiles of an answer: nearest-rank over completed dispatches, exact to 1 ms below 10 s and to 1 % above, whether
 * they come from the histograms of rollups or from the entries themselves.
 */
import { sql } from 'kysely';
import { binOf, denseTally, midOf, sparseTally, type Tally } from '../lib/histogram.ts';
import type { Row, Store } from '../store/store.ts';
import { type Piece, TIERS } from './periods.ts';
import type { TenantsQuestion } from './usage-question.ts';
import { buckets, entriesTable, filtered, groupColumns, settledWithin, tierTable, within } from './usage-sums.ts';

const LATENCY_RANKS = [0.5, 0.95, 0.99];
const FIRST_TOKEN_RANKS = [0.5, 0.95];
/** Rows beyond this get tallies that grow with what is in them: dense ones would take a gigabyte for 10,000 rows. */
const DENSE_TALLIES_MAX = 200;

/** Percentiles in the order of the ranks above; null where nothing completed. */
export interface Latencies {
  latency: readonly number[] | null;
  firstToken: readonly number[] | null;
}

/** By the text of bucket and groups (`nameOf`), and under `null` over everything. */
export type LatenciesByRow = ReadonlyMap<string | null, Latencies>;

export function nameOf(bucket: number, groups: readonly unknown[]): string {
  return JSON.stringify([bucket, ...groups]);
}

export async function latenciesOfRollups(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
): Promise<LatenciesByRow> {
  const tallies = new Map<string | null, { latency: Tally; firstToken: Tally }>();
  const tallyOf = (name: string | null) => {
    let own = tallies.get(name);
    if (!own) {
      const made = tallies.size < DENSE_TALLIES_MAX ? denseTally : sparseTally;
      own = { latency: made(), firstToken: made() };
      tallies.set(name, own);
    }
    return own;
  };
  const all = tallyOf(null);
  for (const tier of TIERS) {
    const own = pieces.filter((piece) => piece.tier === tier);
    if (own.length === 0) continue;
    const groups = groupColumns(question, 'r').map((column, index) => sql`, ${column} as ${sql.ref(`g${index}`)}`);
    const columns = sql`b.bucket, ${sql.ref('r.latencies')}, ${sql.ref('r.firstTokens')}${sql.join(groups, sql``)}`;
    const query = sql<Row>`with ${buckets(own)} select ${columns} from b cross join ${tierTable(tier, 'r')}
      where ${within(question, 'r', tier)} and ${filtered(question, 'r')} and ${sql.ref('r.outcome')} = 'completed'`;
    for (const row of await store.read<Row>(query.compile(store.queries))) {
      const into = tallyOf(
        nameOf(
          row.bucket as number,
          question.groupBy.map((_, index) => row[`g${index}`]),
        ),
      );
      for (const target of question.groupBy.length === 0 && question.bucket == null ? [all] : [into, all]) {
        target.latency.add(row.latencies as Uint8Array);
        target.firstToken.add(row.firstTokens as Uint8Array);
      }
      if (question.groupBy.length === 0 && question.bucket == null) tallies.set(nameOf(0, []), all);
    }
  }
  return new Map(
    [...tallies].map(([name, own]) => [
      name,
      {
        latency: own.latency.percentiles(LATENCY_RANKS),
        firstToken: own.firstToken.percentiles(FIRST_TOKEN_RANKS),
      },
    ]),
  );
}

/** The database ranks the entries itself, so that only the percentiles travel, however many entries there are. */
export async function latenciesOfEntries(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
): Promise<LatenciesByRow> {
  const found = new Map<string | null, Latencies>();
  for (const [column, ranks, name] of [
    ['latencyMs', LATENCY_RANKS, 'latency'],
    ['timeToFirstTokenMs', FIRST_TOKEN_RANKS, 'firstToken'],
  ] as const) {
    for (const isTotal of [false, true]) {
      for (const row of await ranked(store, question, pieces, column, ranks, isTotal)) {
        const key = isTotal
          ? null
          : nameOf(
              row.bucket as number,
              question.groupBy.map((_, index) => row[`g${index}`]),
            );
        const own = found.get(key) ?? { latency: null, firstToken: null };
        // The same rounding as the histograms of rollups have.
        const values = ranks.map((_, index) => midOf(binOf(row[`p${index}`] as number)));
        found.set(key, { ...own, [name]: values });
      }
    }
  }
  return found;
}

function ranked(
  store: Store,
  question: TenantsQuestion,
  pieces: readonly Piece[],
  column: 'latencyMs' | 'timeToFirstTokenMs',
  ranks: readonly number[],
  isTotal: boolean,
): Promise<Row[]> {
  const value = sql.ref(`e.${column}`);
  const groups = isTotal
    ? []
    : groupColumns(question, 'e').map((group, index) => sql`${group} as ${sql.ref(`g${index}`)}`);
  const names = isTotal ? [] : question.groupBy.map((_, index) => sql.ref(`g${index}`));
  const bucket = isTotal ? sql`0` : sql`b.bucket`;
  const keys = sql.join([sql.ref('bucket'), ...names]);
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
      select ${sql.join([sql`${bucket} as bucket`, ...groups, sql`${value} as v`])} from b cross join ${entriesTable(store, question)}
      where ${settledWithin(question, 'e')} and ${filtered(question, 'e')}
        and e.kind = 'usage' and e.outcome = 'completed' and ${value} is not null
    ), placed as (
      select v.*, row_number() over (partition by ${keys} order by v) as place, count(*) over (partition by ${keys}) as n from v
    ) select ${keys}, ${atRanks} from placed group by ${keys}`;
  return store.read<Row>(query.compile(store.queries));
}
