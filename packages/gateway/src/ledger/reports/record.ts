/**
 * One record of usage that somebody else counted, made into an entry's two halves (packages/protocol/src/ingest.ts has
 * its fields). What it says is taken at its word where it can be true, and refused with the field's name where it
 * cannot. A cost that comes with it is the entry's cost; without one our own prices are asked. Pure.
 */
import { createHash } from 'node:crypto';
import type { Outcome, Usage } from '@weighbridge/protocol';
import { traceparentOf } from '../../domain/attribution-headers.ts';
import type { EntryIntent, EntrySettlement } from '../../domain/entry.ts';
import { GatewayError } from '../../domain/errors.ts';
import { costNanoUsd, type PricePin, pin } from '../../domain/price.ts';
import { isObject } from '../../lib/json-object.ts';
import type { PricedEntry } from '../reprice.ts';
import { Fields, type Json } from './fields.ts';
import { usageOf } from './usage.ts';

/** Who sends, and what is the same for all records of a request. */
export interface Reporter {
  /** The tenant whose records these are unless one says another. */
  tenantId: string;
  keyId: string | null;
  /** Only the operator's records may name another tenant. */
  isOperator: boolean;
  now: number;
  limits: { tagsMax: number; metadataBytesMax: number };
  nextDispatchId: () => string;
  priceOf: (entry: PricedEntry) => PricePin | null;
}

export interface Report {
  /** The sender's own; the dispatch's where it has none. */
  id: string;
  fingerprint: string;
  intent: EntryIntent;
  settlement: EntrySettlement;
  costNanoUsd: bigint | null;
}

const UNKNOWN = 'unknown';
const REPORTED_COST: PricePin = pin('reported', {});
/** So far a sender's clock may be ahead of ours; what is later has a wrong year. */
const CLOCK_SKEW_MS = 24 * 60 * 60 * 1000;
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  completed: 'completed',
  ok: 'completed',
  success: 'completed',
  failed: 'failed',
  error: 'failed',
  failure: 'failed',
  aborted: 'aborted',
};

/** Throws GatewayError that names the record and the field. `ownId`: the id of a record that has none. */
export function reportOf(value: unknown, where: string, ownId: string | null, by: Reporter): Report {
  if (!isObject(value)) throw new GatewayError('invalid_request', `\`${where}\` must be an object.`, { param: where });
  const fields = new Fields(value, where);
  const model = fields.text('model') ?? fields.refuse('model', 'is missing: which model was it?');
  const type = fields.text('type');
  if (type !== null && type !== 'model:used') fields.refuse('type', 'is not `model:used`, the only event taken here');
  const dispatchId = by.nextDispatchId();
  const latencyMs = fields.ms('latency_ms');
  const { startedAt, endedAt } = timesOf(fields, latencyMs, by.now);
  const intent: EntryIntent = {
    dispatchId,
    runId: fields.text('run_id') ?? dispatchId,
    attempt: fields.whole(1, 1_000_000, 'attempt') ?? 1,
    attribution: attributionOf(fields, by),
    provider: fields.text('provider') ?? UNKNOWN,
    model,
    requestedModel: fields.text('requested_model') ?? model,
    api: fields.text('api') ?? UNKNOWN,
    stream: fields.flag('stream'),
    source: 'api',
    startedAt,
  };
  const usage = usageOf(fields, where);
  return {
    id: fields.text('id') ?? ownId ?? dispatchId,
    fingerprint: fingerprintOf(value),
    intent,
    ...settled(fields, intent, usage, { latencyMs, endedAt }, by),
  };
}

