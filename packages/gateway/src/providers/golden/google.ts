/** Golden answers of `google-generate`. Their streams end with their connection: no frame says so. */
import { type Draft, type Expected, goldens, pieces, TEXT } from './golden.ts';

const MODEL = 'gemini-3-pro-001';
const ID = 'goldenWeighbridge-responseId';

type Fields = Record<string, unknown>;

const frame = (event: unknown): string => `data: ${JSON.stringify(event)}\r\n\r\n`;

function metadata(prompt: number, candidates: number | null, more: Fields = {}): Fields {
  const { toolUsePromptTokenCount = 0, thoughtsTokenCount = 0 } = more as Record<string, number>;
  return {
    promptTokenCount: prompt,
    ...(candidates === null ? {} : { candidatesTokenCount: candidates }),
    totalTokenCount: prompt + (candidates ?? 0) + toolUsePromptTokenCount + thoughtsTokenCount,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
    ...more,
  };
}

function chunk(parts: readonly Fields[] | null, usageMetadata: Fields | null, finishReason?: string): Fields {
  const content = { parts: parts ?? [], role: 'model' };
  return {
    candidates: [{ content, ...(finishReason === undefined ? {} : { finishReason }), index: 0 }],
    ...(usageMetadata === null ? {} : { usageMetadata }),
    modelVersion: MODEL,
    responseId: ID,
  };
}

const texts = (whole = TEXT): Fields[][] => pieces(whole).map((text) => [{ text }]);

/** A stream whose chunks count up to the last, and the same as one body. */
function answered(
  contents: readonly (readonly Fields[])[],
  last: Fields,
  usage: Draft['usage'],
  expected: Partial<Omit<Expected, 'usage'>> = {},
  finishReason = 'STOP',
): Draft {
  const prompt = last.promptTokenCount as number;
  const growing = contents.map((parts, index) => chunk(parts, metadata(prompt, index === 0 ? null : index)));
  const whole = chunk(contents.flat(), last, finishReason);
  return { events: [...growing, chunk([{ text: '' }], last, finishReason)], body: whole, usage, expected };
}

function numbered(draft: Draft, finishReason: number): Draft {
  const set = (event: Fields): Fields => ({
    ...event,
    candidates: (event.candidates as Fields[]).map((candidate) =>
      'finishReason' in candidate ? { ...candidate, finishReason } : candidate,
    ),
  });
  return { ...draft, events: draft.events.map((event) => set(event as Fields)), body: set(draft.body as Fields) };
}

const grounded = (webSearchQueries: readonly string[]): Fields => ({
  groundingMetadata: { webSearchQueries, groundingChunks: [] },
});

function withGrounding(draft: Draft, queries: readonly string[]): Draft {
  const add = (event: Fields): Fields => ({
    ...event,
    candidates: (event.candidates as Fields[]).map((candidate) => ({ ...candidate, ...grounded(queries) })),
  });
  const events = draft.events.map((event, index) => (index === draft.events.length - 1 ? add(event as Fields) : event));
  return { ...draft, events, body: add(draft.body as Fields) };
}

const failure = { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } };

