/**
 * Usage that somebody else counted, as `POST /api/v1/ingest/model_usage` takes it: one record, an array, or one record a
 * line (`application/x-ndjson`). The first six fields are AgentWatch's and are enough; each field may also be written in
 * camelCase. AgentWatch's hook event `{"type":"model:used","model","promptTokens",…}` is the same in that spelling.
 */

/** Absent or null: not known. Zero is a number. Unknown fields are left alone. */
export interface ModelUsageRecord {
  model: string;
  /** All prompt tokens, cached ones included. */
  prompt_tokens?: number | null;
  /** All completion tokens. */
  completion_tokens?: number | null;
  /** What it cost, in USD; a string keeps every digit. Absent: our prices hold, where they know the model. */
  cost_usd?: number | string | null;
  latency_ms?: number | null;
  agent_name?: string | null;

  /** Makes the record count once, however often it is sent; the same id with another content is refused. */
  id?: string | null;
  provider?: string | null;
  /** What was asked for where another model served. */
  requested_model?: string | null;
  /** The dialect. */
  api?: string | null;
  /** Must be the sum of the two, or with reasoning the sum of the three: then reasoning stood outside. */
  total_tokens?: number | null;
  cache_read_tokens?: number | null;
  cache_write_tokens?: number | null;
  cache_write_1h_tokens?: number | null;
  reasoning_tokens?: number | null;
  /** Instead of the token fields: our disjoint buckets (`input`, `output`, `cacheRead`, …). */
  usage?: object | null;
  time_to_first_token_ms?: number | null;
  /** `completed` when absent; `ok` and `error` are understood too. */
  outcome?: 'completed' | 'failed' | 'aborted' | 'ok' | 'error' | null;
  http_status?: number | null;
  stop_reason?: string | null;
  service_tier?: string | null;
  stream?: boolean | null;
  /** 1 for the first try of a run. */
  attempt?: number | null;
  /** The call's end: ISO 8601 or milliseconds since the epoch; now when absent. */
  timestamp?: string | number | null;
  agent_id?: string | null;
  session_key?: string | null;
  session_id?: string | null;
  conversation_id?: string | null;
  end_user_id?: string | null;
  run_id?: string | null;
  response_id?: string | null;
  traceparent?: string | null;
  tags?: readonly string[] | null;
  metadata?: Readonly<Record<string, unknown>> | null;
  /** For the operator only: whose call it was. A key's records are its own tenant's. */
  tenant_id?: string | null;
}

export interface IngestedRecord {
  /** The record's own, or where it has none its dispatch's. */
  id: string;
  /** Finds it: `GET /api/v1/dispatches/{id}`. */
  dispatchId: string;
  /** `duplicate`: it was there, and stays as it was. */
  status: 'ingested' | 'duplicate';
}

export interface IngestAnswer {
  status: 'ok';
  /** Records that are new. */
  ingested: number;
  duplicates: number;
  /** One for each record, in order. */
  ids: string[];
  results: IngestedRecord[];
}
