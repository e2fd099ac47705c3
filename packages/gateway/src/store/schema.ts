/**
 * The tables as Kysely sees them, for both engines. Each table has one owning room, named here; no other room writes it.
 * `tenantId` is part of every key, even while there is one tenant, because isolation cannot be added later.
 * Times are milliseconds since the epoch; money is nano-USD; null means not known, never zero.
 */
import type { Generated } from 'kysely';

/** Owner: ledger. One row per dispatch (kind `usage`), opened with `outcome` null, settled once; corrections are rows. */
export interface EntriesTable {
  tenantId: string;
  entryId: string;
  dispatchId: string;
  runId: string;
  kind: 'usage' | 'correction';
  /** The entry that a correction amends. */
  corrects: string | null;
  reason: string | null;
  attempt: number;
  /** The process that opened it: only entries of dead instances are recovered. */
  instanceId: string;
  keyId: string | null;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
  endUserId: string | null;
  endUserSource: string | null;
  tags: string;
  metadata: string;
  provider: string;
  model: string;
  requestedModel: string;
  api: string;
  stream: number;
  source: string;
  traceparent: string | null;
  startedAt: number;
  priceId: string | null;
  priceSource: string | null;
  /** pico-USD per unit for each bucket, JSON. */
  priceRates: string | null;
  seq: number | null;
  settledAt: number | null;
  outcome: string | null;
  httpStatus: number | null;
  errorKind: string | null;
  stopReason: string | null;
  serviceTier: string | null;
  usageSource: string | null;
  input: number | null;
  output: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  cacheWrite1h: number | null;
  reasoning: number | null;
  audioInput: number | null;
  audioOutput: number | null;
  imageInput: number | null;
  imageOutput: number | null;
  serverTools: string | null;
  rawUsage: string | null;
  /** Where it is not `model`. */
  servedModel: string | null;
  /** What the provider says that it cost; at most 2^53, read as a number. */
  providerCostNanoUsd: bigint | null;
  providerCostSource: string | null;
  costNanoUsd: bigint | null;
  latencyMs: number | null;
  timeToFirstTokenMs: number | null;
  endedAt: number | null;
  providerRequestId: string | null;
}

/** Owner: ledger. 15-minute sums of settled entries by settlement time; always rebuildable from them. */
export interface RollupsTable {
  tenantId: string;
  bucketStart: number;
  provider: string;
  model: string;
  /** Empty string where there is no agent: null would not be equal to itself in a key. */
  agentId: string;
  source: string;
  outcome: string;
  requests: number;
  reported: number;
  partial: number;
  estimated: number;
  none: number;
  unpriced: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h: number;
  reasoning: number;
  costNanoUsd: bigint;
  latencySumMs: number;
  /** Sparse histograms of completed dispatches (lib/histogram). */
  latencies: Uint8Array;
  firstTokens: Uint8Array;
  lastSettledAt: number;
}

/** Owner: ledger. Sums of whole hours, quarters of a day (`shift`), days and weeks of UTC, folded from rollups once when they are over. */
export interface FoldedRollupsTable extends RollupsTable {
  /** `hour`, `shift`, `day`, `week`, of everything or of less (ledger/shapes.ts). */
  tier: string;
  /** Dispatches of these outcomes: most shapes do not lie apart by outcome. */
  completed: number;
  uncertain: number;
}

/** Owner: ledger. One row: this ledger's name and the counters that give `seq` and `settledAt` in commit order. */
export interface LedgerTable {
  one: number;
  ledgerId: string;
  lastSeq: number;
  lastSettledAt: number;
  /** 1 while another ledger is being moved in here. */
  importing: Generated<number>;
  /** What is before these moments is in `foldedRollups`. */
  hoursFoldedTo: Generated<number>;
  shiftsFoldedTo: Generated<number>;
  daysFoldedTo: Generated<number>;
  weeksFoldedTo: Generated<number>;
}

/** Owner: ledger. Every process that ever opened entries here. */
export interface InstancesTable {
  instanceId: string;
  pid: number;
  startedAt: number;
  endedAt: number | null;
  /** Until when others must take it for living, by the database's clock; null where the file's lock tells. */
  leaseUntil: number | null;
}

/** Owner: events. The log: `seq` rises in commit order. `payload` null: the event's data is the entry `subject`. */
export interface EventsTable {
  seq: number;
  tenantId: string;
  id: string;
  type: string;
  at: number;
  subject: string;
  payload: string | null;
}

