/** Golden answers of `anthropic-messages`. */
import { goldens, pieces, TEXT } from './golden.ts';

const MODEL = 'claude-sonnet-4-6';
const ID = 'msg_01GoldenWeighbridge';

type Fields = Record<string, unknown>;

const frame = (event: unknown): string => `event: ${(event as Fields).type}\ndata: ${JSON.stringify(event)}\n\n`;
const PING = { type: 'ping' };
const STOP = { type: 'message_stop' };

const noCache = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
const created = (ephemeral_5m_input_tokens: number, ephemeral_1h_input_tokens: number): Fields => ({
  cache_creation_input_tokens: ephemeral_5m_input_tokens + ephemeral_1h_input_tokens,
  cache_creation: { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens },
});

function message(usage: Fields | null, more: Fields = {}): Fields {
  const head = { id: ID, type: 'message', role: 'assistant', model: MODEL, content: [] };
  return { ...head, stop_reason: null, stop_sequence: null, ...(usage === null ? {} : { usage }), ...more };
}

const start = (usage: Fields | null, more: Fields = {}): Fields => ({
  type: 'message_start',
  message: message(usage, more),
});
const end = (stop_reason: string | null, usage: Fields | null, more: Fields = {}): Fields => ({
  type: 'message_delta',
  delta: { stop_reason, stop_sequence: null, ...more },
  ...(usage === null ? {} : { usage }),
});
const block = (index: number, content_block: Fields, deltas: readonly Fields[]): Fields[] => [
  { type: 'content_block_start', index, content_block },
  ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
];
const text = (index: number, whole = TEXT): Fields[] =>
  block(
    index,
    { type: 'text', text: '' },
    pieces(whole).map((piece) => ({ type: 'text_delta', text: piece })),
  );
const said = (whole = TEXT): Fields => ({ type: 'text', text: whole });

const HIT = { input_tokens: 12, ...noCache, cache_read_input_tokens: 2048, service_tier: 'standard' };
const WRITE_5M = { input_tokens: 9, cache_read_input_tokens: 0, ...created(1500, 0) };
const WRITE_1H = { input_tokens: 9, cache_read_input_tokens: 64, ...created(300, 1200) };
const LONG = { input_tokens: 187_654, ...noCache, cache_read_input_tokens: 512_000, service_tier: 'priority' };
const SEARCH = { web_search_requests: 2, web_fetch_requests: 1 };
const TURNS = [
  { type: 'message', input_tokens: 300, output_tokens: 40, ...noCache },
  { type: 'message', input_tokens: 2200, output_tokens: 160, ...noCache, cache_read_input_tokens: 100 },
];
const COMPACTED = [
  { type: 'compaction', input_tokens: 180_000, output_tokens: 3500, ...noCache, cache_read_input_tokens: 700 },
  { type: 'message', input_tokens: 23_000, output_tokens: 1000, ...noCache },
];
const ADVISED = [
  { type: 'message', input_tokens: 412, output_tokens: 89, ...noCache },
  { type: 'advisor_message', model: 'claude-opus-5', input_tokens: 823, output_tokens: 1612, ...noCache },
  { type: 'message', input_tokens: 1348, output_tokens: 442, ...noCache, cache_read_input_tokens: 412 },
];
const DECLINED = [
  { type: 'message', model: MODEL, input_tokens: 1000, output_tokens: 0, ...noCache },
  { type: 'fallback_message', model: 'claude-opus-4-8', input_tokens: 950, output_tokens: 77, ...noCache },
];
const COMPACTED_USAGE = { input_tokens: 23_000, output_tokens: 1000, ...noCache, iterations: COMPACTED };
const ADVISED_USAGE = {
  input_tokens: 1760,
  output_tokens: 531,
  ...noCache,
  cache_read_input_tokens: 412,
  iterations: ADVISED,
};
const FALLBACK_USAGE = { input_tokens: 950, output_tokens: 77, ...noCache, iterations: DECLINED };

