/**
 * What the ledger is told of a dispatch that is over. Pure. Whatever a provider may choose itself as a label or an id is
 * bounded and made storable here, on its one way to disk: a count must never be lost over a text beside it.
 */
import type { EntrySettlement } from '../domain/entry.ts';
import type { Pricing } from '../prices/prices.ts';
import { tokensOfBytes } from '../providers/estimate.ts';
import type { UpstreamHeaders } from '../providers/transport.ts';
import { costFacts } from './cost.ts';
import { headerOf } from './headers.ts';
import { type Exchanged, usageOutcome } from './outcome.ts';
import type { DispatchPlan } from './plan.ts';

/** Labels and ids of providers have some tens of characters; the columns are indexed and travel in every event. */
const LABEL_LENGTH_MAX = 256;

export interface Times {
  /** Since the start, by the monotonic clock. */
  firstByteMs: number | null;
  endMs: number;
  /** By the wall clock. */
  startedAt: number;
  endedAt: number;
}

/** Nothing in such an answer says what it cost, and nothing is guessed. */
const UNCOUNTED = { usage: null, usageSource: 'none' as const };

export function settlementOf(
  plan: DispatchPlan,
  prices: Pricing,
  exchanged: Exchanged,
  headers: UpstreamHeaders,
  times: Times,
): EntrySettlement {
  const { reading } = exchanged;
  const { startedAt } = times;
  const counted = plan.reader === null ? UNCOUNTED : usageOutcome(exchanged, plan.estimatePrompt);
  const cost = costFacts(prices, plan.target, { usage: counted.usage, reading, startedAt, headers });
  return {
    ...framework(plan, exchanged, times),
    stopReason: labelOf(reading?.stopReason),
    serviceTier: labelOf(reading?.serviceTier),
    ...counted,
    rawUsage: reading?.rawUsage ?? null,
    ...cost,
    servedModel: labelOf(cost.servedModel),
    providerRequestId: labelOf(headerOf(headers, 'x-request-id')) ?? labelOf(reading?.responseId),
  };
}

function bytesOf({ request: { body } }: DispatchPlan): number {
  return Buffer.isBuffer(body) ? body.length : 0;
}

/** Where a bug of ours keeps the answer from being read or priced: a guess at the prompt, unpriced, is recorded all the same. */
export function bareSettlement(plan: DispatchPlan, exchanged: Exchanged, times: Times): EntrySettlement {
  return {
    ...framework(plan, exchanged, times),
    stopReason: null,
    serviceTier: null,
    ...(plan.reader === null
      ? UNCOUNTED
      : usageOutcome({ ...exchanged, reading: null }, () => tokensOfBytes(bytesOf(plan)))),
    rawUsage: null,
    price: null,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    providerRequestId: null,
  };
}

/** What needs nobody's word. */
function framework(
  { dispatchId, attribution }: DispatchPlan,
  { end, status }: Exchanged,
  { firstByteMs, endMs, endedAt }: Times,
) {
  return {
    dispatchId,
    tenantId: attribution.tenantId,
    outcome: end.outcome,
    httpStatus: status,
    errorKind: end.errorKind,
    latencyMs: Math.round(endMs),
    timeToFirstTokenMs: firstByteMs === null ? null : Math.round(firstByteMs),
    endedAt,
  };
}

/** A provider's own word, cut to length. PostgreSQL stores neither a NUL nor half a surrogate pair. */
function labelOf(text: string | null | undefined): string | null {
  if (text === null || text === undefined || text === '') return null;
  return text
    .slice(0, LABEL_LENGTH_MAX)
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\ufffd');
}
