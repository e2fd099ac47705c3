/** `Date.prototype.toISOString` for those who write thousands of moments of a few days: the day is formatted once. */

const DAY_MS = 24 * 60 * 60 * 1000;
const MIDNIGHT = '00:00:00.000Z';
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

let lastDay = Number.NaN;
let lastPrefix = '';

/** A whole number of milliseconds since 1970. */
export function isoText(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== lastDay) {
    lastPrefix = new Date(day * DAY_MS).toISOString().slice(0, -MIDNIGHT.length);
    lastDay = day;
  }
  const within = ms - day * DAY_MS;
  const seconds = Math.floor(within / 1000);
  const minutes = Math.floor(seconds / 60);
  const rest = within % 1000;
  const zeros = rest < 10 ? '00' : rest < 100 ? '0' : '';
  return `${lastPrefix}${TWO_DIGITS[Math.floor(minutes / 60)]}:${TWO_DIGITS[minutes % 60]}:${TWO_DIGITS[seconds % 60]}.${zeros}${rest}Z`;
}
