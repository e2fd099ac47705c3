/**
 * The official clients, unmodified, behind one form: what a program does with them (a whole answer, a stream, the client's own
 * gathering of a stream, its own tool loop), and what they show of usage, put into our buckets by each vendor's definition.
 * No gateway code is used here. The address decides whether the vendor or a gateway answers.
 */
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, type CallableTool, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

export interface Address {
  /** The client's base URL, as its own setting takes it. */
  url: string;
  key: string;
  /** Where it is asked for by another name. */
  model?: string;
}

export interface Asking {
  signal?: AbortSignal;
  /** How often the client itself tries again. */
  retries?: number;
}

/** The buckets that a client can show. */
export interface ShownUsage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
}

type ErrorClass = abstract new (...args: never[]) => Error;

export interface SdkWay {
  name: string;
  api: 'openai-completions' | 'openai-responses' | 'anthropic-messages' | 'google-generate';
  /** Of `/proxy/<provider>`. */
  provider: string;
  /** What a base URL of the vendor's ends with. */
  basePath: string;
  /** What the URL of its calls has, and no other's. */
  path: string;
  whole(at: Address, asking?: Asking): Promise<unknown>;
  stream(at: Address, asking?: Asking): Promise<AsyncIterable<unknown>>;
  /** The stream as the client itself puts it together; null: it has no such thing. */
  gathered: ((at: Address) => Promise<unknown>) | null;
  /** The model calls `weigh`, is told the weight, and answers. */
  toolLoop(at: Address, isStreamed: boolean): Promise<unknown>;
  /** Of the last word that has it: a whole answer, or one of a stream's events. */
  usageOf(shown: unknown): ShownUsage | null;
  errorClass: ErrorClass;
  /** The client's own, where a status has one. */
  errorClasses: Readonly<Partial<Record<number, ErrorClass>>>;
  abortClass: ErrorClass;
  /** How a program can leave a stream so that its connection is closed. */
  leaves: readonly ('abort' | 'break')[];
}

const MODEL = 'golden-1';
const QUESTION = 'How heavy is it?';
const PARAMETERS = { type: 'object' as const, properties: { scale: { type: 'string' } } };
const WEIGHT = '{"kg":12}';

function openai({ url, key }: Address, { retries = 0 }: Asking = {}): OpenAI {
  return new OpenAI({ apiKey: key, baseURL: url, maxRetries: retries });
}

const named = ({ model = MODEL }: Address) => ({ model });
const asked = ({ signal }: Asking) => (signal === undefined ? {} : { signal });

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const gathered: Item[] = [];
  for await (const item of items) gathered.push(item);
  return gathered;
}

const openaiErrors = {
  errorClass: OpenAI.APIError,
  abortClass: OpenAI.APIUserAbortError,
  errorClasses: {
    400: OpenAI.BadRequestError,
    401: OpenAI.AuthenticationError,
    403: OpenAI.PermissionDeniedError,
    404: OpenAI.NotFoundError,
    409: OpenAI.ConflictError,
    422: OpenAI.UnprocessableEntityError,
    429: OpenAI.RateLimitError,
    500: OpenAI.InternalServerError,
    503: OpenAI.InternalServerError,
  },
  leaves: ['abort', 'break'],
} as const;

const chatTool = { type: 'function' as const, function: { name: 'weigh', parameters: { ...PARAMETERS } } };
const chat = { model: MODEL, messages: [{ role: 'user' as const, content: QUESTION }], tools: [chatTool] };
const counting = { stream_options: { include_usage: true } };

const COMPLETIONS: SdkWay = {
  name: 'openai, chat completions',
  api: 'openai-completions',
  provider: 'openai',
  basePath: '/v1',
  path: '/chat/completions',
  whole: (at, asking = {}) => openai(at, asking).chat.completions.create({ ...chat, ...named(at) }, asked(asking)),
  stream: (at, asking = {}) =>
    openai(at, asking).chat.completions.create({ ...chat, ...named(at), ...counting, stream: true }, asked(asking)),
  gathered: (at) =>
    openai(at)
      .chat.completions.stream({ ...chat, ...named(at), ...counting })
      .finalChatCompletion(),
  async toolLoop(at, isStreamed) {
    const weigh = {
      ...chatTool,
      function: { ...chatTool.function, parse: JSON.parse, function: () => WEIGHT, description: 'Weighs.' },
    };
    const { completions } = openai(at).chat;
    const runner = isStreamed
      ? completions.runTools({ ...chat, ...named(at), ...counting, tools: [weigh], stream: true })
      : completions.runTools({ ...chat, ...named(at), tools: [weigh] });
    await runner.done();
    return [runner.messages, await runner.finalContent()];
  },
  usageOf(shown) {
    const { usage } = shown as OpenAI.ChatCompletionChunk;
    if (usage == null) return null;
    const details = (usage.prompt_tokens_details ?? {}) as { cached_tokens?: number; cache_write_tokens?: number };
    const { cached_tokens: cacheRead = 0, cache_write_tokens: cacheWrite = 0 } = details;
    const input = usage.prompt_tokens - cacheRead - cacheWrite;
    return { input, output: usage.completion_tokens, cacheRead, cacheWrite };
  },
  ...openaiErrors,
};

