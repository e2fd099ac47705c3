/** Every known spelling of usage in the OpenAI dialects fills the same buckets, from whichever provider it comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage, type Usage } from '@weighbridge/protocol';
import fc from 'fast-check';
import { inclusiveUsage, readInclusiveUsage } from './inclusive-usage.ts';
import { readerOf } from './readers.ts';
import { decimal, reportedCostUsd } from './reported-cost.ts';

type Fields = Record<string, unknown>;

const plain = (prompt: number, completion: number, more: Fields = {}): Fields => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
});

/** Who sends it, what is sent, what is counted. */
const SPELLINGS: readonly (readonly [string, Fields, Partial<Omit<Usage, 'total'>>])[] = [
  [
    'OpenAI, Azure, vLLM, Cerebras',
    plain(103, 20, {
      prompt_tokens_details: { cached_tokens: 40, audio_tokens: 3, image_tokens: 9, text_tokens: 91 },
      completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 2, accepted_prediction_tokens: 0 },
    }),
    { input: 63, output: 20, cacheRead: 40, reasoning: 5, audioInput: 3, audioOutput: 2, imageInput: 9 },
  ],
  [
    'OpenAI’s cache writes',
    plain(100, 1, {
      prompt_tokens_details: {
        cached_tokens: 30,
        cache_write_tokens: 20,
        cache_write_tokens_details: { ttl_12h_tokens: 5, ttl_30m_tokens: 15 },
      },
    }),
    { input: 50, output: 1, cacheRead: 30, cacheWrite: 20 },
  ],
  [
    'the responses interface',
    {
      input_tokens: 81,
      input_tokens_details: { cached_tokens: 60, cache_write_tokens: 11 },
      output_tokens: 35,
      output_tokens_details: { reasoning_tokens: 32 },
      total_tokens: 116,
    },
    { input: 10, output: 35, cacheRead: 60, cacheWrite: 11, reasoning: 32 },
  ],
  [
    'transcriptions, in the singular',
    {
      type: 'tokens',
      input_tokens: 14,
      input_token_details: { text_tokens: 10, audio_tokens: 4 },
      output_tokens: 45,
      total_tokens: 59,
    },
    { input: 14, output: 45, audioInput: 4 },
  ],
  [
    'images',
    {
      input_tokens: 50,
      input_tokens_details: { text_tokens: 10, image_tokens: 40 },
      output_tokens: 50,
      output_tokens_details: { image_tokens: 50 },
      total_tokens: 100,
    },
    { input: 50, output: 50, imageInput: 40, imageOutput: 50 },
  ],
  ['embeddings', { prompt_tokens: 8, total_tokens: 8 }, { input: 8, output: 0 }],
  [
    'DeepSeek',
    plain(10, 2, { prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 2 }),
    { input: 2, output: 2, cacheRead: 8 },
  ],
  [
    'Moonshot, in both places',
    plain(1336, 31, { cached_tokens: 1280, prompt_tokens_details: { cached_tokens: 1280 } }),
    { input: 56, output: 31, cacheRead: 1280 },
  ],
  [
    'Mistral',
    plain(20, 4, { num_cached_tokens: 16, prompt_audio_seconds: null }),
    { input: 4, output: 4, cacheRead: 16 },
  ],
  ['Groq', plain(7, 3, { queue_time: 0.02, prompt_time: 0.001, total_time: 0.4 }), { input: 7, output: 3 }],
  [
    'xAI, reasoning beside the completion',
    {
      prompt_tokens: 32,
      completion_tokens: 9,
      total_tokens: 135,
      prompt_tokens_details: { text_tokens: 32, cached_tokens: 6 },
      completion_tokens_details: { reasoning_tokens: 94 },
      num_sources_used: 0,
    },
    { input: 26, output: 103, cacheRead: 6, reasoning: 94 },
  ],
  [
    'xAI’s tools',
    plain(32, 9, { server_side_tool_usage_details: { web_search_calls: 2, x_search_calls: 1, mcp_calls: 0 } }),
    { input: 32, output: 9, serverTools: { web_search: 2, x_search: 1 } },
  ],
  [
    'OpenRouter',
    plain(194, 2, {
      prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 100, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
      cost: 0.95,
      server_tool_use: { web_search_requests: 3 },
    }),
    { input: 54, output: 2, cacheRead: 40, cacheWrite: 100, reasoning: 0, serverTools: { web_search: 3 } },
  ],
  [
    'an Anthropic model behind OpenRouter, with an hour’s cache',
    plain(194, 2, {
      prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 100 },
      cache_creation: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 70 },
    }),
    { input: 54, output: 2, cacheRead: 40, cacheWrite: 30, cacheWrite1h: 70 },
  ],
  [
    'an Anthropic model behind LiteLLM',
    plain(110, 2, {
      cache_creation_input_tokens: 30,
      cache_read_input_tokens: 40,
      prompt_tokens_details: {
        cached_tokens: 40,
        cache_creation_tokens: 30,
        cache_creation_token_details: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      },
    }),
    { input: 40, output: 2, cacheRead: 40, cacheWrite: 10, cacheWrite1h: 20 },
  ],
  [
    'an Anthropic model behind a proxy that leaves the cache outside the prompt',
    {
      prompt_tokens: 10,
      completion_tokens: 2,
      total_tokens: 4062,
      cache_read_input_tokens: 4000,
      cache_creation_input_tokens: 50,
    },
    { input: 10, output: 2, cacheRead: 4000, cacheWrite: 50 },
  ],
  [
    'Qwen',
    plain(3019, 104, {
      prompt_tokens_details: {
        cached_tokens: 2048,
        cache_creation: { ephemeral_5m_input_tokens: 900 },
        cache_creation_input_tokens: 900,
        cache_type: 'ephemeral',
      },
    }),
    { input: 71, output: 104, cacheRead: 2048, cacheWrite: 900 },
  ],
  [
    'SGLang',
    plain(9, 60, { reasoning_tokens: 40, prompt_tokens_details: { cached_tokens: 4 } }),
    { input: 5, output: 60, cacheRead: 4, reasoning: 40 },
  ],
  [
    'Perplexity',
    plain(14, 70, { search_context_size: 'low', num_search_queries: 4, cost: { total_cost: 0.006 } }),
    { input: 14, output: 70, serverTools: { web_search: 4 } },
  ],
  [
    'Perplexity’s deep research: citations are billed as input, reasoning beside the completion',
    plain(19, 498, { citation_tokens: 10_175, num_search_queries: 48, reasoning_tokens: 95_305 }),
    { input: 10_194, output: 95_803, reasoning: 95_305, serverTools: { web_search: 48 } },
  ],
  [
    'OpenRouter’s chat with a search',
    plain(5_000, 20, { server_tool_use_details: { web_search_requests: 1 } }),
    { input: 5_000, output: 20, serverTools: { web_search: 1 } },
  ],
  [
    'Mistral’s speech, whose prompt is its text alone',
    {
      prompt_audio_seconds: 3,
      prompt_tokens: 9,
      completion_tokens: 248,
      total_tokens: 632,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 375 },
    },
    { input: 384, output: 248, audioInput: 375 },
  ],
  [
    'a proxy that gives Anthropic’s numbers and leaves the cache out of the total too',
    plain(10, 2, { cache_read_input_tokens: 4000, cache_creation_input_tokens: 50 }),
    { input: 10, output: 2, cacheRead: 4000, cacheWrite: 50 },
  ],
  [
    'a cache beside the prompt, without a total',
    { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4000 } },
    { input: 10, output: 2, cacheRead: 4000 },
  ],
  ['Ollama’s own interface', { prompt_eval_count: 26, eval_count: 298 }, { input: 26, output: 298 }],
  [
    'Bedrock’s metrics',
    { inputTokenCount: 26, outputTokenCount: 29, firstByteLatency: 300 },
    { input: 26, output: 29 },
  ],
  ['only a total', { total_tokens: 12 }, { input: 12, output: 0 }],
  ['zeros', plain(0, 0, { num_search_queries: 0 }), {}],
];

