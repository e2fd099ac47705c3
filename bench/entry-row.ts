/** An entry as a row of its table, for benches that fill a ledger without settling a million calls. */

/** What differs between the entries of a bench. */
export interface EntryFacts {
  /** Its place: ids and `seq` ascend with it, as ours do. */
  n: number;
  /** Epoch milliseconds. */
  startedAt: number;
  latencyMs: number;
  agentId: string | null;
  sessionKey: string;
  endUserId: string;
  provider: string;
  model: string;
  outcome: string;
  usageSource: string;
  /** Null: the provider refused, nothing was counted. */
  tokens: { input: number; output: number } | null;
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function entryRow({ n, startedAt, latencyMs, model, tokens, ...own }: EntryFacts) {
  const id = idOf(startedAt, n);
  const none = tokens === null ? null : 0;
  return {
    tenantId: 'default',
    entryId: `ent_${id}`,
    dispatchId: `dsp_${id}`,
    runId: `run_${id}`,
    kind: 'usage',
    attempt: 1,
    instanceId: 'ins_bench',
    ...own,
    endUserSource: 'header',
    tags: '[]',
    metadata: '{}',
    model,
    requestedModel: model,
    api: 'openai-completions',
    stream: 1,
    source: 'gateway',
    startedAt,
    priceId: 'p1',
    priceSource: 'config',
    priceRates: '{"input":"2500000","output":"10000000","cacheRead":"250000","cacheWrite":"0","cacheWrite1h":"0"}',
    seq: n + 1,
    settledAt: startedAt + 1,
    httpStatus: tokens === null ? 500 : 200,
    errorKind: tokens === null ? 'http_error' : null,
    input: tokens?.input ?? null,
    output: tokens?.output ?? null,
    cacheRead: none,
    cacheWrite: none,
    cacheWrite1h: none,
    audioInput: 0,
    audioOutput: 0,
    imageInput: 0,
    imageOutput: 0,
    costNanoUsd: tokens === null ? null : tokens.input * 2500,
    latencyMs,
    timeToFirstTokenMs: Math.round(latencyMs * 0.3),
    endedAt: startedAt + latencyMs,
  };
}

/** The part of an id behind its prefix. */
export function idOf(ms: number, n: number): string {
  return base32(ms, 10) + base32(n, 16);
}

function base32(value: number, digits: number): string {
  let text = '';
  for (let rest = value, at = 0; at < digits; at++, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text;
  return text;
}