const responseTool = { type: 'function' as const, name: 'weigh', parameters: { ...PARAMETERS }, strict: false };
const response = { model: MODEL, input: QUESTION, tools: [responseTool] };

const RESPONSES: SdkWay = {
  name: 'openai, responses',
  api: 'openai-responses',
  provider: 'openai',
  basePath: '/v1',
  path: '/responses',
  whole: (at, asking = {}) => openai(at, asking).responses.create({ ...response, ...named(at) }, asked(asking)),
  stream: (at, asking = {}) =>
    openai(at, asking).responses.create({ ...response, ...named(at), stream: true }, asked(asking)),
  gathered: (at) =>
    openai(at)
      .responses.stream({ ...response, ...named(at) })
      .finalResponse(),
  async toolLoop(at, isStreamed) {
    const { responses } = openai(at);
    const ask = async (
      input: OpenAI.Responses.ResponseCreateParams['input'],
      previous?: string,
    ): Promise<OpenAI.Responses.Response> => {
      const params = {
        ...response,
        ...named(at),
        input: input!,
        ...(previous === undefined ? {} : { previous_response_id: previous }),
      };
      if (!isStreamed) return responses.create(params);
      for await (const event of await responses.create({ ...params, stream: true })) {
        if (event.type === 'response.completed') return event.response;
      }
      throw new Error('the stream had no response');
    };
    const first = await ask(QUESTION);
    const outputs = first.output
      .filter((item) => item.type === 'function_call')
      .map(({ call_id }) => ({ type: 'function_call_output' as const, call_id, output: WEIGHT }));
    return [first, await ask(outputs, first.id)];
  },
  usageOf(shown) {
    const usage = ((shown as { response?: OpenAI.Responses.Response }).response ?? (shown as OpenAI.Responses.Response))
      .usage;
    if (usage == null) return null;
    const { cached_tokens: cacheRead, cache_write_tokens: cacheWrite } = usage.input_tokens_details;
    const input = usage.input_tokens - cacheRead - cacheWrite;
    return { input, output: usage.output_tokens, cacheRead, cacheWrite };
  },
  ...openaiErrors,
};

function anthropic({ url, key }: Address, { retries = 0 }: Asking = {}): Anthropic {
  return new Anthropic({ apiKey: key, authToken: null, baseURL: url, maxRetries: retries });
}

const messageTool = { name: 'weigh', description: 'Weighs.', input_schema: { ...PARAMETERS } };
const message = {
  model: MODEL,
  max_tokens: 1024,
  messages: [{ role: 'user' as const, content: QUESTION }],
  tools: [messageTool],
};

const MESSAGES: SdkWay = {
  name: '@anthropic-ai/sdk, messages',
  api: 'anthropic-messages',
  provider: 'anthropic',
  basePath: '',
  path: '/messages',
  whole: (at, asking = {}) => anthropic(at, asking).messages.create({ ...message, ...named(at) }, asked(asking)),
  stream: (at, asking = {}) =>
    anthropic(at, asking).messages.create({ ...message, ...named(at), stream: true }, asked(asking)),
  gathered: (at) =>
    anthropic(at)
      .messages.stream({ ...message, ...named(at) })
      .finalMessage(),
  async toolLoop(at, isStreamed) {
    const weigh = { ...messageTool, run: () => WEIGHT, parse: (input: unknown) => input };
    const params = { ...message, ...named(at), tools: [weigh] };
    const runner = anthropic(at).beta.messages;
    if (!isStreamed) return runner.toolRunner(params).runUntilDone();
    return runner.toolRunner({ ...params, stream: true }).runUntilDone();
  },
  usageOf(shown) {
    // A stream's `message_start` has its message's; `message_delta` and a whole answer their own.
    const { usage } = ((shown as { message?: object }).message ?? shown) as { usage?: Partial<Anthropic.Usage> };
    if (usage == null) return null;
    return {
      input: usage.input_tokens ?? 0,
      output: usage.output_tokens ?? 0,
      cacheRead: usage.cache_read_input_tokens ?? 0,
      cacheWrite: usage.cache_creation_input_tokens ?? 0,
    };
  },
  errorClass: Anthropic.APIError,
  abortClass: Anthropic.APIUserAbortError,
  errorClasses: {
    400: Anthropic.BadRequestError,
    401: Anthropic.AuthenticationError,
    403: Anthropic.PermissionDeniedError,
    404: Anthropic.NotFoundError,
    409: Anthropic.ConflictError,
    422: Anthropic.UnprocessableEntityError,
    429: Anthropic.RateLimitError,
    500: Anthropic.InternalServerError,
    503: Anthropic.ServiceUnavailableError,
    529: Anthropic.OverloadedError,
  },
  leaves: ['abort', 'break'],
};