for (const [name, sent, expected] of SPELLINGS) {
  test(`usage as sent by ${name} is read from any provider of the two dialects`, () => {
    const usage = makeUsage(expected);
    assert.deepEqual(inclusiveUsage(readInclusiveUsage(sent)!), { usage, isConsistent: true });
    const chat = readerOf('openai-completions').readBody(Buffer.from(JSON.stringify({ choices: [], usage: sent })));
    assert.deepEqual([chat.usage, JSON.parse(chat.rawUsage!), chat.anomaly], [usage, sent, null]);
    const response = { object: 'response', status: 'completed', output: [], usage: sent };
    const responses = readerOf('openai-responses').readBody(Buffer.from(JSON.stringify(response)));
    assert.deepEqual([responses.usage, JSON.parse(responses.rawUsage!), responses.anomaly], [usage, sent, null]);
  });
}

test('Gemini’s OpenAI endpoint hides its thoughts in the total: they are output, and the gap is told of', () => {
  const { usage, isConsistent } = inclusiveUsage(
    readInclusiveUsage({ prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 })!,
  );
  assert.deepEqual([usage.input, usage.output, usage.total, isConsistent], [20, 603, 623, false]);
});

/** Who contradicts itself, what is sent, what is counted and told of. */
const CONTRADICTIONS: readonly (readonly [string, Fields, Partial<Omit<Usage, 'total'>>])[] = [
  [
    'Vercel’s gateway: more thoughts than completion, in neither it nor the total, and charged as output',
    plain(61, 10, { completion_tokens_details: { reasoning_tokens: 96 } }),
    { input: 61, output: 106, reasoning: 96 },
  ],
  [
    'one token more of reasoning than of completion: a count of another moment',
    plain(61, 10, { completion_tokens_details: { reasoning_tokens: 11 } }),
    { input: 61, output: 10, reasoning: 11 },
  ],
  [
    'Azure’s Grok: more in the cache than in the prompt, while the total is that of the prompt',
    plain(198, 18, { prompt_tokens_details: { cached_tokens: 314, text_tokens: 198 } }),
    { input: 198, output: 18 },
  ],
  [
    'OpenRouter’s Gemini: the same tokens read and written, both charged',
    plain(2168, 100, { prompt_tokens_details: { cached_tokens: 2161, cache_write_tokens: 2161 } }),
    { input: 7, output: 100, cacheRead: 2161, cacheWrite: 2161 },
  ],
];

