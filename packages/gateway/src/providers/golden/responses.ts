/** Golden answers of `openai-responses`. */
import { type Draft, type Expected, goldens, pieces, TEXT } from './golden.ts';

const MODEL = 'gpt-5.6-2026-05-01';
const ID = 'resp_0123goldenweighbridge';

type Fields = Record<string, unknown>;

const frame = (event: unknown): string => `event: ${(event as Fields).type}\ndata: ${JSON.stringify(event)}\n\n`;

function usage(input: number, output: number, details: { cached?: number; written?: number; reasoning?: number } = {}) {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: details.cached ?? 0, cache_write_tokens: details.written ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: details.reasoning ?? 0 },
    total_tokens: input + output,
  };
}

function response(status: string, more: Fields = {}): Fields {
  return {
    id: ID,
    object: 'response',
    created_at: 1_780_000_000,
    status,
    error: null,
    incomplete_details: null,
    model: MODEL,
    output: [],
    service_tier: 'default',
    usage: null,
    ...more,
  };
}

const opening: Fields[] = ['response.created', 'response.in_progress'].map((type) => ({
  type,
  response: response('in_progress', { service_tier: 'auto' }),
}));
const item = (content: readonly Fields[]): Fields => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content,
});
const saying = (text = TEXT): Fields => item([{ type: 'output_text', text, annotations: [] }]);

function deltas(type: string, text: string): Fields[] {
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  return [
    ...pieces(text).map((delta) => ({ type: `${type}.delta`, ...place, delta })),
    { type: `${type}.done`, ...place, text },
  ];
}

const said = (text = TEXT): Fields[] => [
  { type: 'response.output_item.added', output_index: 0, item: item([]) },
  ...deltas('response.output_text', text),
  { type: 'response.output_item.done', output_index: 0, item: saying(text) },
];

/** The stream and the body of one response. */
function answered(
  middle: readonly Fields[],
  final: Fields,
  usageExpected: Draft['usage'],
  expected: Partial<Omit<Expected, 'usage'>> = {},
): Draft {
  const events = [...opening, ...middle, { type: `response.${final.status}`, response: final }];
  return {
    events: events.map((event, sequence_number) => ({ type: event.type, sequence_number, ...event })),
    body: final,
    usage: usageExpected,
    expected,
  };
}

const completed = (more: Fields): Fields => response('completed', { output: [saying()], ...more });
const search = (type: string, status = 'completed'): Fields => ({
  id: `ws_${type}`,
  type: 'web_search_call',
  status,
  action: { type },
});
const searched = [search('search'), search('open_page'), search('search')];
const done = (items: readonly Fields[]): Fields[] =>
  items.map((each, output_index) => ({ type: 'response.output_item.done', output_index, item: each }));
const failure = { code: 'server_error', message: 'The model failed.' };

