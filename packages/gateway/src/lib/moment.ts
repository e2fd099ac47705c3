/** A moment as people and programs write it. */

const ISO = /^(\d{4})-(\d\d)(?:-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?$/;
/** A text of digits, from 12 of them on (1973): 20261120 is a day that somebody wrote without its dashes. 0: everything. */
const MILLISECONDS = /^(?:0|\d{12,15})$/;
/** The last that a `Date` can be. */
const MOMENT_MS_MAX = 8.64e15;

/**
 * Milliseconds since 1970 of ISO 8601 (a month, a day, or a time, which is UTC where it names no zone) or of such
 * milliseconds; null where it is neither.
 */
export function momentMs(value: unknown): number | null {
  if (typeof value === 'number') return isMoment(value) ? value : null;
  if (typeof value !== 'string') return null;
  const ms = MILLISECONDS.test(value) ? Number(value) : isoMs(value);
  return isMoment(ms) ? ms : null;
}

function isMoment(ms: number): boolean {
  return Number.isSafeInteger(ms) && Math.abs(ms) <= MOMENT_MS_MAX;
}

/** `Date.parse` alone takes `tomorrow 5` for the year 2001, 31 February for March, and a time without a zone for the server's. */
function isoMs(value: string): number {
  const [match, year, month, day, zone] = ISO.exec(value) ?? [];
  if (match === undefined || Number(day ?? 1) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate())
    return Number.NaN;
  return Date.parse(value.includes('T') && zone === undefined ? `${value}Z` : value);
}
