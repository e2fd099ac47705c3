/**
 * Ranges as people name them, made into periods that the ledger can be asked about: whole quarters of an hour, days that are
 * days of the chosen zone. Also the period before, for comparison, and how finely a chart of it is cut. Pure.
 */
import type { TimeBucket } from '@weighbridge/client';
import { DAY_MS, HOUR_MS, MINUTE_MS, offsetOf, QUARTER_MS, startOfDay, startOfMonth } from './zone.ts';

export const RANGES = ['15m', '1h', '6h', '24h', '7d', '30d', '90d', 'this-month', 'last-month'] as const;
export type NamedRange = (typeof RANGES)[number];

export type Range = { name: NamedRange } | { name: 'custom'; fromMs: number; toMs: number };

export const RANGE_LABELS: Readonly<Record<NamedRange | 'custom', string>> = {
  '15m': '15 minutes',
  '1h': '1 hour',
  '6h': '6 hours',
  '24h': '24 hours',
  '7d': '7 days',
  '30d': '30 days',
  '90d': '90 days',
  'this-month': 'This month',
  'last-month': 'Last month',
  custom: 'Custom',
};

/** Half open, milliseconds. */
export interface Period {
  fromMs: number;
  toMs: number;
  bucket: TimeBucket;
  /** It ends now: what is settled next belongs to it. */
  isOpen: boolean;
}

const SPANS: Partial<Record<NamedRange, number>> = {
  '15m': QUARTER_MS,
  '1h': HOUR_MS,
  '6h': 6 * HOUR_MS,
  '24h': DAY_MS,
};
const DAYS: Partial<Record<NamedRange, number>> = { '7d': 7, '30d': 30, '90d': 90 };

export function periodOf(range: Range, zone: string, nowMs: number): Period {
  const end = ceilQuarter(nowMs + 1);
  if (range.name === 'custom') {
    const fromMs = floorQuarter(range.fromMs);
    const toMs = Math.max(ceilQuarter(range.toMs), fromMs + QUARTER_MS);
    return { fromMs, toMs, bucket: bucketFor(toMs - fromMs), isOpen: toMs >= end };
  }
  if (range.name === 'last-month') {
    const [fromMs, toMs] = [startOfMonth(zone, nowMs, -1), startOfMonth(zone, nowMs)];
    return { fromMs, toMs, bucket: 'day', isOpen: false };
  }
  if (range.name === 'this-month') return { fromMs: startOfMonth(zone, nowMs), toMs: end, bucket: 'day', isOpen: true };
  const days = DAYS[range.name];
  const fromMs =
    days === undefined ? floorQuarter(nowMs - SPANS[range.name]!) : floorQuarter(startOfDay(zone, nowMs, 1 - days));
  return { fromMs, toMs: end, bucket: bucketFor(end - fromMs), isOpen: true };
}

export interface PeriodBefore {
  fromMs: number;
  toMs: number;
  /** Null: its bounds are whole quarters of an hour. */
  bucket: 'minute' | null;
}

/**
 * As long a stretch before it as has passed of it: a period that is still going on is not held against a whole one. Days and
 * months are held against days and months, up to the same time of day.
 */
export function periodBefore(range: Range, period: Period, zone: string, nowMs: number): PeriodBefore {
  const { fromMs, toMs, isOpen } = period;
  if (range.name === 'last-month') return { fromMs: startOfMonth(zone, fromMs, -1), toMs: fromMs, bucket: null };
  const endMs = isOpen ? Math.max(nowMs, fromMs + 1) : toMs;
  const days = range.name === 'custom' ? undefined : DAYS[range.name];
  if (range.name === 'this-month' || days !== undefined) {
    const before = floorQuarter(days === undefined ? startOfMonth(zone, fromMs, -1) : startOfDay(zone, fromMs, -days));
    return { fromMs: before, toMs: Math.min(sameTime(zone, fromMs, endMs, before), fromMs), bucket: null };
  }
  if (period.bucket === 'minute' && isOpen) {
    return { fromMs: fromMs - ceilTo(MINUTE_MS, endMs - fromMs), toMs: fromMs, bucket: 'minute' };
  }
  const quarters = Math.max(1, Math.round((endMs - fromMs) / QUARTER_MS));
  return { fromMs: fromMs - quarters * QUARTER_MS, toMs: fromMs, bucket: null };
}

/** What a clock on the wall shows `endMs - fromMs` later, counted from another day's beginning; the nearest quarter after it. */
function sameTime(zone: string, fromMs: number, endMs: number, otherMs: number): number {
  const wallMs = endMs - fromMs + offsetOf(zone, endMs) - offsetOf(zone, fromMs);
  const plainMs = otherMs + wallMs;
  return ceilQuarter(plainMs - offsetOf(zone, plainMs) + offsetOf(zone, otherMs));
}

function bucketFor(lengthMs: number): TimeBucket {
  if (lengthMs <= 2 * HOUR_MS) return 'minute';
  if (lengthMs <= 2 * DAY_MS) return '15m';
  if (lengthMs <= 8 * DAY_MS) return 'hour';
  return lengthMs <= 400 * DAY_MS ? 'day' : 'month';
}

function floorQuarter(ms: number): number {
  return Math.floor(ms / QUARTER_MS) * QUARTER_MS;
}

function ceilQuarter(ms: number): number {
  return ceilTo(QUARTER_MS, ms);
}

function ceilTo(stepMs: number, ms: number): number {
  return Math.ceil(ms / stepMs) * stepMs;
}
