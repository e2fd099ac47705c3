/** One short answer in each of the four dialects, streamed and whole, with the usage it is told. Facts of form only. */

export type Dialect = 'openai-completions' | 'openai-responses' | 'anthropic-messages' | 'google-generate';

export interface Answer {
  n: number;
  usage: { input: number; output: number };
  text: string;
  /** Lists the working folder first; in Chat Completions only. */
  callsTool: boolean;
}

const MODEL = 'scripted-1';

export function dialectOf(path: string): Dialect | null {
  if (/\/chat\/completions$/.test(path)) return 'openai-completions';
  if (/\/responses$/.test(path)) return 'openai-responses';
  if (/\/messages(\?|$)/.test(path)) return 'anthropic-messages';
  return /:(streamG|g)enerateContent/.test(path) ? 'google-generate' : null;
}

export function streamOf(dialect: Dialect, answer: Answer): string[] {
  return STREAMS[dialect](answer).map((event) => {
    const type = typeof event === 'object' && 'type' in event ? `event: ${event.type}\n` : '';
    return `${type}data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`;
  });
}

export function wholeOf(dialect: Dialect, answer: Answer): object {
  return WHOLE[dialect](answer);
}

type Event = string | Readonly<Record<string, unknown>>;

const words = (text: string): string[] => text.match(/\S+\s*/g) ?? [];
const chatUsage = ({ usage }: Answer) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
});
const countedUsage = ({ usage }: Answer) => ({ input_tokens: usage.input, output_tokens: usage.output });
const toolCall = (n: number) => ({
  id: `call_${n}`,
  type: 'function',
  function: { name: 'ls', arguments: '{"path":"."}' },
});
const responseOf = (answer: Answer) => ({
  id: `resp_${answer.n}`,
  object: 'response',
  created_at: 1_780_000_000,
  model: MODEL,
  status: 'completed',
  output: [messageItem(answer, [{ type: 'output_text', text: answer.text, annotations: [] }])],
  usage: {
    ...countedUsage(answer),
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: answer.usage.input + answer.usage.output,
  },
});
const messageItem = ({ n }: Answer, content: readonly object[]) => ({
  id: `msg_${n}`,
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content,
});
const messageOf = (answer: Answer, content: readonly object[], stop: string | null, output: number) => ({
  id: `msg_${answer.n}`,
  type: 'message',
  role: 'assistant',
  model: MODEL,
  content,
  stop_reason: stop,
  stop_sequence: null,
  usage: { input_tokens: answer.usage.input, output_tokens: output },
});
const googleOf = (answer: Answer, text: string, isLast: boolean) => ({
  candidates: [
    { content: { role: 'model', parts: [{ text }] }, index: 0, ...(isLast ? { finishReason: 'STOP' } : {}) },
  ],
  modelVersion: MODEL,
  responseId: `g-${answer.n}`,
  usageMetadata: {
    promptTokenCount: answer.usage.input,
    ...(isLast ? { candidatesTokenCount: answer.usage.output } : {}),
    totalTokenCount: answer.usage.input + (isLast ? answer.usage.output : 0),
  },
});

const STREAMS: Readonly<Record<Dialect, (answer: Answer) => Event[]>> = {
  'openai-completions'(answer) {
    const head = { id: `chatcmpl-${answer.n}`, object: 'chat.completion.chunk', created: 1_780_000_000, model: MODEL };
    const chunk = (delta: object, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason }],
    });
    const said = answer.callsTool
      ? [chunk({ role: 'assistant', content: null, tool_calls: [{ index: 0, ...toolCall(answer.n) }] })]
      : [chunk({ role: 'assistant', content: '' }), ...words(answer.text).map((content) => chunk({ content }))];
    const last = chunk({}, answer.callsTool ? 'tool_calls' : 'stop');
    return [...said, last, { ...head, choices: [], usage: chatUsage(answer) }, '[DONE]'];
  },
  'openai-responses'(answer) {
    const response = responseOf(answer);
    const begun = { ...response, status: 'in_progress', output: [], usage: null };
    const place = { item_id: `msg_${answer.n}`, output_index: 0, content_index: 0 };
    const part = { type: 'output_text', text: '', annotations: [] };
    const events = [
      { type: 'response.created', response: begun },
      { type: 'response.output_item.added', output_index: 0, item: messageItem(answer, []) },
      { type: 'response.content_part.added', ...place, part },
      ...words(answer.text).map((delta) => ({ type: 'response.output_text.delta', ...place, delta })),
      { type: 'response.output_text.done', ...place, text: answer.text },
      { type: 'response.content_part.done', ...place, part: { ...part, text: answer.text } },
      { type: 'response.output_item.done', output_index: 0, item: response.output[0] },
      { type: 'response.completed', response },
    ];
    return events.map((event, sequence_number) => ({ ...event, sequence_number }));
  },
  'anthropic-messages'(answer) {
    return [
      { type: 'message_start', message: messageOf(answer, [], null, 1) },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      ...words(answer.text).map((text) => ({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text },
      })),
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: answer.usage.output },
      },
      { type: 'message_stop' },
    ];
  },
  'google-generate'(answer) {
    const all = words(answer.text);
    return all.map((text, index) => googleOf(answer, text, index === all.length - 1));
  },
};

const WHOLE: Readonly<Record<Dialect, (answer: Answer) => object>> = {
  'openai-completions': (answer) => ({
    id: `chatcmpl-${answer.n}`,
    object: 'chat.completion',
    created: 1_780_000_000,
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: answer.text }, finish_reason: 'stop' }],
    usage: chatUsage(answer),
  }),
  'openai-responses': responseOf,
  'anthropic-messages': (answer) =>
    messageOf(answer, [{ type: 'text', text: answer.text }], 'end_turn', answer.usage.output),
  'google-generate': (answer) => googleOf(answer, answer.text, true),
};