/** Owner: events. How far each named follower has read. */
export interface FollowersTable {
  tenantId: string;
  name: string;
  seq: number;
  updatedAt: number;
  /** Who runs it now, and until when by the database's clock. */
  holder: string | null;
  leaseUntil: number | null;
  /** Rises with each new holder: a cursor is moved only under the newest. */
  fence: number;
}

/** Owner: access. Keys that callers present; the text of none is here. */
export interface KeysTable {
  tenantId: string;
  keyId: string;
  name: string;
  /** SHA-256 of the key's text, hexadecimal. */
  hash: string;
  /** With commas. */
  scopes: string;
  agentId: string | null;
  /** JSON: `{"attribution":{…},"outbound":{…}}`. */
  forcedHeaders: string;
  createdAt: number;
  /** The key that made it; null: the operator. */
  createdBy: string | null;
  expiresAt: number | null;
  revokedAt: number | null;
}

/** Owner: plugins. Events that a plugin failed on too often; what is replayed well is deleted. */
export interface PluginEventsAsideTable {
  /** The event's. */
  tenantId: string;
  pluginId: string;
  seq: number;
  eventId: string;
  type: string;
  failures: number;
  /** What the plugin said, cut; never looked into. */
  reason: string;
  setAsideAt: number;
  /** 1: to be replayed. */
  waiting: number;
}

/**
 * Owner: webhooks. Endpoints that were made here, and what is known of every endpoint. `tenantId` is `*` where it gets every
 * tenant's events. Secrets are here, because messages are signed with them.
 */
export interface WebhooksTable {
  tenantId: string;
  endpointId: string;
  /** JSON of what was ordered; null: the operator's file says it. */
  definition: string | null;
  /** JSON of secrets and token; null where there is no definition. */
  secrets: string | null;
  createdAt: number;
  createdBy: string | null;
  disabledAt: number | null;
  disabledReason: string | null;
  /** Messages. */
  delivered: number;
  /** Attempts. */
  failed: number;
  /** Messages. */
  dead: number;
  lastDeliveredAt: number | null;
  lastFailedAt: number | null;
  lastFailure: string | null;
}

/** Owner: webhooks. Messages whose first attempt failed; what never failed has no row, and a delivered one none any more. */
export interface DeliveriesTable {
  tenantId: string;
  endpointId: string;
  /** The id the receiver sees: the event's, or a batch's. */
  deliveryId: string;
  /** Numbers of its events, JSON; `firstSeq` is the lowest. */
  seqs: string;
  firstSeq: number;
  state: 'pending' | 'dead';
  attempts: number;
  nextAt: number;
  lastAt: number;
  lastStatus: number | null;
  lastFailure: string;
}

/** Owner: ledger. Records that others sent, by their own ids (or the dispatch's, where they had none). */
export interface ReportsTable {
  tenantId: string;
  reportId: string;
  dispatchId: string;
  /** SHA-256 of the record as it was sent, hexadecimal. */
  fingerprint: string;
}

/** Owner: sessions. What is remembered under a session key. */
export interface SessionsTable {
  tenantId: string;
  sessionKey: string;
  sessionId: string;
  agentId: string | null;
  label: string | null;
  /** JSON. */
  overrides: string;
  /** JSON: names to values. */
  outboundHeaders: string;
  createdAt: number;
  updatedAt: number;
  lastRunId: string | null;
  lastRunAt: number | null;
  lastOutcome: string | null;
  /** Messages that were ever appended. */
  messages: number;
  resetSeq: number;
  usageFrom: number;
  revision: number;
}

/** Owner: sessions. Messages, numbered within their session; `body` is JSON. */
export interface TranscriptsTable {
  tenantId: string;
  sessionId: string;
  seq: number;
  messageId: string;
  role: string;
  at: number;
  runId: string | null;
  body: string;
}

/** Owner: sessions. On a shared database: which gateway runs a session's turn, and until when by the database's clock. */
export interface LanesTable {
  tenantId: string;
  sessionKey: string;
  holder: string;
  leaseUntil: number;
}

/** Owner: store. What the store writes to learn whether it can write again after a failure. */
export interface ProbeTable {
  one: Generated<number>;
  filler: Uint8Array;
}

export interface Tables {
  entries: EntriesTable;
  rollups: RollupsTable;
  foldedRollups: FoldedRollupsTable;
  ledger: LedgerTable;
  instances: InstancesTable;
  events: EventsTable;
  followers: FollowersTable;
  keys: KeysTable;
  pluginEventsAside: PluginEventsAsideTable;
  webhooks: WebhooksTable;
  deliveries: DeliveriesTable;
  reports: ReportsTable;
  sessions: SessionsTable;
  transcripts: TranscriptsTable;
  lanes: LanesTable;
  probe: ProbeTable;
}