export const GOOGLE = goldens(
  'google-generate',
  `/models/${MODEL}:streamGenerateContent?alt=sse`,
  frame,
  { stopReason: 'STOP', servedModel: MODEL, responseId: ID, end: 'open' },
  {
    'a plain answer': answered(texts(), metadata(8, 30), { input: 8, output: 30 }),
    'a cache hit': answered(
      texts(),
      metadata(2106, 30, {
        cachedContentTokenCount: 2048,
        cacheTokensDetails: [{ modality: 'TEXT', tokenCount: 2048 }],
      }),
      { input: 58, cacheRead: 2048, output: 30 },
    ),
    reasoning: answered(
      [[{ text: 'First, weigh it.', thought: true }], ...texts()],
      metadata(20, 198, { thoughtsTokenCount: 405 }),
      { input: 20, output: 603, reasoning: 405 },
    ),
    'reasoning and no answer': answered(
      [[{ text: 'First, weigh it.', thought: true }]],
      metadata(21, null, { thoughtsTokenCount: 60 }),
      { input: 21, output: 60, reasoning: 60 },
      { stopReason: 'MAX_TOKENS' },
      'MAX_TOKENS',
    ),
    'a call of the caller’s tool': answered(
      [[{ functionCall: { name: 'weigh', args: { scale: 'A', kg: 12 } }, thoughtSignature: 'RXhhbXBsZQ==' }]],
      metadata(97, 18),
      { input: 97, output: 18 },
    ),
    'a refused prompt': {
      events: [
        {
          promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
          usageMetadata: metadata(44, null),
          modelVersion: MODEL,
          responseId: ID,
        },
      ],
      body: {
        promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
        usageMetadata: metadata(44, null),
        modelVersion: MODEL,
        responseId: ID,
      },
      usage: { input: 44 },
      expected: { stopReason: 'PROHIBITED_CONTENT' },
    },
    'an answer stopped for safety': answered(
      texts('It begins'),
      metadata(44, 5),
      { input: 44, output: 5 },
      { stopReason: 'SAFETY' },
      'SAFETY',
    ),
    'an error in the middle': {
      events: [chunk([{ text: 'Half an' }], metadata(25, 2)), failure],
      usage: { input: 25, output: 2 },
      expected: { stopReason: null, errorKind: 'provider_error', end: 'error', isWhole: false },
    },
    'an error in place of an answer': {
      events: [failure],
      body: failure,
      usage: null,
      expected: { stopReason: null, servedModel: null, responseId: null, errorKind: 'provider_error', end: 'error' },
    },
    'no usage': {
      events: [chunk([{ text: 'Hello' }], null), chunk([{ text: '' }], null, 'STOP')],
      body: chunk([{ text: 'Hello' }], null, 'STOP'),
      usage: null,
      expected: {},
    },
    'a usage in every chunk that loses fields': {
      events: [
        chunk([{ text: 'One' }], metadata(300, 1, { cachedContentTokenCount: 256 })),
        chunk([{ text: 'Two' }], metadata(300, 2)),
        chunk([{ text: '' }], metadata(300, 3), 'STOP'),
        chunk([{ text: '' }], { promptTokenCount: 300, totalTokenCount: 303 }, 'STOP'),
      ],
      usage: { input: 44, cacheRead: 256, output: 3 },
      expected: {},
    },
    'a usage that goes down': {
      events: [
        chunk([{ text: 'One' }], metadata(300, 9)),
        chunk([{ text: '' }], { promptTokenCount: 300, candidatesTokenCount: 3, totalTokenCount: 309 }, 'STOP'),
      ],
      usage: { input: 300, output: 9 },
      expected: { anomaly: 'usage_decreased' },
    },
    'a prompt that was guessed too high until the last chunk': {
      events: [
        chunk([{ text: 'One' }], { promptTokenCount: 169, totalTokenCount: 169 }),
        chunk([{ text: '' }], metadata(79, 12), 'STOP'),
      ],
      usage: { input: 79, output: 12 },
      expected: {},
    },
    'enumerations as numbers': numbered(
      answered(
        texts(),
        metadata(100, 20, {
          promptTokensDetails: [
            { modality: 1, tokenCount: 60 },
            { modality: 4, tokenCount: 40 },
          ],
          trafficType: 1,
        }),
        { input: 100, output: 20, audioInput: 40 },
        { stopReason: 'MAX_TOKENS', serviceTier: 'ON_DEMAND' },
      ),
      2,
    ),
    'the provider’s own search': withGrounding(
      answered(texts(), metadata(10, 120, { toolUsePromptTokenCount: 3300, thoughtsTokenCount: 70 }), {
        input: 3310,
        output: 190,
        reasoning: 70,
        serverTools: { web_search: 2 },
      }),
      ['weighbridge', 'weighbridge accuracy'],
    ),
    'an older total with the tools’ share inside the prompt': answered(
      texts(),
      { promptTokenCount: 3310, toolUsePromptTokenCount: 3300, candidatesTokenCount: 120, totalTokenCount: 3430 },
      { input: 3310, output: 120 },
    ),
    'sound and pictures': answered(
      [[{ inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }]],
      metadata(1000, 1300, {
        cachedContentTokenCount: 300,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 142 },
          { modality: 'IMAGE', tokenCount: 258 },
          { modality: 'AUDIO', tokenCount: 600 },
        ],
        cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 300 }],
        candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }],
      }),
      { input: 700, cacheRead: 300, output: 1300, audioInput: 300, imageInput: 258, imageOutput: 1290 },
    ),
    'a long context in Vertex’s slower tier': {
      events: [
        { ...chunk([{ text: 'Long' }], { trafficType: 'ON_DEMAND_FLEX' }) },
        chunk([{ text: '' }], metadata(1_000_000, 8192, { trafficType: 'ON_DEMAND_FLEX' }), 'MAX_TOKENS'),
      ],
      body: chunk([{ text: 'Long' }], metadata(1_000_000, 8192, { trafficType: 'ON_DEMAND_FLEX' }), 'MAX_TOKENS'),
      usage: { input: 1_000_000, output: 8192 },
      expected: { stopReason: 'MAX_TOKENS', serviceTier: 'ON_DEMAND_FLEX' },
    },
    'a response inside a response': {
      events: [{ response: chunk([{ text: 'Hi' }], metadata(8, 1)) }, { response: chunk([], metadata(8, 2), 'STOP') }],
      body: { response: chunk([{ text: 'Hi' }], metadata(8, 2), 'STOP') },
      usage: { input: 8, output: 2 },
      expected: {},
    },
    'more than eight kibibytes': answered(texts(TEXT.repeat(9)), metadata(8, 480), { input: 8, output: 480 }),
  },
);
