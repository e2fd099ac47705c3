/**
 * What to do after a dispatch failed before a byte of its answer reached the caller: ask the same target again, go on
 * to the next, or give up and pass the failure on. Pure; time and chance come in as arguments. Each further try is a
 * new dispatch with its own entry.
 */
import type { ErrorKind } from './outcome.ts';

export interface Failure {
  errorKind: ErrorKind;
  status: number | null;
  /** The upstream's `Retry-After`, as sent. */
  retryAfter: string | null;
  /** The provider complained about our asking for usage. */
  refusedUsageQuestion: boolean;
}

export interface TriesSoFar {
  /** Retries of the current target, the one without the usage question not counted. */
  retries: number;
  retriesMax: number;
  targetsLeft: number;
}

export type NextStep =
  | { step: 'retry'; waitMs: number }
  /** At once, and not counted among the retries. */
  | { step: 'retry_without_usage' }
  | { step: 'next_target' }
  | { step: 'give_up' };

/** A caller should rather hear of a longer wait than sit through it. */
const RETRY_AFTER_MAX_MS = 10_000;
const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 4_000;

/** The request itself is wrong; another target would say the same. */
const CALLERS_FAULT: ReadonlySet<number> = new Set([400, 405, 406, 409, 411, 413, 414, 415, 422, 431]);
const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['connect_failed', 'reset', 'truncated']);
const FINAL: ReadonlySet<ErrorKind> = new Set([
  'total_timeout',
  'caller_gone',
  'caller_stalled',
  'stopped',
  'shutdown',
  'internal',
]);

export function nextStep(failure: Failure, tries: TriesSoFar, now: number, random: () => number): NextStep {
  if (FINAL.has(failure.errorKind)) return { step: 'give_up' };
  if (failure.refusedUsageQuestion) return { step: 'retry_without_usage' };
  const waitMs = tries.retries < tries.retriesMax ? retryWaitMs(failure, tries.retries, now, random) : null;
  if (waitMs !== null) return { step: 'retry', waitMs };
  const isCallersFault = failure.status !== null && CALLERS_FAULT.has(failure.status);
  return tries.targetsLeft > 0 && !isCallersFault ? { step: 'next_target' } : { step: 'give_up' };
}

/** How long to wait before asking the same target again; null where that is no use. */
function retryWaitMs(failure: Failure, retries: number, now: number, random: () => number): number | null {
  const { errorKind, status, retryAfter } = failure;
  const isServerError = errorKind === 'http_error' && status !== null && status >= 500;
  const isLimited = errorKind === 'http_error' && status === 429 && retryAfter !== null;
  if (!isServerError && !isLimited && !RETRYABLE.has(errorKind)) return null;
  const asked = retryAfter === null ? null : retryAfterMs(retryAfter, now);
  if (asked !== null) return asked <= RETRY_AFTER_MAX_MS ? asked : null;
  if (isLimited) return null;
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** retries);
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** `Retry-After` in milliseconds: seconds or an HTTP date; null when it is neither. */
export function retryAfterMs(text: string, now: number): number | null {
  if (/^\s*\d+(\.\d+)?\s*$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
