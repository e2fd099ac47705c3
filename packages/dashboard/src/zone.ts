/**
 * Where hours, days and months begin in a time zone, by the rules that the browser brings (`Intl`). The gateway cuts its
 * buckets by the same rules; here they say in which bucket a live event falls, and where "this month" begins.
 */
import type { TimeBucket } from '@weighbridge/client';

export const MINUTE_MS = 60_000;
export const QUARTER_MS = 15 * MINUTE_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

type Calendar = { year: number; month: number; day: number; hour: number; minute: number; second: number };

const formats = new Map<string, Intl.DateTimeFormat>();

/** The browser's own zone, `UTC` where it does not say. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What a clock on a wall of that zone shows. */
export function wallClock(zone: string, ms: number): Calendar {
  const wall = new Date(ms + offsetOf(zone, ms));
  return {
    year: wall.getUTCFullYear(),
    month: wall.getUTCMonth() + 1,
    day: wall.getUTCDate(),
    hour: wall.getUTCHours(),
    minute: wall.getUTCMinutes(),
    second: wall.getUTCSeconds(),
  };
}

/** East of Greenwich is positive, milliseconds. */
export function offsetOf(zone: string, ms: number): number {
  // Clocks are changed at a whole minute; the same minutes are asked for again and again, and each answer takes 30 µs.
  const minute = Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  const key = `${zone} ${minute}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    if (offsets.size >= OFFSETS_MAX) offsets.clear();
    offset = askedOffset(zone, minute);
    offsets.set(key, offset);
  }
  return offset;
}

const offsets = new Map<string, number>();
const OFFSETS_MAX = 10_000;

function askedOffset(zone: string, ms: number): number {
  const found: Record<string, number> = {};
  let isBefore = false;
  for (const { type, value } of formatOf(zone).formatToParts(ms)) {
    if (type === 'era') isBefore = value.startsWith('B');
    else found[type] = Number(value);
  }
  const { year, month, day, hour, minute, second } = found as unknown as Calendar;
  return utcOf(isBefore ? 1 - year : year, month, day, hour, minute, second) - ms;
}

/** `Date.UTC` takes the years 0 to 99 for those of the last century. */
function utcOf(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second);
}

/** The first moment of a day, given by its date on the wall; a month or day out of its bounds runs into the next. */
export function startOfDate(zone: string, year: number, month: number, day: number): number {
  const wall = utcOf(year, month, day);
  const guess = wall - offsetOf(zone, wall);
  const start = wall - offsetOf(zone, guess);
  // Where midnight is left out, clocks jump over it: the day begins where they jump.
  const shown = wallClock(zone, start);
  if (utcOf(shown.year, shown.month, shown.day) >= wall) return start;
  return wall - offsetOf(zone, start + 3 * HOUR_MS) + (offsetOf(zone, start + 3 * HOUR_MS) - offsetOf(zone, start));
}

/** `2026-11-21T09:30`, as fields for dates have it, of a zone; null where it is no moment. */
export function momentOf(zone: string, text: string): number | null {
  const wall = Date.parse(`${text}Z`);
  if (!Number.isFinite(wall)) return null;
  const guess = wall - offsetOf(zone, wall);
  return wall - offsetOf(zone, guess);
}

export function wallText(zone: string, ms: number): string {
  return new Date(ms + offsetOf(zone, ms)).toISOString().slice(0, 16);
}

/** Midnight before a moment, moved by whole days on the calendar. */
export function startOfDay(zone: string, ms: number, days = 0): number {
  const { year, month, day } = wallClock(zone, ms);
  return startOfDate(zone, year, month, day + days);
}

export function startOfMonth(zone: string, ms: number, months = 0): number {
  const { year, month } = wallClock(zone, ms);
  return startOfDate(zone, year, month + months, 1);
}

/** Where the bucket begins that holds this moment; the same beginnings as in the gateway's answers. */
export function startOfBucket(bucket: TimeBucket, zone: string, ms: number): number {
  if (bucket === 'minute') return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  if (bucket === '15m') return Math.floor(ms / QUARTER_MS) * QUARTER_MS;
  if (bucket === 'day') return startOfDay(zone, ms);
  if (bucket === 'month') return startOfMonth(zone, ms);
  const offset = offsetOf(zone, ms);
  return Math.floor((ms + offset) / HOUR_MS) * HOUR_MS - offset;
}

/** Where the next one begins. */
export function nextBucket(bucket: TimeBucket, zone: string, startMs: number): number {
  if (bucket === 'minute') return startMs + MINUTE_MS;
  if (bucket === '15m') return startMs + QUARTER_MS;
  if (bucket === 'hour') {
    const offset = offsetOf(zone, startMs);
    return (Math.floor((startMs + offset) / HOUR_MS) + 1) * HOUR_MS - offset;
  }
  return bucket === 'day' ? startOfDay(zone, startMs, 1) : startOfMonth(zone, startMs, 1);
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}
