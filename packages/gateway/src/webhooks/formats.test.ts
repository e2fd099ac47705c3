/** Each format, whole: what a receiver written for it finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DispatchRecord, makeUsage } from '@weighbridge/protocol';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import { Secret } from '../lib/secret.ts';
import { write } from './formats.ts';
import { endpointTo, RECORD } from './webhooks.fixture.ts';

function written(over: Partial<WebhookEndpoint>, data: Partial<DispatchRecord> = {}): { type: string; said: unknown } {
  const event = {
    type: 'model.usage',
    id: 'evt_1',
    seq: 7,
    ledgerId: 'led_1',
    timestamp: '2026-11-20T12:00:00.300Z',
    data: { ...RECORD, ...data },
  };
  const { contentType, body } = write([event], endpointTo('https://x.example/', over));
  return { type: contentType, said: JSON.parse(body) };
}

test('`event` is the event as the feed and the API have it; a batch is a list', () => {
  const { type, said } = written({});
  assert.equal(type, 'application/json');
  assert.deepEqual(said, {
    type: 'model.usage',
    id: 'evt_1',
    seq: 7,
    ledgerId: 'led_1',
    timestamp: '2026-11-20T12:00:00.300Z',
    data: RECORD,
  });
  assert.deepEqual(written({ batch: { max: 5, waitMs: 0 } }).said, [said]);
});

test('`gateway-usage` has the fields of OpenClaw’s webhook, with inclusive totals', () => {
  const whole = {
    type: 'model.usage',
    gatewayToken: 'tok',
    model: 'gpt-5',
    agentId: 'main',
    sessionKey: 'agent:main:s',
    usage: { promptTokens: 103, completionTokens: 20, totalTokens: 123 },
    cost: 0.000306,
    durationMs: 289,
    timestamp: '2026-11-20T12:00:00.289Z',
  };
  assert.deepEqual(written({ format: 'gateway-usage', token: new Secret('tok') }).said, whole);
  const { gatewayToken: _, ...without } = whole;
  assert.deepEqual(written({ format: 'gateway-usage' }).said, without);
  const { cost: _none, ...unpriced } = without;
  assert.deepEqual(written({ format: 'gateway-usage' }, { cost: null }).said, unpriced, 'unpriced is absent, not 0');
  const unknown = written({ format: 'gateway-usage' }, { usage: null, cost: null }).said as { usage: unknown };
  assert.equal(unknown.usage, null, 'what nobody reported is null, not 0');
});

test('`cloudevents` is a CloudEvent 1.0 whose subject is the tenant, or with one tenant the end user', () => {
  const { type, said } = written({ format: 'cloudevents' }, { tenantId: 'acme' });
  assert.equal(type, 'application/cloudevents+json; charset=utf-8');
  assert.deepEqual(said, {
    specversion: '1.0',
    id: 'evt_1',
    source: '/weighbridge/led_1',
    type: 'model.usage',
    subject: 'acme',
    time: '2026-11-20T12:00:00.300Z',
    datacontenttype: 'application/json',
    sequence: '0000000000000007',
    data: { ...RECORD, tenantId: 'acme' },
  });
  const subject = (data: Partial<DispatchRecord>): unknown =>
    (written({ format: 'cloudevents' }, data).said as { subject: unknown }).subject;
  assert.equal(subject({ tenantId: 'default', endUserId: 'u-1' }), 'u-1');
  assert.equal(subject({ tenantId: 'default', endUserId: null }), 'default');
  const batch = written({ format: 'cloudevents', batch: { max: 2, waitMs: 0 } });
  assert.equal(batch.type, 'application/cloudevents-batch+json; charset=utf-8');
});

/** Every key of LiteLLM's StandardLoggingPayload and of its metadata and hidden parameters. */
const LITELLM_KEYS =
  'id trace_id litellm_call_id call_type stream response_cost cost_breakdown response_cost_failure_debug_info status status_fields custom_llm_provider total_tokens prompt_tokens completion_tokens startTime endTime completionStartTime response_time model_map_information model model_id model_group api_base metadata cache_hit cache_key saved_cache_cost request_tags end_user requester_ip_address user_agent messages response error_str error_information model_parameters hidden_params guardrail_information standard_built_in_tools_params';
const METADATA_KEYS =
  'user_api_key_hash user_api_key_alias user_api_key_spend user_api_key_max_budget user_api_key_budget_reset_at user_api_key_user_spend user_api_key_user_max_budget user_api_key_team_spend user_api_key_team_max_budget user_api_key_org_id user_api_key_org_alias user_api_key_team_id user_api_key_project_id user_api_key_project_alias user_api_key_user_id user_api_key_user_email user_api_key_team_alias user_api_key_end_user_id user_api_key_request_route user_api_key_auth_metadata spend_logs_metadata requester_ip_address user_agent requester_metadata requester_custom_headers prompt_management_metadata mcp_tool_call_metadata vector_store_request_metadata applied_guardrails usage_object cold_storage_object_key team_alias team_id';

test('`litellm` is a StandardLoggingPayload: every key is there, and what we know is in it', () => {
  const said = written({ format: 'litellm' }).said as Record<string, unknown>;
  assert.deepEqual(Object.keys(said).sort(), LITELLM_KEYS.split(' ').sort());
  assert.deepEqual(Object.keys(said.metadata as object).sort(), METADATA_KEYS.split(' ').sort());
  const known = {
    id: 'chatcmpl-1',
    litellm_call_id: 'dsp_1',
    trace_id: 'run_1',
    call_type: 'acompletion',
    stream: true,
    response_cost: 0.000306,
    status: 'success',
    custom_llm_provider: 'openai',
    total_tokens: 123,
    prompt_tokens: 103,
    completion_tokens: 20,
    startTime: Date.parse(RECORD.startedAt) / 1000,
    endTime: Date.parse(RECORD.endedAt!) / 1000,
    completionStartTime: Date.parse(RECORD.startedAt) / 1000 + 0.12,
    response_time: 0.289,
    model: 'gpt-5',
    model_group: 'openclaw/main',
    end_user: 'tenant-42',
    messages: null,
    response: null,
    error_str: null,
    error_information: null,
  };
  for (const [name, value] of Object.entries(known)) assert.deepEqual(said[name], value, name);
});

test('`litellm` of a call that failed, and of one whose cost nobody knows', () => {
  const failed = written(
    { format: 'litellm' },
    {
      outcome: 'failed',
      httpStatus: 500,
      errorKind: 'upstream_status',
      usage: null,
      cost: null,
      providerRequestId: null,
    },
  ).said as Record<string, unknown>;
  assert.deepEqual(
    [failed.id, failed.status, failed.error_str, failed.total_tokens, failed.response_cost],
    ['dsp_1', 'failure', 'upstream_status', 0, 0],
  );
  const unpriced = written({ format: 'litellm' }, { cost: null, usage: makeUsage({ input: 1 }) }).said as {
    metadata: { spend_logs_metadata: { unpriced: boolean } };
    hidden_params: { response_cost: unknown };
  };
  assert.equal(unpriced.metadata.spend_logs_metadata.unpriced, true);
  assert.equal(unpriced.hidden_params.response_cost, null);
});