function settled(
  fields: Fields,
  intent: EntryIntent,
  usage: Usage | null,
  { latencyMs, endedAt }: { latencyMs: number | null; endedAt: number },
  by: Reporter,
): Pick<Report, 'settlement' | 'costNanoUsd'> {
  const { provider, model, startedAt, dispatchId, attribution } = intent;
  const said = fields.nanoUsd('cost_usd');
  const serviceTier = fields.text('service_tier');
  const question = { provider, model, servedModel: null, startedAt, serviceTier };
  const own = said !== null || usage === null ? null : by.priceOf({ ...question, usage });
  const ownCost = own === null || usage === null ? null : costNanoUsd(usage, own.rates);
  return {
    // What is said counts without tokens too, as of an image: uncounted, but what it cost is known.
    costNanoUsd: said ?? ownCost,
    settlement: {
      dispatchId,
      tenantId: attribution.tenantId,
      outcome: outcomeOf(fields),
      httpStatus: fields.whole(100, 599, 'http_status'),
      errorKind: null,
      stopReason: fields.text('stop_reason', 'finish_reason'),
      serviceTier,
      usage,
      usageSource: usage === null ? 'none' : 'reported',
      rawUsage: null,
      price: said === null ? own : REPORTED_COST,
      otherModels: [],
      servedModel: null,
      providerCost: said === null ? null : { nanoUsd: said, source: 'cost_usd' },
      latencyMs,
      timeToFirstTokenMs: firstTokenMs(fields, latencyMs),
      endedAt,
      providerRequestId: fields.text('response_id', 'provider_request_id'),
    },
  };
}

/** The end, where nobody says it, is now, but no end lies before its start. */
function timesOf(fields: Fields, latencyMs: number | null, now: number): { startedAt: number; endedAt: number } {
  const started = fields.time(now + CLOCK_SKEW_MS, 'started_at');
  const ended = fields.time(now + CLOCK_SKEW_MS, 'timestamp', 'ts', 'ended_at');
  if (started !== null && ended !== null && started > ended) {
    return fields.refuse('started_at', 'lies after `timestamp`, the end of the call');
  }
  const endedAt = ended ?? Math.max(now, started ?? now);
  return { startedAt: started ?? endedAt - (latencyMs ?? 0), endedAt };
}

function attributionOf(fields: Fields, by: Reporter): EntryIntent['attribution'] {
  const tenantId = fields.text('tenant_id', 'tenant') ?? by.tenantId;
  if (tenantId !== by.tenantId && !by.isOperator) {
    throw new GatewayError('forbidden', 'A key’s records are its own tenant’s; leave `tenant_id` out.');
  }
  const endUserId = fields.text('end_user_id', 'end_user');
  return {
    tenantId,
    keyId: by.keyId,
    agentId: fields.text('agent_id', 'agent_name'),
    // Keys given as keys are lower-cased, as everywhere (design, semantics 5).
    sessionKey: (fields.text('session_key') ?? fields.text('conversation_id'))?.toLowerCase() ?? null,
    sessionId: fields.text('session_id'),
    endUserId,
    endUserSource: endUserId === null ? null : 'user',
    tags: fields.texts(by.limits.tagsMax, 'tags'),
    metadata: { ...fields.object(by.limits.metadataBytesMax, 'metadata') },
    traceparent: traceparentOf(fields.text('traceparent')),
  };
}

function outcomeOf(fields: Fields): Outcome {
  const said = fields.text('outcome', 'status');
  if (said === null) return 'completed';
  const outcome = Object.hasOwn(OUTCOMES, said) ? OUTCOMES[said] : undefined;
  return outcome ?? fields.refuse('outcome', `must be one of ${Object.keys(OUTCOMES).join(', ')}`);
}

function firstTokenMs(fields: Fields, latencyMs: number | null): number | null {
  const ms = fields.ms('time_to_first_token_ms', 'ttft_ms');
  if (ms === null || latencyMs === null || ms <= latencyMs) return ms;
  return fields.refuse('time_to_first_token_ms', 'is longer than the whole call');
}

/** Equal for the same content however its members are ordered. */
function fingerprintOf(record: Json): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(record)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  // Pairs, not an object: a member named `__proto__` stays one.
  return Object.keys(value)
    .sort()
    .map((name) => [name, sorted(value[name])]);
}
