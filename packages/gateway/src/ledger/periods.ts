/**
 * How a question's period is cut: into the buckets it asks for, in its zone, and each bucket into whole weeks, days, hours
 * and quarters of an hour, so that the fewest and largest sums answer it. Pure.
 */
import { nextStart, startOf, type ZoneUnit } from '../lib/zones.ts';

export const MINUTE_MS = 60 * 1000;
export const QUARTER_MS = 15 * MINUTE_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const SHIFT_MS = 6 * HOUR_MS;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/**
 * How fine sums are kept: weeks, days, quarters of a day and hours of UTC, which are folded, and quarters of an hour. Weeks
 * are there for percentiles, which are merged from every sum of a period; they begin on Thursdays, as time does. Quarters
 * of a day are there for days of other zones: one in New York is nine pieces instead of twenty-four hours.
 */
export const TIERS = ['week', 'day', 'shift', 'hour', 'quarter'] as const;
export type Tier = (typeof TIERS)[number];
export const FOLDED_TIERS = ['week', 'day', 'shift', 'hour'] as const;
export type FoldedTier = (typeof FOLDED_TIERS)[number];

export const TIER_MS: Readonly<Record<Tier, number>> = {
  week: WEEK_MS,
  day: DAY_MS,
  shift: SHIFT_MS,
  hour: HOUR_MS,
  quarter: QUARTER_MS,
};

export type BucketUnit = 'minute' | '15m' | 'hour' | 'day' | 'month';

/** Half open, milliseconds. */
export interface Span {
  fromMs: number;
  toMs: number;
}

/** A part of a bucket that one tier can answer. */
export interface Piece extends Span {
  /** Which bucket, counted from 0. */
  bucket: number;
  tier: Tier;
}

/** Until when each tier is folded; nothing before is ever changed. */
export type Folded = Readonly<Record<FoldedTier, number>>;

/** The buckets of a period, first and last perhaps cut short by it; null when there are more than `max`. */
export function bucketsOf(period: Span, unit: BucketUnit | null, zone: string, max: number): Span[] | null {
  if (unit === null) return [period];
  const buckets: Span[] = [];
  let start = startOfUnit(unit, zone, period.fromMs);
  while (start < period.toMs) {
    if (buckets.length >= max) return null;
    const end = nextOfUnit(unit, zone, start);
    buckets.push({ fromMs: Math.max(start, period.fromMs), toMs: Math.min(end, period.toMs) });
    start = end;
  }
  return buckets;
}

/** Where the bucket that holds this moment begins. */
export function startOfUnit(unit: BucketUnit, zone: string, ms: number): number {
  const length = fixedLength(unit);
  return length === null ? startOf(unit as ZoneUnit, zone, ms) : Math.floor(ms / length) * length;
}

function nextOfUnit(unit: BucketUnit, zone: string, startMs: number): number {
  const length = fixedLength(unit);
  return length === null ? nextStart(unit as ZoneUnit, zone, startMs) : startMs + length;
}

function fixedLength(unit: BucketUnit): number | null {
  if (unit === 'minute') return MINUTE_MS;
  return unit === '15m' ? QUARTER_MS : null;
}

/** Cuts each bucket into pieces of the coarsest tier that fits; the bounds of buckets are whole quarters of an hour. */
export function piecesOf(buckets: readonly Span[], folded: Folded): Piece[] {
  return buckets.flatMap((span, bucket) => cut(span, TIERS, folded).map((piece) => ({ ...piece, bucket })));
}

function cut(span: Span, tiers: readonly Tier[], folded: Folded): Omit<Piece, 'bucket'>[] {
  const [tier = 'quarter', ...finer] = tiers;
  if (tier === 'quarter') return [{ ...span, tier }];
  const inside = within({ fromMs: span.fromMs, toMs: Math.min(span.toMs, folded[tier]) }, TIER_MS[tier]);
  const rests = without(span, inside).flatMap((rest) => cut(rest, finer, folded));
  return inside === null ? rests : [{ ...inside, tier }, ...rests];
}

/** The longest span of whole units inside a span; null when none fits. */
function within({ fromMs, toMs }: Span, unitMs: number): Span | null {
  const span = { fromMs: Math.ceil(fromMs / unitMs) * unitMs, toMs: Math.floor(toMs / unitMs) * unitMs };
  return span.fromMs < span.toMs ? span : null;
}

/** What is left of a span before and after a part of it. */
function without(span: Span, part: Span | null): Span[] {
  if (part === null) return [span];
  const rests = [
    { fromMs: span.fromMs, toMs: part.fromMs },
    { fromMs: part.toMs, toMs: span.toMs },
  ];
  return rests.filter(({ fromMs, toMs }) => fromMs < toMs);
}
