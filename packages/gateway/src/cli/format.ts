/** Numbers, money and times as people read them. Pure; what is not known is `–`, never 0. */
import type { TimeBucket } from '@weighbridge/protocol';
import { momentMs } from '../lib/moment.ts';

export const UNKNOWN = '–';

const GROUPED = new Intl.NumberFormat('en-US');

/** An integer, or the decimal text of one that may pass 2^53. */
export function countText(value: number | string | bigint | null): string {
  return value === null ? UNKNOWN : GROUPED.format(BigInt(value));
}

export function millisecondsText(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return ms < 10_000 ? `${GROUPED.format(Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** `$0.000306`; USD comes as decimal text and stays exact. */
export function dollarsText(usd: string | null): string {
  if (usd === null) return UNKNOWN;
  return usd.startsWith('-') ? `-$${groupedUsd(usd.slice(1))}` : `$${groupedUsd(usd)}`;
}

function groupedUsd(usd: string): string {
  const [whole = '0', decimals] = usd.split('.');
  return decimals === undefined ? countText(whole) : `${countText(whole)}.${decimals}`;
}

/** `2026-11-20 12:00:00` in the machine's own zone. */
export function timeText(iso: string | null): string {
  if (iso === null) return UNKNOWN;
  const at = new Date(iso);
  const two = (value: number) => String(value).padStart(2, '0');
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** A bucket by its beginning, in its own zone; hours with their offset, because one hour a year comes twice. */
export function bucketText(startIso: string | null, bucket: TimeBucket, tz: string): string {
  if (startIso === null) return UNKNOWN;
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: tz,
    year: 'numeric',
    month: '2-digit',
    ...(bucket === 'month' ? {} : { day: '2-digit' }),
    ...(bucket === 'month' || bucket === 'day'
      ? {}
      : { hour: '2-digit', minute: '2-digit', timeZoneName: 'shortOffset' }),
  });
  return format.format(new Date(startIso));
}

const SPANS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A moment as people give it: ISO 8601, or how long ago (`30m`, `24h`, `7d`, `2w`). Null when it is neither. */
export function pastMs(text: string, nowMs: number): number | null {
  const span = /^(\d{1,6})([mhdw])$/.exec(text.trim());
  if (span !== null) return nowMs - Number(span[1]) * SPANS_MS[span[2]!]!;
  return /^\d{4}-/.test(text.trim()) ? momentMs(text.trim()) : null;
}

/** The other way: how long from now, or a moment; null where it is neither. */
export function futureMs(text: string, nowMs: number): number | null {
  const then = pastMs(text, nowMs);
  return then === null || !/^\d+[mhdw]$/.test(text.trim()) ? then : nowMs + (nowMs - then);
}
