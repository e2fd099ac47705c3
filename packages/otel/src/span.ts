/**
 * One dispatch as one client span, after OpenTelemetry's conventions for generative AI (open-telemetry/
 * semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md). It joins the caller's trace where the call had a `traceparent`;
 * its ids follow from the dispatch, so that an event which comes again is the same span. Pure; no prompt, no answer.
 */
import { createHash } from 'node:crypto';
import type { DispatchRecord } from '@weighbridge/protocol';
import { promptTokens } from '@weighbridge/protocol';
import { type AttributeValue, attributesOf, type KeyValue } from './otlp.ts';

const CLIENT = 3;
const ERROR = 2;
const NANO_PER_MS = 1_000_000n;

/** Our vendors' names where the conventions have another. */
const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  google: 'gcp.gemini',
  gemini: 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  azure: 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  mistral: 'mistral_ai',
  xai: 'x_ai',
};

export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  status: { code?: number; message?: string };
}

export function spanOf(record: DispatchRecord): Span {
  const operation = operationOf(record);
  const [traceId, parentSpanId] = traceOf(record);
  return {
    traceId,
    spanId: digest(record.dispatchId, 16),
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name: `${operation} ${record.model}`,
    kind: CLIENT,
    startTimeUnixNano: nanos(record.startedAt),
    endTimeUnixNano: nanos(record.endedAt ?? record.settledAt ?? record.startedAt),
    attributes: attributesOf({ ...conventional(record, operation), ...ours(record) }),
    status: record.outcome === 'completed' ? {} : { code: ERROR, message: record.errorKind ?? record.outcome ?? '' },
  };
}

/** What spans and metrics of one dispatch are told apart by. */
export function identityOf(record: DispatchRecord): Readonly<Record<string, AttributeValue>> {
  return {
    'gen_ai.operation.name': operationOf(record),
    'gen_ai.provider.name': PROVIDER_NAMES[record.provider] ?? record.provider,
    'gen_ai.request.model': record.model,
    'error.type': errorOf(record),
  };
}

function conventional(record: DispatchRecord, operation: string): Record<string, AttributeValue> {
  const { usage } = record;
  return {
    ...identityOf(record),
    'gen_ai.operation.name': operation,
    'gen_ai.response.id': record.providerRequestId,
    'gen_ai.response.finish_reasons': record.stopReason === null ? null : [record.stopReason],
    'gen_ai.response.time_to_first_chunk': secondsOf(record.timeToFirstTokenMs),
    'gen_ai.conversation.id': record.sessionKey,
    'gen_ai.agent.id': record.agentId,
    // The conventions count cached tokens into the input, and reasoning into the output.
    'gen_ai.usage.input_tokens': usage && promptTokens(usage),
    'gen_ai.usage.output_tokens': usage?.output ?? null,
    'gen_ai.usage.cache_read.input_tokens': usage?.cacheRead ?? null,
    'gen_ai.usage.cache_write.input_tokens': usage && usage.cacheWrite + usage.cacheWrite1h,
    'gen_ai.usage.reasoning.output_tokens': usage?.reasoning ?? null,
    'http.response.status_code': record.httpStatus,
    'user.id': record.endUserId,
  };
}

function ours(record: DispatchRecord): Record<string, AttributeValue> {
  return {
    'weighbridge.dispatch.id': record.dispatchId,
    'weighbridge.run.id': record.runId,
    'weighbridge.attempt': record.attempt,
    'weighbridge.tenant.id': record.tenantId,
    'weighbridge.requested_model': record.requestedModel,
    'weighbridge.outcome': record.outcome,
    'weighbridge.usage.source': record.usageSource,
    'weighbridge.source': record.source,
    'weighbridge.tags': record.tags.length === 0 ? null : record.tags,
    // Text: a double would round it.
    'weighbridge.cost.usd': record.cost?.usd ?? null,
    'weighbridge.cost.price_id': record.cost?.priceId ?? null,
  };
}

function operationOf({ api }: DispatchRecord): string {
  if (api === 'google-generate') return 'generate_content';
  return api.includes('embedding') ? 'embeddings' : 'chat';
}

function errorOf({ outcome, errorKind }: DispatchRecord): string | null {
  return outcome === 'completed' ? null : (errorKind ?? outcome ?? 'unknown');
}

/** The caller's trace and span, or a trace of the run's own. */
function traceOf({ traceparent, runId }: DispatchRecord): [traceId: string, parentSpanId: string | null] {
  const parts = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(traceparent ?? '');
  return parts === null ? [digest(runId, 32), null] : [parts[1]!, parts[2]!];
}

function digest(text: string, hexDigits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, hexDigits);
}

export function nanos(iso: string): string {
  return String(BigInt(Date.parse(iso)) * NANO_PER_MS);
}

export function secondsOf(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
