/** Numbers, money, durations and moments as people read them, through `Intl` in the chosen zone. Pure. */

const WHOLE = new Intl.NumberFormat('en-US');
const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 4 });
const PERCENT = new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 1 });
const ONE_DECIMAL = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const SMALL_MONEY = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  maximumSignificantDigits: 3,
});
const TWO_DECIMALS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2, minimumFractionDigits: 2 });
const MONEY = new Map<number, Intl.NumberFormat>();

const NANO = 1e9;

export const NOTHING = '–';

export function whole(value: number | bigint): string {
  return WHOLE.format(value);
}

/** `1.284M`; below ten thousand in full. */
export function compact(value: number | bigint): string {
  return value < 10_000 ? whole(value) : COMPACT.format(value);
}

export function percent(value: number | null): string {
  return value === null ? NOTHING : PERCENT.format(value);
}

export function decimal(value: number | null): string {
  return value === null ? NOTHING : ONE_DECIMAL.format(value);
}

/** In dollars, with as many decimals as its size needs: a call costs fractions of a cent. */
export function money(nanoUsd: bigint): string {
  const usd = Number(nanoUsd) / NANO;
  const size = Math.abs(usd);
  if (size === 0) return '$0';
  if (size >= 1) return moneyFormat(2).format(usd);
  if (size >= 0.01) return moneyFormat(4).format(usd);
  // Three digits that say something, however many zeros stand before them.
  return SMALL_MONEY.format(usd);
}

/** Every digit that is known, without a sign for the currency. */
export function exactUsd(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? '-' : '';
  const digits = (nanoUsd < 0n ? -nanoUsd : nanoUsd).toString().padStart(10, '0');
  const decimals = digits.slice(-9).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -9)}${decimals === '' ? '' : `.${decimals}`}`;
}

export function milliseconds(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${TWO_DECIMALS.format(ms / 1000)} s`;
  return ms < 120_000 ? `${ONE_DECIMAL.format(ms / 1000)} s` : `${whole(Math.round(ms / 60_000))} min`;
}

/** `12 s ago`; beyond a day the date. */
export function ago(ms: number, nowMs: number, zone: string): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return day(ms, zone);
}

export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** How much more or less than before, with its sign; null where there was nothing. */
export function change(now: number, before: number): string | null {
  if (before === 0) return null;
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.0005) return '±0 %';
  const text =
    Math.abs(ratio) >= 10 ? `${whole(Math.round(now / before))}×` : `${ONE_DECIMAL.format(Math.abs(ratio) * 100)} %`;
  return `${ratio > 0 ? '+' : '−'}${text}`;
}

export function day(ms: number, zone: string): string {
  return dateFormat(zone, { year: 'numeric', month: 'short', day: 'numeric' }).format(ms);
}

const MINUTE = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;

export function moment(ms: number, zone: string): string {
  return dateFormat(zone, { ...MINUTE, second: '2-digit' }).format(ms);
}

export function minute(ms: number, zone: string): string {
  return dateFormat(zone, MINUTE).format(ms);
}

/** The same with its year, unless it is this one. */
export function minuteWithYear(ms: number, nowMs: number, zone: string): string {
  const year = dateFormat(zone, { year: 'numeric' });
  if (year.format(ms) === year.format(nowMs)) return minute(ms, zone);
  return dateFormat(zone, { year: 'numeric', ...MINUTE }).format(ms);
}

export function clock(ms: number, zone: string): string {
  return dateFormat(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(ms);
}

const dateFormats = new Map<string, Intl.DateTimeFormat>();

function dateFormat(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = JSON.stringify([zone, options]);
  let format = dateFormats.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { ...options, timeZone: zone });
    dateFormats.set(key, format);
  }
  return format;
}

function moneyFormat(decimals: number): Intl.NumberFormat {
  let format = MONEY.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat('en-US', {
      style: 'currency',
      currency: 'USD',
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    MONEY.set(decimals, format);
  }
  return format;
}
