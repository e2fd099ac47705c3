/** What a dispatch is given: the plan is its own, the tools are shared by all. */
import type { Attribution, EntryIntent, EntrySettlement } from '../domain/entry.ts';
import type { Api, Provider, Target } from '../domain/provider.ts';
import type { Clock } from '../lib/clock.ts';
import type { Pricing } from '../prices/prices.ts';
import type { Translation, Wanted } from '../providers/chat/translation.ts';
import type { Anomaly, AnswerReader } from '../providers/dialect.ts';
import type { Transport, UpstreamHeaders, UpstreamRequest } from '../providers/transport.ts';
import type { Drains } from './drain.ts';
import type { Meter } from './meter.ts';
import type { End, ErrorKind } from './outcome.ts';

export interface DispatchPlan {
  runId: string;
  dispatchId: string;
  attempt: number;
  attribution: Attribution;
  requestedModel: string;
  target: Target;
  source: 'gateway' | 'proxy';
  /** The dialect of the exchange. */
  api: Api;
  manner: Manner;
  request: Omit<UpstreamRequest, 'provider'>;
  /** What makes the answer the door's dialect; null: it is. */
  translated: { translation: Translation; wanted: Wanted } | null;
  /** Reads the answer; null: nothing in it says what it cost. */
  reader: AnswerReading | null;
  stream: boolean;
  /** We asked for usage and the caller did not: usage-only chunks are left out. */
  strips: boolean;
  /** A guess at the prompt's tokens, from the bytes sent upstream. */
  estimatePrompt: () => number;
  /** Whether an error answer complains about our asking for usage; null where we never ask. */
  refusesUsageQuestion: ((status: number, body: Buffer) => boolean) | null;
  /** Told when the provider takes the request, that is, answers with a 2xx. */
  onAccepted: (() => void) | null;
}

export type AnswerReading = Pick<AnswerReader, 'streamReader' | 'readBody' | 'lastWord'>;

/** The head of an upstream's answer. */
export interface Answered {
  status: number;
  headers: UpstreamHeaders;
}

export interface Metering {
  meter: Meter;
  /** Bytes go on as they come; else the answer is held whole. */
  isStream: boolean;
}

/** What a door and the pass-through do differently with an upstream's answer. */
export interface Manner {
  /** What reads an answer with this head; a word where it is not read at all. */
  meter(
    plan: DispatchPlan,
    tools: DispatchTools,
    answered: Answered,
    forward: (bytes: Buffer) => void,
  ): Metering | ErrorKind;
  /** What of its head goes to the caller. */
  headers(plan: DispatchPlan, answered: Answered): Record<string, string | string[]>;
  /** Whether the caller gets the head at once, before any byte of a stream. */
  isHeadFirst(plan: DispatchPlan, answered: Answered): boolean;
  /** What it means that the upstream ended as it should. */
  endOf(answered: Answered, metering: Metering): End;
  /** Of a failed answer nothing has reached the caller: whether another may take its place. */
  isReplaceable(metering: Metering | null): boolean;
  /** Whether what streamed to the caller is ended, or broken off. */
  endsWell(end: End, meter: Meter, hasUpstreamEnded: boolean): boolean;
}

/** What the ledger is told before the provider is asked. */
export function intentOf(plan: DispatchPlan, startedAt: number): EntryIntent {
  const { dispatchId, runId, attempt, attribution, target, requestedModel, stream, source, api } = plan;
  return {
    dispatchId,
    runId,
    attempt,
    attribution,
    provider: target.provider.id,
    model: target.model,
    requestedModel,
    api,
    stream,
    source,
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
