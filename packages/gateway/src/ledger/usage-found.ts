/**
 * What an answer is made of: its groups, how many there are, all of it added up, and its percentiles. From rollups all
 * groups are found; from entries only the first of them, because there may be as many sessions as entries.
 */
import { plus, type Whole } from '../lib/whole.ts';
import type { Store } from '../store/store.ts';
import { type Folded, type Piece, piecesOf, type Span } from './periods.ts';
import { type LatenciesByRow, latenciesOfEntries, latenciesOfRollups } from './usage-latency.ts';
import { needsEntries, type TenantsQuestion } from './usage-question.ts';
import { type Group, SUM_COLUMNS, type Sums, sumsOfEntries, sumsOfRollups } from './usage-sums.ts';

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
  const [parts, latencies] = await Promise.all([
    sumsOfRollups(store, question, pieces),
    wantsLatency ? latenciesOfRollups(store, question, pieces) : NO_LATENCIES,
  ]);
  // The finest sums are the last ones, and the only ones that still change.
  const asOfSeq = parts.at(-1)?.asOfSeq ?? null;
  const groups = merged(parts);
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
  const { groups, groupCount, totals, asOfSeq } = await sumsOfEntries(store, question, pieces, rowsMax);
  if (!wantsLatency) return { groups, groupCount, totals, latencies: NO_LATENCIES, asOfSeq };
  // Percentiles of all of it are the same without its groups, and rollups may know them.
  const whole = { ...question, groupBy: [] };
  const ofWhole = needsEntries(whole) ? null : piecesOf(buckets, folded);
  const shown = groupCount > groups.length ? groups.map((group) => group.groups) : null;
  const latencies = await latenciesOfEntries(store, question, pieces, { shown, isWholeWanted: ofWhole === null });
  const ofAll = ofWhole === null ? latencies : await latenciesOfRollups(store, whole, ofWhole);
  latencies.set(null, ofAll.get(null) ?? NOTHING);
  return { groups, groupCount, totals, latencies, asOfSeq };
}

const NOTHING = { latency: null, firstToken: null };

function wholePieces(buckets: readonly Span[]): Piece[] {
  return buckets.map((span, bucket) => ({ ...span, bucket, tier: 'quarter' as const }));
}

/** Parts of one group from several tiers become one. */
function merged(parts: readonly Group[]): Group[] {
  // By bucket, then by groups: a text of both for each of ten thousand takes longer than adding them up.
  const buckets: Map<string | null, Group>[] = [];
  const groups: Group[] = [];
  for (const part of parts) {
    const inBucket = buckets[part.bucket] ?? new Map<string | null, Group>();
    buckets[part.bucket] = inBucket;
    const key = part.groups.length === 1 ? part.groups[0]! : JSON.stringify(part.groups);
    const group = inBucket.get(key);
    if (group) {
      addTo(group.sums, part.sums);
      group.lastSettledAt = Math.max(group.lastSettledAt, part.lastSettledAt);
      continue;
    }
    inBucket.set(key, part);
    groups.push(part);
  }
  return groups;
}

function totalOf(groups: readonly Group[]): Sums {
  const total = SUM_COLUMNS.map((): Whole => 0);
  for (const { sums } of groups) addTo(total, sums);
  return total;
}

function addTo(into: Sums, more: Sums): void {
  for (let index = 0; index < into.length; index++) into[index] = plus(into[index]!, more[index]!);
}