for (const [name, sent, expected] of CONTRADICTIONS) {
  test(`counts that contradict each other are told of: ${name}`, () => {
    assert.deepEqual(inclusiveUsage(readInclusiveUsage(sent)!), { usage: makeUsage(expected), isConsistent: false });
  });
}

test('Ollama’s own body has its counts beside the message', () => {
  const body = {
    model: 'm',
    message: { role: 'assistant', content: 'Hi' },
    done: true,
    prompt_eval_count: 26,
    eval_count: 2,
  };
  const reading = readerOf('openai-completions').readBody(Buffer.from(JSON.stringify(body)));
  assert.deepEqual(reading.usage, makeUsage({ input: 26, output: 2 }));
});

test('no spelling makes a negative or fractional bucket, whatever the numbers', () => {
  const keys = [...new Set(SPELLINGS.flatMap(([, sent]) => Object.keys(sent)))];
  const details = fc.dictionary(
    fc.constantFrom(
      'cached_tokens',
      'cache_write_tokens',
      'reasoning_tokens',
      'audio_tokens',
      'ephemeral_1h_input_tokens',
    ),
    fc.nat(5000),
  );
  const sent = fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.nat(5000), details), { maxKeys: 9 });
  fc.assert(
    fc.property(sent, (usage) => {
      const reading = readerOf('openai-completions').readBody(Buffer.from(JSON.stringify({ usage })));
      if (reading.usage === null) return;
      for (const [bucket, count] of Object.entries(reading.usage)) {
        if (bucket === 'reasoning' || bucket === 'serverTools') continue;
        assert.ok(Number.isSafeInteger(count) && (count as number) >= 0, `${bucket} ${count}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test('the provider’s own cost is exact decimal text, however it is spelled', () => {
  const spelled: readonly (readonly [Fields, string | null])[] = [
    [{ cost: 0.00014 }, '0.00014'],
    [{ cost: 1.5e-7 }, '0.00000015'],
    [{ cost: 1e-9 }, '0.000000001'],
    [{ cost: 0 }, '0'],
    [{ cost: 12.5 }, '12.5'],
    [{ cost: { input_tokens_cost: 0.001, total_cost: 0.006 } }, '0.006'],
    [{ estimated_cost: 0.0000268 }, '0.0000268'],
    [{ cost_in_usd_ticks: 37_756_000 }, '0.0037756'],
    [{ cost_in_usd_ticks: 10_000_000_000 }, '1'],
    [{ cost_in_usd_ticks: -1 }, null],
    [{ cost: -1 }, null],
    [{ cost: '0.1' }, null],
    [{ cost: null }, null],
    [{}, null],
  ];
  for (const [usage, expected] of spelled) assert.equal(reportedCostUsd(usage), expected, JSON.stringify(usage));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (value) => {
      const text = decimal(value)!;
      assert.match(text, /^\d+(\.\d+)?$/);
      assert.equal(Number(text), Math.abs(value));
    }),
  );
});
