/**
 * What was used, from the ledger's sums and nothing else: the same rows as `GET /api/v1/usage`. Costs are dollars as
 * numbers, because OpenClaw's clients add them up; the exact ones are in the HTTP API.
 */
import type { UsageAnswer, UsageSums } from '@weighbridge/protocol';
import { usageAnswer } from '../../ledger/usage-answer.ts';
import { isZone, nextStart, startOf } from '../../lib/zones.ts';
import type { Store } from '../../store/store.ts';
import { invalid } from '../wire-errors.ts';
import { type Method, method } from './method.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_DEFAULT = 30;
const DAYS_MAX = 366;
const RANGES: Readonly<Record<string, number>> = { '7d': 7, '30d': 30, '90d': 90, '1y': 365, all: DAYS_MAX };

export interface UsageMethodsDeps {
  store: Store;
  now: () => number;
}

export interface PeriodParams {
  days?: unknown;
  range?: unknown;
  startDate?: unknown;
  endDate?: unknown;
  timeZone?: unknown;
}

export interface Period {
  fromMs: number;
  toMs: number;
  /** Its days, as dates of the zone. */
  dates: string[];
  tz: string;
}

/** OpenClaw's counters; it has one more for each kind of token's cost, which the ledger keeps by entry and not in sums. */
export interface WireSums {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  totalTokens: number;
  totalCost: number;
  missingCostEntries: number;
}

export function usageMethods({ store, now }: UsageMethodsDeps): Method[] {
  const needs = { scope: 'operator.read', keyScopes: ['read'] } as const;
  return [
    // Quotas of subscriptions at providers, of which we know nothing.
    method({ name: 'usage.status', ...needs, schema: null, run: () => ({ updatedAt: now(), providers: [] }) }),
    method<PeriodParams & { agentId?: unknown }>({
      name: 'usage.cost',
      ...needs,
      schema: null,
      run: async (params, { caller }) => {
        const period = periodOf(params, now());
        const agentId = caller.terms?.agentId ?? (typeof params.agentId === 'string' ? params.agentId : null);
        const answer = await usageAnswer(store, {
          tenantId: caller.tenantId,
          fromMs: period.fromMs,
          toMs: period.toMs,
          groupBy: [],
          bucket: 'day',
          tz: period.tz,
          latency: false,
          filters: agentId === null ? {} : { agentId },
        });
        return costAnswer(answer, period, now());
      },
    }),
  ];
}

function costAnswer(answer: UsageAnswer, { dates, tz }: Period, now: number): object {
  const byDate = new Map(answer.rows.map((row) => [dateOf(Date.parse(row.bucketStart!), tz), row]));
  return {
    updatedAt: now,
    days: dates.length,
    daily: dates.map((date) => ({ date, ...wireSums(byDate.get(date) ?? null) })),
    totals: wireSums(answer.totals),
    cacheStatus: { status: 'fresh', cachedFiles: 0, pendingFiles: 0, staleFiles: 0, refreshedAt: now },
  };
}

export function wireSums(sums: UsageSums | null): WireSums {
  return {
    input: Number(sums?.input ?? 0),
    output: Number(sums?.output ?? 0),
    cacheRead: Number(sums?.cacheRead ?? 0),
    cacheWrite: Number(sums?.cacheWrite ?? 0) + Number(sums?.cacheWrite1h ?? 0),
    totalTokens: Number(sums?.total ?? 0),
    totalCost: Number(sums?.costUsd ?? 0),
    missingCostEntries: sums?.composition.unpriced ?? 0,
  };
}

/** Whole days up to and with today, or between two dates, in the asked zone. Throws WireFailure. */
export function periodOf({ days, range, startDate, endDate, timeZone }: PeriodParams, now: number): Period {
  const tz = zoneOf(timeZone);
  const last = endDate === undefined ? startOf('day', tz, now) : startOfDate(endDate, 'endDate', tz);
  const first =
    startDate === undefined ? earlier(last, daysOf(days, range) - 1, tz) : startOfDate(startDate, 'startDate', tz);
  const starts: number[] = [];
  for (let at = first; at <= last && starts.length <= DAYS_MAX; at = nextStart('day', tz, at)) starts.push(at);
  if (starts.length === 0 || starts.length > DAYS_MAX) throw invalid(`invalid params: ask for 1 to ${DAYS_MAX} days`);
  return { fromMs: first, toMs: nextStart('day', tz, last), dates: starts.map((at) => dateOf(at, tz)), tz };
}

function daysOf(days: unknown, range: unknown): number {
  if (days === undefined) return (typeof range === 'string' ? RANGES[range] : undefined) ?? DAYS_DEFAULT;
  if (!Number.isInteger(days) || (days as number) < 1 || (days as number) > DAYS_MAX) {
    throw invalid(`invalid params: at /days: must be an integer from 1 to ${DAYS_MAX}`);
  }
  return days as number;
}

function zoneOf(timeZone: unknown): string {
  if (timeZone === undefined) return 'UTC';
  if (typeof timeZone === 'string' && isZone(timeZone)) return timeZone;
  throw invalid('invalid params: at /timeZone: no time zone known here; write it like Europe/Berlin');
}

/** The beginning of the day that is so many days before; days have no fixed length. */
function earlier(startMs: number, days: number, tz: string): number {
  let start = startMs;
  for (let left = days; left > 0; left--) start = startOf('day', tz, start - 1);
  return start;
}

function startOfDate(date: unknown, name: string, tz: string): number {
  const isDate = typeof date === 'string' && /^\d{4}-\d\d-\d\d$/.test(date);
  const noonMs = isDate ? Date.parse(`${date}T12:00:00Z`) : Number.NaN;
  if (Number.isNaN(noonMs)) throw invalid(`invalid params: at /${name}: must be a date like 2026-11-20`);
  // Noon in Greenwich is another day in a few zones.
  const candidates = [noonMs, noonMs - DAY_MS, noonMs + DAY_MS].map((ms) => startOf('day', tz, ms));
  return candidates.find((start) => dateOf(start, tz) === date) ?? candidates[0]!;
}

function dateOf(ms: number, tz: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: tz, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    ms,
  );
}
