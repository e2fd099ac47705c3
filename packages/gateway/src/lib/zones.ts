/**
 * Where hours, days and months begin in a time zone, by the rules that the runtime brings (`Intl`). Every zone's offset
 * is a multiple of a quarter of an hour nowadays, so each beginning is looked for among those quarters.
 */

const QUARTER_MS = 15 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

export type ZoneUnit = 'hour' | 'day' | 'month';

/** Names come from callers: only so many are remembered. */
const ZONES_KEPT = 64;
const formats = new Map<string, Intl.DateTimeFormat>();

/** False for a name that the runtime does not know, and for an offset like `+05:37`, whose days begin inside a quarter. */
export function isZone(zone: string): boolean {
  try {
    const offsetMs = offsetOf(zone, 0);
    return !/^[+-]/.test(zone) || offsetMs % QUARTER_MS === 0;
  } catch {
    return false;
  }
}

/** The last beginning of the unit at or before that moment. */
export function startOf(unit: ZoneUnit, zone: string, ms: number): number {
  if (zone === 'UTC') return startInUtc(unit, ms);
  const name = nameOf(unit, zone, ms);
  // The unit is at most this long, so its beginning lies after here; within it names change exactly once.
  let within = Math.floor(ms / QUARTER_MS) * QUARTER_MS;
  let before = within - LENGTH_MAX_MS[unit];
  while (within - before > QUARTER_MS) {
    const middle = quarterBetween(before, within);
    if (nameOf(unit, zone, middle) === name) within = middle;
    else before = middle;
  }
  return within;
}

/** The first beginning of the unit after a beginning. */
export function nextStart(unit: ZoneUnit, zone: string, startMs: number): number {
  const lengthMs = unit === 'month' ? null : STEADY_LENGTH_MS[unit];
  const offsetMs = lengthMs === null ? null : steadyOffset(zone, startMs, startMs + lengthMs);
  // By the clock on the wall: where that was put by half an hour, an hour begins in the middle of one.
  if (lengthMs !== null && offsetMs !== null) {
    return (Math.floor((startMs + offsetMs) / lengthMs) + 1) * lengthMs - offsetMs;
  }
  const name = nameOf(unit, zone, startMs);
  let within = startMs;
  let after = startMs + LENGTH_MAX_MS[unit];
  while (after - within > QUARTER_MS) {
    const middle = quarterBetween(within, after);
    if (nameOf(unit, zone, middle) === name) within = middle;
    else after = middle;
  }
  return after;
}

const HOUR_MS = 60 * 60 * 1000;
/** While the offset stays. */
const STEADY_LENGTH_MS = { hour: HOUR_MS, day: DAY_MS } as const;
/** Longer than the longest of its kind: a day of 25 hours, a month of 31 such days. */
const LENGTH_MAX_MS: Readonly<Record<ZoneUnit, number>> = {
  hour: HOUR_MS + QUARTER_MS,
  day: 26 * HOUR_MS,
  month: 32 * DAY_MS,
};

function quarterBetween(fromMs: number, toMs: number): number {
  return fromMs + Math.floor((toMs - fromMs) / (2 * QUARTER_MS)) * QUARTER_MS;
}

/** A stretch of a zone in which the offset does not change; asking for each hour would cost more than the sums. */
const steady = new Map<string, { fromMs: number; toMs: number; offsetMs: number }>();

function steadyOffset(zone: string, fromMs: number, toMs: number): number | null {
  if (zone === 'UTC') return 0;
  const known = steady.get(zone);
  if (known && known.fromMs <= fromMs && toMs <= known.toMs) return known.offsetMs;
  const end = fromMs + DAY_MS;
  const offsetMs = offsetOf(zone, fromMs);
  if (offsetMs !== offsetOf(zone, end)) return null;
  if (steady.size >= ZONES_KEPT) steady.clear();
  steady.set(zone, { fromMs, toMs: end, offsetMs });
  return offsetMs;
}

const OFFSET = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

/** East of Greenwich is positive. */
function offsetOf(zone: string, ms: number): number {
  const name = formatOf(zone)
    .formatToParts(ms)
    .find(({ type }) => type === 'timeZoneName')!.value;
  const [, sign = '+', hours = 0, minutes = 0, seconds = 0] = OFFSET.exec(name) ?? [];
  const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  return sign === '-' ? -offsetMs : offsetMs;
}

/** What a clock on the wall shows of the unit, with the offset for hours: an hour that comes twice is two hours. */
function nameOf(unit: ZoneUnit, zone: string, ms: number): string {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  );
  if (unit === 'month') return `${parts.year}-${parts.month}`;
  const day = `${parts.year}-${parts.month}-${parts.day}`;
  return unit === 'day' ? day : `${day} ${parts.hour} ${parts.timeZoneName}`;
}

function startInUtc(unit: ZoneUnit, ms: number): number {
  if (unit === 'hour') return Math.floor(ms / HOUR_MS) * HOUR_MS;
  if (unit === 'day') return Math.floor(ms / DAY_MS) * DAY_MS;
  const at = new Date(ms);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      timeZoneName: 'longOffset',
    });
    if (formats.size >= ZONES_KEPT) formats.clear();
    formats.set(zone, format);
  }
  return format;
}
