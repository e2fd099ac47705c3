/**
 * What may be asked of a gateway: the parameters of each question, as the client takes them. The answers' shapes are those of
 * `@weighbridge/protocol`.
 */
import type { TimeBucket, UsageGroup } from '@weighbridge/protocol';

/** Exact matches. `outcome: 'open'` finds what is in flight. */
export interface Filters {
  /** The operator sees every tenant unless told; a key sees its own. */
  tenant?: string | undefined;
  model?: string | undefined;
  provider?: string | undefined;
  agent?: string | undefined;
  session?: string | undefined;
  endUser?: string | undefined;
  outcome?: string | undefined;
  source?: string | undefined;
  run?: string | undefined;
}

/** For the operator, who is asked about `default` unless told. */
export interface OfTenant {
  tenant?: string | undefined;
}

export interface SessionsQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  /** The operator sees every tenant unless told; a key sees its own. */
  tenant?: string | undefined;
  agent?: string | undefined;
  /** Anywhere in the key or the label. */
  search?: string | undefined;
}

export interface DispatchesQuery extends Filters {
  limit?: number | undefined;
  cursor?: string | undefined;
  /** Only what began before: ISO 8601 or milliseconds since the epoch. */
  before?: string | number | undefined;
}

export interface UsageQuery extends Filters {
  /** ISO 8601 or milliseconds since the epoch. */
  from?: string | number | undefined;
  to?: string | number | undefined;
  groupBy?: readonly UsageGroup[] | undefined;
  /** One row for each bucket and group, by time. */
  bucket?: TimeBucket | undefined;
  /** IANA time zone of the buckets; UTC when absent. */
  tz?: string | undefined;
  /** Percentiles too; absent: where they cost little. */
  latency?: boolean | undefined;
  /** Rows at most, where there are no buckets. */
  limit?: number | undefined;
  /** What to leave out, each like `model:gpt-5`. */
  exclude?: readonly string[] | undefined;
}

export type ReconciliationQuery = Pick<UsageQuery, 'from' | 'to' | 'groupBy' | keyof Filters>;

export interface RepriceQuery {
  /** ISO 8601 or milliseconds since the epoch. */
  from: string | number;
  to?: string | number | undefined;
  tenant?: string | undefined;
  provider?: string | undefined;
  model?: string | undefined;
  /** Only what has no cost yet. */
  unpriced?: boolean | undefined;
  dryRun?: boolean | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

export interface ListedModel {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

/** What `/readyz` says. */
export interface Readiness {
  ready: boolean;
  /** What keeps it from taking calls. */
  failing?: string[];
  uptimeMs?: number;
  load?: { shedding: boolean; eventLoopLagMs: number; ledgerWaitMs: number } | null;
  /** Null where the database is no file of that machine. */
  disk?: { freeBytes: number; usedPercent: number; belowFloor: boolean } | null;
  /** `stale`: the file was changed to something that is refused. */
  config?: { loadedAt: string; stale: boolean; reloads: number } | null;
}

export interface SignInLink {
  object: 'sign_in_link';
  url: string;
  /** ISO 8601. */
  expiresAt: string;
}

/** Filters are exact matches on the events' data. */
export interface EventsQuery extends Filters {
  types?: readonly string[] | undefined;
  /** Resume after this `seq`; absent: from now on. */
  afterSeq?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Told when the feed is open, and when it broke; a broken one is asked again until `signal` aborts. */
  onConnection?: ((isOpen: boolean) => void) | undefined;
  /** A feed that sends nothing for so long, not even a sign of life (each 15 s), is taken as broken; absent: it is waited for. */
  silenceMs?: number | undefined;
}