function google({ url, key }: Address, { retries = 0 }: Asking = {}) {
  const httpOptions = {
    baseUrl: url,
    ...(retries === 0 ? {} : { retryOptions: { attempts: retries + 1, initialDelay: 0.001, maxDelay: 0.001 } }),
  };
  return new GoogleGenAI({ apiKey: key, vertexai: false, httpOptions }).models;
}

const declarations = [{ name: 'weigh', parametersJsonSchema: { ...PARAMETERS } }];
const content = (asking: Asking) => ({
  model: MODEL,
  contents: QUESTION,
  config: {
    tools: [{ functionDeclarations: declarations }],
    ...(asking.signal === undefined ? {} : { abortSignal: asking.signal }),
  },
});

const GENERATE: SdkWay = {
  name: '@google/genai, generate content',
  api: 'google-generate',
  provider: 'google',
  basePath: '/v1beta',
  path: 'enerateContent',
  whole: (at, asking = {}) => google(at, asking).generateContent(content(asking)),
  stream: (at, asking = {}) => google(at, asking).generateContentStream(content(asking)),
  gathered: null,
  async toolLoop(at, isStreamed) {
    const weigh: CallableTool = {
      tool: async () => ({ functionDeclarations: declarations }),
      callTool: async (calls) => calls.map(({ name }) => ({ functionResponse: { name: name!, response: { kg: 12 } } })),
    };
    const params = { model: MODEL, contents: QUESTION, config: { tools: [weigh] } };
    if (!isStreamed) return google(at).generateContent(params);
    return all(await google(at).generateContentStream(params));
  },
  usageOf(shown) {
    const { usageMetadata: usage } = shown as { usageMetadata?: Record<string, number> };
    if (usage === undefined) return null;
    const { cachedContentTokenCount: cacheRead = 0, thoughtsTokenCount = 0, toolUsePromptTokenCount = 0 } = usage;
    return {
      input: (usage.promptTokenCount ?? 0) + toolUsePromptTokenCount - cacheRead,
      output: (usage.candidatesTokenCount ?? 0) + thoughtsTokenCount,
      cacheRead,
      cacheWrite: 0,
    };
  },
  errorClass: ApiError,
  abortClass: DOMException as unknown as ErrorClass,
  errorClasses: {},
  // Leaving the loop leaves the connection open, unread.
  leaves: ['abort'],
};

export const SDK_WAYS: readonly SdkWay[] = [COMPLETIONS, RESPONSES, MESSAGES, GENERATE];

/** Calls beside the models' answers, with what the vendor would say. */
export interface SideCall {
  name: string;
  provider: string;
  basePath: string;
  answer: object;
  call(at: Address): Promise<unknown>;
  /** Null: passed on uncounted. */
  input: number | null;
}

export const SIDE_CALLS: readonly SideCall[] = [
  {
    name: 'embeddings of openai',
    provider: 'openai',
    basePath: '/v1',
    answer: {
      object: 'list',
      model: 'e-1',
      data: [{ object: 'embedding', index: 0, embedding: [0.5, -1] }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    call: (at) => openai(at).embeddings.create({ model: 'e-1', input: QUESTION, encoding_format: 'float' }),
    input: 8,
  },
  {
    name: 'models of openai',
    provider: 'openai',
    basePath: '/v1',
    answer: { object: 'list', data: [{ id: 'm', object: 'model', created: 1, owned_by: 'o' }] },
    call: async (at) => all(await openai(at).models.list()),
    input: null,
  },
  {
    name: 'a count of tokens of anthropic',
    provider: 'anthropic',
    basePath: '',
    answer: { input_tokens: 14 },
    call: (at) => anthropic(at).messages.countTokens({ model: MODEL, messages: message.messages }),
    input: null,
  },
  {
    name: 'a count of tokens of google',
    provider: 'google',
    basePath: '/v1beta',
    answer: { totalTokens: 14 },
    call: (at) => google(at).countTokens({ model: MODEL, contents: QUESTION }),
    input: null,
  },
];