export const RESPONSES = goldens(
  'openai-responses',
  '/responses',
  frame,
  { stopReason: 'completed', serviceTier: 'default', servedModel: MODEL, responseId: ID },
  {
    'a cache hit': answered(said(), completed({ usage: usage(2106, 30, { cached: 1920 }) }), {
      input: 186,
      cacheRead: 1920,
      output: 30,
      reasoning: 0,
    }),
    'a cache write': answered(said(), completed({ usage: usage(2106, 30, { cached: 512, written: 1024 }) }), {
      input: 570,
      cacheRead: 512,
      cacheWrite: 1024,
      output: 30,
      reasoning: 0,
    }),
    reasoning: answered(
      [...deltas('response.reasoning_summary_text', 'First, weigh it.'), ...said()],
      completed({ usage: usage(81, 1035, { reasoning: 832 }) }),
      { input: 81, output: 1035, reasoning: 832 },
    ),
    'a call of the caller’s tool': answered(
      [
        ...pieces('{"scale":"A"}').map((delta) => ({ type: 'response.function_call_arguments.delta', delta })),
        { type: 'response.function_call_arguments.done', arguments: '{"scale":"A"}' },
      ],
      completed({
        output: [{ type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'weigh', arguments: '{"scale":"A"}' }],
        usage: usage(120, 18),
      }),
      { input: 120, output: 18, reasoning: 0 },
    ),
    'a refusal': answered(
      deltas('response.refusal', 'I cannot help with that.'),
      completed({
        output: [item([{ type: 'refusal', refusal: 'I cannot help with that.' }])],
        usage: usage(60, 9),
      }),
      { input: 60, output: 9, reasoning: 0 },
    ),
    'an answer cut at its limit': answered(
      said(),
      response('incomplete', {
        incomplete_details: { reason: 'max_output_tokens' },
        output: [saying()],
        usage: usage(60, 4096, { reasoning: 4000 }),
      }),
      { input: 60, output: 4096, reasoning: 4000 },
      { stopReason: 'max_output_tokens' },
    ),
    'an error in the middle': {
      events: [
        ...opening,
        ...said().slice(0, 5),
        { type: 'error', code: 'rate_limit_exceeded', message: 'Slow down.', param: null, sequence_number: 9 },
      ],
      usage: null,
      expected: { stopReason: null, serviceTier: 'auto', errorKind: 'provider_error', end: 'error' },
    },
    'a response that fails': answered(said().slice(0, 4), response('failed', { error: failure }), null, {
      stopReason: 'failed',
      errorKind: 'provider_error',
    }),
    'a response that fails and is charged': answered(
      said().slice(0, 4),
      response('failed', { error: failure, usage: usage(60, 12) }),
      { input: 60, output: 12, reasoning: 0 },
      { stopReason: 'failed', errorKind: 'provider_error' },
    ),
    'no usage': answered(said(), completed({}), null),
    'a usage that comes twice': {
      events: [
        { type: 'response.created', response: response('in_progress', { usage: usage(2106, 0) }) },
        ...said(),
        { type: 'response.in_progress', response: response('in_progress', { usage: usage(2106, 12) }) },
        { type: 'response.completed', response: completed({ usage: usage(2106, 30, { cached: 1920 }) }) },
      ],
      usage: { input: 186, cacheRead: 1920, output: 30, reasoning: 0 },
      expected: {},
    },
    'the provider’s own tools': answered(
      [...done(searched), ...said()],
      completed({ output: [...searched, saying()], usage: usage(9000, 300, { cached: 4096 }) }),
      { input: 4904, cacheRead: 4096, output: 300, reasoning: 0, serverTools: { web_search: 2 } },
    ),
    'the provider’s own tools, counted by what is billed': answered(
      [...done(searched), ...said()],
      completed({
        output: [...searched, { type: 'code_interpreter_call', id: 'ci_1', code: 'print(1)' }, saying()],
        tool_usage: { image_gen: { input_tokens: 0, output_tokens: 0 }, web_search: { num_requests: 1 } },
        usage: usage(9000, 300),
      }),
      { input: 9000, output: 300, reasoning: 0, serverTools: { web_search: 1, code_interpreter: 1 } },
    ),
    'OpenRouter’s last event': {
      events: [
        ...opening,
        ...said(),
        { type: 'response.done', response: completed({ usage: { ...usage(40, 30), cost: 0.00042, is_byok: false } }) },
      ],
      usage: { input: 40, output: 30, reasoning: 0 },
      expected: { reportedCostUsd: '0.00042' },
    },
    'xAI’s tools and cost': answered(
      said(),
      completed({
        usage: {
          ...usage(3000, 400, { cached: 1000, reasoning: 250 }),
          num_sources_used: 0,
          num_server_side_tools_used: 3,
          server_side_tool_usage_details: { web_search_calls: 2, x_search_calls: 1, code_interpreter_calls: 0 },
          cost_in_usd_ticks: 37_756_000,
        },
      }),
      {
        input: 2000,
        cacheRead: 1000,
        output: 400,
        reasoning: 250,
        serverTools: { web_search: 2, x_search: 1 },
      },
      { reportedCostUsd: '0.0037756' },
    ),
    'xAI’s tools that it tried in vain': answered(
      [...done([...searched, { type: 'x_search_call', id: 'xs_1' }]), ...said()],
      completed({
        output: [...searched, { type: 'x_search_call', id: 'xs_1' }, saying()],
        usage: { ...usage(900, 40), server_side_tool_usage_details: { web_search_calls: 0, x_search_calls: 1 } },
      }),
      { input: 900, output: 40, reasoning: 0, serverTools: { x_search: 1 } },
    ),
    'a long context in a slower tier': answered(
      said(),
      completed({ service_tier: 'flex', usage: usage(901_234, 20_000, { cached: 800_000, reasoning: 12_000 }) }),
      { input: 101_234, cacheRead: 800_000, output: 20_000, reasoning: 12_000 },
      { serviceTier: 'flex' },
    ),
    'more than eight kibibytes': answered(
      said(TEXT.repeat(12)),
      completed({ output: [saying(TEXT.repeat(12))], usage: usage(10, 240) }),
      { input: 10, output: 240, reasoning: 0 },
    ),
  },
);
