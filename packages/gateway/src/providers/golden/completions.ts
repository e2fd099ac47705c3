/** Golden answers of `openai-completions`, as OpenAI and the vendors who deviate from it give them. */
import { type Draft, type Expected, goldens, pieces, TEXT } from './golden.ts';

const MODEL = 'gpt-5-2026-01-01';
const ID = 'chatcmpl-goldenweighbridge';

type Fields = Record<string, unknown>;

const frame = (event: unknown): string => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`;

const head = { id: ID, object: 'chat.completion.chunk', created: 1_780_000_000, model: MODEL };
const chunk = (delta: Fields, finish_reason: string | null = null, more: Fields = {}): Fields => ({
  ...head,
  choices: [{ index: 0, delta, logprobs: null, finish_reason, ...more }],
});
const says = (text = TEXT): Fields[] => [
  chunk({ role: 'assistant', content: '' }),
  ...pieces(text).map((content) => chunk({ content })),
];
const last = (usage: Fields, more: Fields = {}): Fields => ({ ...head, choices: [], usage, ...more });

function usage(prompt: number, completion: number, more: Fields = {}): Fields {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    ...more,
  };
}

function body(message: Fields, finish_reason: string, more: Fields): Fields {
  return {
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }],
    ...more,
  };
}

/** OpenAI's own way: the count in a chunk of its own, before the last word. */
function answered(
  deltas: readonly Fields[],
  message: Fields,
  sent: Fields,
  counted: Draft['usage'],
  expected: Partial<Omit<Expected, 'usage'>> = {},
  finish = 'stop',
): Draft {
  return {
    events: [...deltas, chunk({}, finish), last(sent), '[DONE]'],
    body: body(message, finish, { usage: sent }),
    usage: counted,
    expected,
  };
}

const said = { content: TEXT };
const CALL = { id: 'call_1', type: 'function', function: { name: 'weigh', arguments: '{"scale":"A","kg":12}' } };
const ANSWERED = { input: 186, cacheRead: 1920, output: 30, reasoning: 0 };
const HIT = usage(2106, 30, { prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 } });
const PLAIN = { prompt_tokens: 7, completion_tokens: 30, total_tokens: 37 };

export const COMPLETIONS = goldens(
  'openai-completions',
  '/chat/completions',
  frame,
  { stopReason: 'stop', servedModel: MODEL, responseId: ID },
  {
    'a cache hit': answered(says(), said, HIT, ANSWERED),
    'a cache write': answered(
      says(),
      said,
      usage(2106, 30, { prompt_tokens_details: { cached_tokens: 512, cache_write_tokens: 1024 } }),
      { input: 570, cacheRead: 512, cacheWrite: 1024, output: 30, reasoning: 0 },
    ),
    reasoning: answered(
      [...pieces('First, weigh it.').map((reasoning_content) => chunk({ reasoning_content })), ...says()],
      { reasoning_content: 'First, weigh it.', ...said },
      usage(81, 1035, { completion_tokens_details: { reasoning_tokens: 832 } }),
      { input: 81, output: 1035, reasoning: 832 },
    ),
    'a call of the caller’s tool': answered(
      [
        chunk({ role: 'assistant', content: null, tool_calls: [{ index: 0, ...CALL, function: { name: 'weigh' } }] }),
        ...pieces(CALL.function.arguments).map((text) =>
          chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
        ),
      ],
      { content: null, tool_calls: [CALL] },
      usage(120, 18),
      { input: 120, output: 18, reasoning: 0 },
      { stopReason: 'tool_calls' },
      'tool_calls',
    ),
    'a refusal': answered(
      pieces('I cannot help.').map((refusal) => chunk({ refusal })),
      { content: null, refusal: 'I cannot help.' },
      usage(60, 9),
      { input: 60, output: 9, reasoning: 0 },
    ),
    'an error in the middle': {
      events: [...says('Half an'), { error: { message: 'The server had an error', type: 'server_error', code: null } }],
      usage: null,
      expected: { stopReason: null, errorKind: 'provider_error', end: 'error' },
    },
    'no usage': {
      events: [...says(), chunk({}, 'stop'), '[DONE]'],
      body: body(said, 'stop', {}),
      usage: null,
      expected: {},
    },
    'a usage that comes twice': {
      events: [...says(), chunk({}, 'stop'), last(PLAIN), last(HIT), '[DONE]'],
      usage: ANSWERED,
      expected: {},
    },
    'a usage in every chunk': {
      events: [
        ...says('Hello').map((event, index) => ({
          ...event,
          usage: { prompt_tokens: 7, completion_tokens: index, total_tokens: 7 + index },
        })),
        { ...chunk({}, 'stop'), usage: PLAIN },
        last(PLAIN),
        '[DONE]',
      ],
      usage: { input: 7, output: 30 },
      expected: {},
    },
    'Groq’s usage': {
      events: [
        { ...chunk({ role: 'assistant', content: '' }), x_groq: { id: 'req_1' } },
        ...says(),
        { ...chunk({}, 'stop'), x_groq: { id: 'req_1', usage: { queue_time: 0.03, ...PLAIN, total_time: 0.1 } } },
        '[DONE]',
      ],
      body: body(said, 'stop', { usage: { queue_time: 0.03, ...PLAIN }, x_groq: { id: 'req_1' } }),
      usage: { input: 7, output: 30 },
      expected: {},
    },
    'Moonshot’s usage': {
      events: [
        ...says(),
        chunk({}, 'stop', { usage: { ...PLAIN, prompt_tokens: 1336, total_tokens: 1366, cached_tokens: 1280 } }),
        '[DONE]',
      ],
      usage: { input: 56, cacheRead: 1280, output: 30 },
      expected: {},
    },
    'DeepSeek’s usage': answered(
      says(),
      said,
      {
        ...PLAIN,
        prompt_tokens: 1500,
        total_tokens: 1530,
        prompt_cache_hit_tokens: 1408,
        prompt_cache_miss_tokens: 92,
      },
      { input: 92, cacheRead: 1408, output: 30 },
    ),
    'xAI’s reasoning outside the count': answered(
      says(),
      said,
      {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 135,
        prompt_tokens_details: { text_tokens: 32, audio_tokens: 0, image_tokens: 0, cached_tokens: 6 },
        completion_tokens_details: { reasoning_tokens: 94, audio_tokens: 0 },
        num_sources_used: 3,
        cost_in_usd_ticks: 200_000_000,
      },
      { input: 26, cacheRead: 6, output: 103, reasoning: 94, serverTools: { search_source: 3 } },
      { reportedCostUsd: '0.02' },
    ),
    'OpenRouter’s usage and cost': answered(
      says(),
      said,
      {
        ...usage(194, 30, { prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 100, audio_tokens: 0 } }),
        cost: 0.00014,
        is_byok: false,
        cost_details: { upstream_inference_cost: null },
        server_tool_use: { web_search_requests: 1 },
      },
      { input: 54, cacheRead: 40, cacheWrite: 100, output: 30, reasoning: 0, serverTools: { web_search: 1 } },
      { reportedCostUsd: '0.00014' },
    ),
    'Perplexity’s usage and cost, without a last word': {
      events: says().map((event, index, all) => ({
        ...event,
        choices: [{ ...(event.choices as Fields[])[0], finish_reason: index === all.length - 1 ? 'stop' : null }],
        usage: {
          prompt_tokens: 14,
          completion_tokens: index,
          total_tokens: 14 + index,
          search_context_size: 'low',
          cost: { input_tokens_cost: 0.00001, request_cost: 0.005, total_cost: 0.00501 },
        },
      })),
      usage: { input: 14, output: 3 },
      expected: { reportedCostUsd: '0.00501', end: 'open' },
    },
    'a long context in a slower tier': {
      events: [
        ...says().map((event) => ({ ...event, service_tier: 'flex' })),
        { ...chunk({}, 'length'), service_tier: 'flex' },
        {
          ...last(usage(901_234, 20_000, { prompt_tokens_details: { cached_tokens: 800_000 } })),
          service_tier: 'flex',
        },
        '[DONE]',
      ],
      body: body(said, 'length', {
        service_tier: 'flex',
        usage: usage(901_234, 20_000, { prompt_tokens_details: { cached_tokens: 800_000 } }),
      }),
      usage: { input: 101_234, cacheRead: 800_000, output: 20_000, reasoning: 0 },
      expected: { stopReason: 'length', serviceTier: 'flex' },
    },
    'more than eight kibibytes': answered(says(TEXT.repeat(12)), { content: TEXT.repeat(8) }, usage(10, 240), {
      input: 10,
      output: 240,
      reasoning: 0,
    }),
  },
);
