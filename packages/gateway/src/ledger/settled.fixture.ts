/** A call that was opened and settled, for tests to whom most of it does not matter. */
import { makeUsage } from '@weighbridge/protocol';
import type { EntrySettlement } from '../domain/entry.ts';
import type { IdSource } from '../lib/ids.ts';
import type { StoredLedger } from './ledger.ts';

/** Gives the dispatch's id. */
export async function settledCall(
  ledger: StoredLedger,
  ids: IdSource,
  nowMs: number,
  over: Partial<EntrySettlement>,
  { tenantId, model }: { tenantId: string; model: string },
): Promise<string> {
  const dispatchId = ids.next('dsp');
  await ledger.open({
    dispatchId,
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId,
      keyId: null,
      agentId: 'main',
      sessionKey: 's',
      sessionId: null,
      endUserId: 'u',
      endUserSource: 'header',
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider: 'p',
    model,
    requestedModel: model,
    api: 'openai-completions',
    stream: false,
    source: 'gateway',
    startedAt: nowMs,
  });
  await ledger.settle({
    dispatchId,
    tenantId,
    outcome: 'completed',
    httpStatus: 200,
    errorKind: null,
    stopReason: 'stop',
    serviceTier: null,
    usage: makeUsage({ input: 10, output: 5 }),
    usageSource: 'reported',
    rawUsage: null,
    price: null,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs: 1,
    timeToFirstTokenMs: 1,
    endedAt: nowMs,
    providerRequestId: null,
    ...over,
  });
  return dispatchId;
}
