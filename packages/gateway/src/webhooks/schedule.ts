/** When a message is tried again: the delays of Standard Webhooks, about 75 hours in all, scaled by an endpoint's first delay. Pure. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Before the second attempt, the third, … */
const DELAYS_MS = [
  5 * SECOND,
  MINUTE,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;
const JITTER = 0.2;
/** What a receiver may ask for with `Retry-After`. */
const RETRY_AFTER_MAX_MS = 24 * HOUR;

export const ATTEMPTS_MAX = DELAYS_MS.length + 1;

/** Milliseconds from an attempt that failed to the next one; null: there is none. `random` lies in [0, 1). */
export function delayAfter(attempts: number, firstMs: number, random: number): number | null {
  const delay = DELAYS_MS[attempts - 1];
  if (delay === undefined) return null;
  const scaled = delay * (firstMs / DELAYS_MS[0]);
  return Math.max(1, Math.round(scaled * (1 - JITTER + 2 * JITTER * random)));
}

/** `Retry-After` in seconds or as a date, in milliseconds from now; null: there is none that can be read. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * SECOND : /[A-Za-z]/.test(text) ? Date.parse(text) - nowMs : NaN;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : null;
}