export const ANTHROPIC = goldens(
  'anthropic-messages',
  '/v1/messages',
  frame,
  { stopReason: 'end_turn', servedModel: MODEL, responseId: ID },
  {
    'a cache hit': {
      events: [
        start({ ...HIT, output_tokens: 1 }),
        ...text(0),
        PING,
        end('end_turn', { ...HIT, output_tokens: 30 }),
        STOP,
      ],
      body: message({ ...HIT, output_tokens: 30 }, { content: [said()], stop_reason: 'end_turn' }),
      usage: { input: 12, cacheRead: 2048, output: 30 },
      expected: { serviceTier: 'standard' },
    },
    'a cache write for five minutes': {
      events: [start({ ...WRITE_5M, output_tokens: 2 }), ...text(0), end('end_turn', { output_tokens: 25 }), STOP],
      body: message({ ...WRITE_5M, output_tokens: 25 }, { content: [said()], stop_reason: 'end_turn' }),
      usage: { input: 9, cacheWrite: 1500, output: 25 },
      expected: {},
    },
    'cache writes for five minutes and for an hour': {
      events: [
        start({ ...WRITE_1H, output_tokens: 2 }),
        ...text(0),
        end('end_turn', {
          input_tokens: 9,
          cache_creation_input_tokens: 1500,
          cache_read_input_tokens: 64,
          output_tokens: 26,
        }),
        STOP,
      ],
      body: message({ ...WRITE_1H, output_tokens: 26 }, { content: [said()], stop_reason: 'end_turn' }),
      usage: { input: 9, cacheRead: 64, cacheWrite: 300, cacheWrite1h: 1200, output: 26 },
      expected: {},
    },
    'a cache write that does not say for how long': {
      events: [
        start({ input_tokens: 9, cache_creation_input_tokens: 700, output_tokens: 1 }),
        end('end_turn', { output_tokens: 4 }),
        STOP,
      ],
      usage: { input: 9, cacheWrite: 700, output: 4 },
      expected: {},
    },
    reasoning: {
      events: [
        start({ input_tokens: 40, ...noCache, output_tokens: 3 }),
        ...block(0, { type: 'thinking', thinking: '', signature: '' }, [
          ...pieces('First, weigh it.').map((thinking) => ({ type: 'thinking_delta', thinking })),
          { type: 'signature_delta', signature: 'RXhhbXBsZQ==' },
        ]),
        ...text(1),
        end('end_turn', { output_tokens: 900, output_tokens_details: { thinking_tokens: 860 } }),
        STOP,
      ],
      body: message(
        { input_tokens: 40, ...noCache, output_tokens: 900, output_tokens_details: { thinking_tokens: 860 } },
        { content: [{ type: 'thinking', thinking: 'First, weigh it.' }, said()], stop_reason: 'end_turn' },
      ),
      usage: { input: 40, output: 900, reasoning: 860 },
      expected: {},
    },
    'a call of the caller’s tool': {
      events: [
        start({ input_tokens: 472, ...noCache, output_tokens: 2 }),
        ...text(0, 'Let me look.'),
        ...block(1, { type: 'tool_use', id: 'toolu_1', name: 'weigh', input: {} }, [
          { type: 'input_json_delta', partial_json: '' },
          ...pieces('{"scale": "A \\"7\\"", "kg": 12}').map((partial_json) => ({
            type: 'input_json_delta',
            partial_json,
          })),
        ]),
        end('tool_use', { output_tokens: 89 }),
        STOP,
      ],
      body: message(
        { input_tokens: 472, ...noCache, output_tokens: 89 },
        {
          content: [
            said('Let me look.'),
            { type: 'tool_use', id: 'toolu_1', name: 'weigh', input: { scale: 'A "7"', kg: 12 } },
          ],
          stop_reason: 'tool_use',
        },
      ),
      usage: { input: 472, output: 89 },
      expected: { stopReason: 'tool_use' },
    },
    'a refusal': {
      events: [
        start({ input_tokens: 564, ...noCache, output_tokens: 1 }),
        ...text(0, 'I can'),
        end('refusal', { output_tokens: 22 }),
        STOP,
      ],
      body: message({ input_tokens: 564, ...noCache, output_tokens: 22 }, { content: [], stop_reason: 'refusal' }),
      usage: { input: 564, output: 22 },
      expected: { stopReason: 'refusal' },
    },
    'an error in the middle': {
      events: [
        start({ input_tokens: 25, ...noCache, output_tokens: 1 }),
        ...text(0, 'Half an').slice(0, -1),
        { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      ],
      usage: { input: 25, output: 1 },
      expected: { stopReason: null, errorKind: 'provider_error', end: 'error', isWhole: false },
    },
    'an error in place of an answer': {
      events: [{ type: 'error', error: { type: 'api_error', message: 'Internal server error' } }],
      body: { type: 'error', error: { type: 'api_error', message: 'Internal server error' }, request_id: 'req_1' },
      usage: null,
      expected: { stopReason: null, servedModel: null, responseId: null, errorKind: 'provider_error', end: 'error' },
    },
    'no usage': {
      events: [start(null), ...text(0), end('end_turn', null), STOP],
      body: message(null, { content: [said()], stop_reason: 'end_turn' }),
      usage: null,
      expected: {},
    },
    'a usage that comes twice, grows, and loses fields': {
      events: [
        start({ ...HIT, output_tokens: 1 }),
        ...text(0),
        end(null, { output_tokens: 12 }),
        end('end_turn', { ...HIT, output_tokens: 30 }),
        end(null, { output_tokens: 30 }),
        STOP,
      ],
      usage: { input: 12, cacheRead: 2048, output: 30 },
      expected: { serviceTier: 'standard' },
    },
    'a usage that goes down': {
      events: [
        start({ ...HIT, output_tokens: 1 }),
        ...text(0),
        end('end_turn', { input_tokens: 0, ...noCache, output_tokens: 30 }),
        STOP,
      ],
      usage: { input: 12, cacheRead: 2048, output: 30 },
      expected: { serviceTier: 'standard', anomaly: 'usage_decreased' },
    },
    'a beginning that is repeated': {
      events: [
        start({ ...HIT, output_tokens: 1 }),
        start({ ...HIT, output_tokens: 1 }),
        ...text(0),
        end('end_turn', { output_tokens: 30 }),
        STOP,
      ],
      usage: { input: 12, cacheRead: 2048, output: 30 },
      expected: { serviceTier: 'standard' },
    },
    'a beginning without a count that another is spliced after': {
      events: [
        start({ input_tokens: 0, output_tokens: 0 }),
        ...text(0, 'Proxied.'),
        start({ ...WRITE_1H, output_tokens: 1 }, { id: 'msg_other' }),
        ...text(1),
        end('end_turn', { output_tokens: 31 }),
        STOP,
      ],
      usage: { input: 9, cacheRead: 64, cacheWrite: 300, cacheWrite1h: 1200, output: 31 },
      expected: {},
    },
    'the provider’s own tools, in a loop': {
      events: [
        start({ input_tokens: 300, ...noCache, output_tokens: 1 }),
        ...block(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }, [
          { type: 'input_json_delta', partial_json: '{"query":"weighbridge"}' },
        ]),
        ...block(1, { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }, []),
        ...text(2),
        end('end_turn', {
          input_tokens: 2500,
          ...noCache,
          cache_read_input_tokens: 100,
          output_tokens: 200,
          server_tool_use: SEARCH,
          iterations: TURNS,
        }),
        STOP,
      ],
      body: message(
        {
          input_tokens: 2500,
          ...noCache,
          cache_read_input_tokens: 100,
          output_tokens: 200,
          server_tool_use: SEARCH,
          iterations: TURNS,
        },
        { content: [said()], stop_reason: 'end_turn' },
      ),
      usage: { input: 2500, cacheRead: 100, output: 200, serverTools: { web_search: 2, web_fetch: 1 } },
      expected: {},
    },
    'a compaction on the server': {
      events: [
        start({ input_tokens: 180_000, ...noCache, output_tokens: 1 }, {}),
        ...block(0, { type: 'compaction', content: null }, [{ type: 'compaction_delta', content: 'A summary.' }]),
        ...text(1),
        end('end_turn', COMPACTED_USAGE),
        STOP,
      ],
      body: message(COMPACTED_USAGE, { content: [said()], stop_reason: 'end_turn' }),
      usage: { input: 203_000, cacheRead: 700, output: 4500 },
      expected: {},
    },
    'an advisor of another model': {
      events: [
        start({ input_tokens: 412, ...noCache, output_tokens: 1 }),
        ...text(0),
        end('end_turn', ADVISED_USAGE),
        STOP,
      ],
      body: message(ADVISED_USAGE, { content: [said()], stop_reason: 'end_turn' }),
      usage: { input: 1760 + 823, cacheRead: 412, output: 531 + 1612 },
      expected: {
        otherModels: [
          {
            model: 'claude-opus-5',
            usage: {
              input: 823,
              output: 1612,
              cacheRead: 0,
              cacheWrite: 0,
              cacheWrite1h: 0,
              reasoning: null,
              audioInput: 0,
              audioOutput: 0,
              imageInput: 0,
              imageOutput: 0,
              serverTools: {},
              total: 2435,
            },
          },
        ],
      },
    },
    'a fallback to another model': {
      events: [
        start({ input_tokens: 1000, ...noCache, output_tokens: 1 }),
        ...block(0, { type: 'fallback', from: { model: MODEL }, to: { model: 'claude-opus-4-8' } }, []),
        ...text(1),
        end('end_turn', FALLBACK_USAGE),
        STOP,
      ],
      body: message(FALLBACK_USAGE, { content: [said()], stop_reason: 'end_turn', model: 'claude-opus-4-8' }),
      usage: { input: 950, output: 77 },
      expected: { servedModel: 'claude-opus-4-8' },
    },
    'a long context, cut at its limit': {
      events: [start({ ...LONG, output_tokens: 1 }), ...text(0), end('max_tokens', { output_tokens: 64_000 }), STOP],
      body: message({ ...LONG, output_tokens: 64_000 }, { content: [said()], stop_reason: 'max_tokens' }),
      usage: { input: 187_654, cacheRead: 512_000, output: 64_000 },
      expected: { stopReason: 'max_tokens', serviceTier: 'priority' },
    },
    'the fast mode': {
      events: [
        start({ input_tokens: 5, output_tokens: 1, service_tier: 'standard', speed: 'fast', inference_geo: 'global' }),
        end('end_turn', { output_tokens: 7 }),
        STOP,
      ],
      body: message(
        { input_tokens: 5, output_tokens: 7, service_tier: 'standard', speed: 'fast' },
        { stop_reason: 'end_turn' },
      ),
      usage: { input: 5, output: 7 },
      expected: { serviceTier: 'fast' },
    },
    'an inference in one country': {
      events: [
        start({ input_tokens: 5, output_tokens: 1, service_tier: 'standard', inference_geo: 'us' }),
        end('end_turn', { output_tokens: 7 }),
        STOP,
      ],
      body: message(
        { input_tokens: 5, output_tokens: 7, service_tier: 'standard', inference_geo: 'us' },
        { stop_reason: 'end_turn' },
      ),
      usage: { input: 5, output: 7 },
      expected: { serviceTier: 'us-inference' },
    },
    'the fast mode in one country': {
      events: [
        start({ input_tokens: 5, output_tokens: 1, speed: 'fast', inference_geo: 'us' }),
        end('end_turn', { output_tokens: 7 }),
        STOP,
      ],
      usage: { input: 5, output: 7 },
      expected: { serviceTier: 'fast+us-inference' },
    },
    'an impossible count': {
      events: [start({ input_tokens: 5, output_tokens: 1 }), end('end_turn', { output_tokens: 1_000_000_001 }), STOP],
      usage: { input: 5, output: 1 },
      expected: { anomaly: 'usage_malformed', isWhole: false },
    },
    'more than eight kibibytes': {
      events: [
        start({ ...HIT, output_tokens: 1 }),
        ...text(0, TEXT.repeat(20)),
        end('end_turn', { ...HIT, output_tokens: 360 }),
        STOP,
      ],
      body: message({ ...HIT, output_tokens: 360 }, { content: [said(TEXT.repeat(20))], stop_reason: 'end_turn' }),
      usage: { input: 12, cacheRead: 2048, output: 360 },
      expected: { serviceTier: 'standard' },
    },
  },
);
