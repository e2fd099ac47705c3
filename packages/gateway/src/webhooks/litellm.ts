/**
 * A dispatch as LiteLLM's `StandardLoggingPayload`, so that receivers of its generic API callback work unchanged. Pure. No
 * prompt, no answer and no credential is in it, because none is in the event; of LiteLLM's own sums we know none.
 */
import { type DispatchRecord, promptTokens } from '@weighbridge/protocol';

const CALL_TYPES: Readonly<Record<string, string>> = {
  'openai-completions': 'acompletion',
  'openai-responses': 'aresponses',
  'anthropic-messages': 'anthropic_messages',
  'google-generate': 'agenerate_content',
};
const UNKNOWN_KEY = {
  user_api_key_hash: null,
  user_api_key_alias: null,
  user_api_key_spend: null,
  user_api_key_max_budget: null,
  user_api_key_budget_reset_at: null,
  user_api_key_user_spend: null,
  user_api_key_user_max_budget: null,
  user_api_key_team_spend: null,
  user_api_key_team_max_budget: null,
  user_api_key_org_id: null,
  user_api_key_org_alias: null,
  user_api_key_project_id: null,
  user_api_key_project_alias: null,
  user_api_key_user_id: null,
  user_api_key_user_email: null,
  user_api_key_team_alias: null,
  user_api_key_request_route: null,
  user_api_key_auth_metadata: null,
};

export function loggingPayload(record: DispatchRecord): object {
  const { usage, cost, outcome, stream } = record;
  const isSuccess = outcome === 'completed';
  const status = isSuccess ? 'success' : 'failure';
  const startTime = secondsOf(record.startedAt) ?? 0;
  const endTime = secondsOf(record.endedAt) ?? secondsOf(record.settledAt) ?? startTime;
  const firstToken = record.timeToFirstTokenMs === null ? endTime : startTime + record.timeToFirstTokenMs / 1000;
  const responseCost = cost === null ? 0 : Number(cost.usd);
  return {
    id: record.providerRequestId ?? record.dispatchId,
    trace_id: record.sessionId ?? record.runId,
    litellm_call_id: record.kind === 'correction' ? record.entryId : record.dispatchId,
    call_type: CALL_TYPES[record.api] ?? record.api,
    stream,
    response_cost: responseCost,
    cost_breakdown: cost === null ? null : { total_cost: responseCost },
    response_cost_failure_debug_info: null,
    status,
    status_fields: { llm_api_status: status, guardrail_status: 'not_run' },
    custom_llm_provider: record.provider,
    total_tokens: usage?.total ?? 0,
    prompt_tokens: usage === null ? 0 : promptTokens(usage),
    completion_tokens: usage?.output ?? 0,
    startTime,
    endTime,
    completionStartTime: firstToken,
    response_time: record.latencyMs === null ? 0 : record.latencyMs / 1000,
    model_map_information: { model_map_key: record.model, model_map_value: null },
    model: record.model,
    model_id: null,
    model_group: record.requestedModel,
    api_base: '',
    metadata: metadataOf(record),
    cache_hit: null,
    cache_key: null,
    saved_cache_cost: 0,
    request_tags: record.tags,
    end_user: record.endUserId,
    requester_ip_address: null,
    user_agent: null,
    messages: null,
    response: null,
    error_str: isSuccess ? null : (record.errorKind ?? outcome),
    error_information: isSuccess ? null : errorOf(record),
    model_parameters: { stream },
    hidden_params: {
      model_id: null,
      cache_key: null,
      api_base: null,
      response_cost: cost === null ? null : cost.usd,
      litellm_overhead_time_ms: null,
      additional_headers: null,
      batch_models: null,
      litellm_model_name: record.model,
      usage_object: usageObject(record),
    },
    guardrail_information: null,
    standard_built_in_tools_params: null,
  };
}

function metadataOf(record: DispatchRecord): object {
  return {
    ...UNKNOWN_KEY,
    user_api_key_hash: record.keyId,
    user_api_key_team_id: record.tenantId,
    user_api_key_end_user_id: record.endUserId,
    spend_logs_metadata: {
      ...record.metadata,
      tenantId: record.tenantId,
      agentId: record.agentId,
      sessionKey: record.sessionKey,
      runId: record.runId,
      entryId: record.entryId,
      // LiteLLM has no words for a cost that nobody knows: 0 stands there, and this says that it is none.
      usageSource: record.usageSource,
      unpriced: record.cost === null && record.usage !== null,
    },
    requester_ip_address: null,
    user_agent: null,
    requester_metadata: null,
    requester_custom_headers: null,
    prompt_management_metadata: null,
    mcp_tool_call_metadata: null,
    vector_store_request_metadata: null,
    applied_guardrails: null,
    usage_object: usageObject(record),
    cold_storage_object_key: null,
    team_alias: null,
    team_id: record.tenantId,
  };
}

/** In the names that LiteLLM keeps a usage under. */
function usageObject({ usage }: DispatchRecord): object | null {
  if (usage === null) return null;
  return {
    prompt_tokens: promptTokens(usage),
    completion_tokens: usage.output,
    total_tokens: usage.total,
    prompt_tokens_details: { cached_tokens: usage.cacheRead },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
    cache_read_input_tokens: usage.cacheRead,
    cache_creation_input_tokens: usage.cacheWrite + usage.cacheWrite1h,
  };
}

function errorOf({ errorKind, httpStatus, provider, outcome }: DispatchRecord): object {
  return {
    error_code: httpStatus === null ? null : String(httpStatus),
    error_class: errorKind ?? outcome,
    llm_provider: provider,
    traceback: '',
    error_message: errorKind ?? outcome,
  };
}

function secondsOf(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000;
}
