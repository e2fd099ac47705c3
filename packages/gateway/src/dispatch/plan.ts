/** What a dispatch is given: the plan is its own, the tools are shared by all. */
import type { Attribution, EntryIntent, EntrySettlement } from '../domain/entry.ts';
import type { Provider, Target } from '../domain/provider.ts';
import type { Clock } from '../lib/clock.ts';
import type { Pricing } from '../prices/prices.ts';
import type { Anomaly, Dialect } from '../providers/dialect.ts';
import type { Transport } from '../providers/transport.ts';
import type { Drains } from './drain.ts';

export interface DispatchPlan {
  runId: string;
  dispatchId: string;
  attempt: number;
  attribution: Attribution;
  requestedModel: string;
  target: Target;
  dialect: Dialect;
  stream: boolean;
  /** We asked for usage and the caller did not: usage-only chunks are left out. */
  strips: boolean;
  /** Told when the provider takes the request, that is, answers with a 2xx. */
  onAccepted: (() => void) | null;
  /** As sent to the provider. */
  headers: readonly string[];
  body: Buffer;
}

/** What the ledger is told before the provider is asked. */
export function intentOf(plan: DispatchPlan, startedAt: number): EntryIntent {
  const { dispatchId, runId, attempt, attribution, target, requestedModel, stream } = plan;
  const { provider, model } = target;
  return {
    dispatchId,
    runId,
    attempt,
    attribution,
    provider: provider.id,
    model,
    requestedModel,
    api: provider.api,
    stream,
    source: 'gateway',
    startedAt,
  };
}

/** The two verbs of the ledger. Both reject with GatewayError when the database takes no writes. */
export interface DispatchLedger {
  open(intent: EntryIntent): Promise<void>;
  settle(settlement: EntrySettlement): Promise<void>;
}

export interface DispatchTools {
  ledger: DispatchLedger;
  clock: Clock;
  transport: (provider: Provider) => Transport;
  drains: Drains;
  prices: Pricing;
  limits: { eventBytesMax: number; answerBytesMax: number };
  /** Told when a provider said something that cannot be; for the log. */
  onAnomaly: ((dispatchId: string, anomaly: Anomaly) => void) | null;
}
