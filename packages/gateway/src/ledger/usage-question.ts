/** What may be asked of the sums, and how much one answer may hold. */
import type { TimeBucket, UsageGroup } from '@weighbridge/protocol';
import { GatewayError } from '../domain/errors.ts';
import type { DispatchFilters } from './questions.ts';

export interface UsageQuestion {
  /** Null: every tenant. */
  tenantId: string | null;
  /** Settlement time, milliseconds: from inclusive, to exclusive; both are rounded outward to whole quarters of an hour. */
  fromMs: number;
  toMs: number;
  groupBy: readonly UsageGroup[];
  bucket?: TimeBucket | null;
  /** IANA name; UTC when absent. */
  tz?: string;
  /** Percentiles too. They cost more than all other sums, so the default is yes only where rollups answer without buckets. */
  latency?: boolean;
  /** Rows at most; 1000 when absent. */
  limit?: number;
  filters: UsageFilters;
  /** What is left out: entries with one of these values. What has none of a kind is not left out. */
  excluded?: Excluded;
}

export type Excluded = { readonly [Column in keyof UsageFilters | 'tenantId']?: readonly string[] };

/** The question once it is known whose entries it is about. */
export interface TenantsQuestion extends UsageQuestion {
  tenants: readonly string[];
}

export type UsageFilters = Pick<
  DispatchFilters,
  'model' | 'provider' | 'agentId' | 'sessionKey' | 'endUserId' | 'source' | 'outcome' | 'runId'
>;

/** Rows of one answer where the question does not say. */
export const ROWS_DEFAULT = 1_000;
/** Rows of one answer, and buckets of one period, at most. */
export const ROWS_MAX = 10_000;
/** Minutes are summed from single entries, so a period of them is short. */
export const MINUTES_PERIOD_MAX_MS = 24 * 60 * 60 * 1000;

/** The columns behind the groups. */
export const GROUP_COLUMNS = {
  tenant: 'tenantId',
  provider: 'provider',
  model: 'model',
  agent: 'agentId',
  session: 'sessionKey',
  endUser: 'endUserId',
  source: 'source',
  outcome: 'outcome',
} as const satisfies Record<UsageGroup, string>;

/** Sessions, end users, runs and minutes are in no rollup: they are summed from the entries. */
export function needsEntries({ groupBy, filters, bucket, excluded = {} }: UsageQuestion): boolean {
  return (
    bucket === 'minute' ||
    groupBy.includes('session') ||
    groupBy.includes('endUser') ||
    filters.sessionKey !== undefined ||
    filters.endUserId !== undefined ||
    filters.runId !== undefined ||
    excluded.sessionKey !== undefined ||
    excluded.endUserId !== undefined ||
    excluded.runId !== undefined
  );
}

export function tooMany(what: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `The answer would hold more than ${what}; ask for a shorter period or larger buckets.`,
    {
      param: 'bucket',
    },
  );
}
