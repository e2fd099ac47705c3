/**
 * What an answer is made of: its groups, how many there are, all of it added up, and its percentiles. From rollups all
 * groups are found; from entries only the first of them, because there may be as many sessions as entries.
 */
import { plus, type Whole } from '../lib/whole.ts';
import type { Store } from '../store/store.ts';
import { unpacked } from './packed.ts';
import { type Folded, type Piece, piecesOf, type Span } from './periods.ts';
import { type LatenciesByRow, latenciesOfEntries, latenciesOfRollups, nameOf } from './usage-latency.ts';
import { needsEntries, type TenantsQuestion } from './usage-question.ts';
import { SUM_COLUMNS, type SumsRow, sumsOfEntries, sumsOfRollups } from './usage-sums.ts';
import { groupValues } from './usage-tiers.ts';

/** In the order of SUM_COLUMNS: an answer may have ten thousand. */
export type Sums = Whole[];

export interface Group {
  name: string;
  bucket: number;
  groups: (string | null)[];
  sums: Sums;
  lastSettledAt: number;
}

export interface Found {
  groups: Group[];
  groupCount: number;
  totals: Sums;
  latencies: LatenciesByRow;
  /** The last event that is in the groups; null: nothing is in them that is still changing. */
  asOfSeq: number | null;
}

const NO_LATENCIES: LatenciesByRow = new Map();
const EMPTY = { groupCount: 0, latencies: NO_LATENCIES, asOfSeq: null } as const;

export async function foundInRollups(
  store: Store,
  question: TenantsQuestion,
  { pieces, wantsLatency }: { pieces: readonly Piece[]; wantsLatency: boolean },
): Promise<Found> {
  const [rows, latencies] = await Promise.all([
    sumsOfRollups(store, question, pieces),
    wantsLatency ? latenciesOfRollups(store, question, pieces) : NO_LATENCIES,
  ]);
  const groups = merged(rows, question);
  // The finest sums are the last ones, and the only ones that still change.
  const asOfSeq = rows.at(-1)?.asOfSeq ?? null;
  return { groups, groupCount: groups.length, totals: totalOf(groups), latencies, asOfSeq };
}

export async function foundInEntries(
  store: Store,
  question: TenantsQuestion,
  {
    buckets,
    folded,
    rowsMax,
    wantsLatency,
  }: { buckets: readonly Span[]; folded: Folded; rowsMax: number; wantsLatency: boolean },
): Promise<Found> {
  const pieces = wholePieces(buckets);
  if (pieces.length === 0) return { ...EMPTY, groups: [], totals: totalOf([]) };
  const rows = await sumsOfEntries(store, question, pieces, rowsMax);
  const groups = merged(rows, question);
  const groupCount = rows[0]?.groups ?? 0;
  const asOfSeq = rows[0]?.asOfSeq ?? null;
  const isCut = groupCount > groups.length;
  // All of it is the same without its groups, and rollups may know that.
  const whole = { ...question, groupBy: [] };
  const ofWhole = needsEntries(whole) ? null : piecesOf(buckets, folded);
  const totals = isCut ? await totalsOfWhole(store, whole, pieces, ofWhole) : totalOf(groups);
  if (!wantsLatency) return { groups, groupCount, totals, latencies: NO_LATENCIES, asOfSeq };
  const shown = isCut ? groups.map((group) => group.groups) : null;
  const latencies = await latenciesOfEntries(store, question, pieces, { shown, isWholeWanted: ofWhole === null });
  const ofAll = ofWhole === null ? latencies : await latenciesOfRollups(store, whole, ofWhole);
  latencies.set(null, ofAll.get(null) ?? NOTHING);
  return { groups, groupCount, totals, latencies, asOfSeq };
}

const NOTHING = { latency: null, firstToken: null };

async function totalsOfWhole(
  store: Store,
  whole: TenantsQuestion,
  pieces: readonly Piece[],
  ofRollups: readonly Piece[] | null,
): Promise<Sums> {
  const rows =
    ofRollups === null
      ? await sumsOfEntries(store, whole, pieces, pieces.length)
      : await sumsOfRollups(store, whole, ofRollups);
  return totalOf(merged(rows, whole));
}

function wholePieces(buckets: readonly Span[]): Piece[] {
  return buckets.map((span, bucket) => ({ ...span, bucket, tier: 'quarter' as const }));
}

/** Rows of one group from several tiers become one. */
function merged(rows: readonly SumsRow[], question: TenantsQuestion): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const values = groupValues(row, question);
    const name = nameOf(row.bucket, values);
    // The last settlement comes after the sums.
    const sums = unpacked(row.packed) as Whole[];
    const lastSettledAt = Number(sums.pop());
    const group = groups.get(name);
    if (!group) {
      groups.set(name, { name, bucket: row.bucket, groups: values, sums, lastSettledAt });
      continue;
    }
    addTo(group.sums, sums);
    group.lastSettledAt = Math.max(group.lastSettledAt, lastSettledAt);
  }
  return [...groups.values()];
}

function totalOf(groups: readonly Group[]): Sums {
  const total = SUM_COLUMNS.map((): Whole => 0);
  for (const { sums } of groups) addTo(total, sums);
  return total;
}

function addTo(into: Sums, more: Sums): void {
  for (let index = 0; index < into.length; index++) into[index] = plus(into[index]!, more[index]!);
}
