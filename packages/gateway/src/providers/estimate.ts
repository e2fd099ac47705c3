/**
 * Token estimates for what a provider did not count: answers that broke off or came without a count, and their prompts.
 * Each dialect has weights for the kinds of characters, fitted to its vendors' tokenizers; docs/metering.md says how and
 * how far they are off. An estimate is always stored as one and never replaces a number that a provider gave.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';
import type { Api } from '../domain/provider.ts';
import { JsonWatch } from '../lib/json-watch.ts';
import type { TextKind, TextTally } from '../lib/text-tally.ts';

type Weights = Readonly<Record<TextKind, number>>;

/** For bytes that nobody could look into. */
const BYTES_PER_TOKEN = 4;
/** A picture of about 1024 x 1024; other blobs have no better guess. */
const TOKENS_PER_BLOB = 765;

/** Tokens to a character: o200k, OpenAI's since 2024. */
const OPENAI: Weights = {
  letter: 0.246,
  digit: 0.307,
  blank: 0.086,
  sign: 0.614,
  marked: 0.581,
  script: 0.313,
  abjad: 0.369,
  indic: 0.371,
  symbol: 0.657,
  ideograph: 0.841,
  hangul: 0.764,
  astral: 1.5,
};

const ANTHROPIC: Weights = {
  letter: 0.286,
  digit: 0.296,
  blank: 0.075,
  sign: 0.607,
  marked: 1.155,
  script: 0.626,
  abjad: 1.066,
  indic: 1.266,
  symbol: 1.053,
  ideograph: 1.118,
  hangul: 1.362,
  astral: 1.5,
};

/** Gemma 3's, which Google publishes. */
const GOOGLE: Weights = {
  letter: 0.248,
  digit: 0.751,
  blank: 0.077,
  sign: 0.807,
  marked: 0.654,
  script: 0.313,
  abjad: 0.379,
  indic: 0.331,
  symbol: 1.044,
  ideograph: 0.656,
  hangul: 0.736,
  astral: 1.5,
};

const WEIGHTS: Readonly<Record<Api, Weights>> = {
  'openai-completions': OPENAI,
  'openai-responses': OPENAI,
  'anthropic-messages': ANTHROPIC,
  'google-generate': GOOGLE,
};

export function tokensIn(text: TextTally, api: Api): number {
  return Math.ceil(text.weighed(WEIGHTS[api]));
}

export function tokensOfBytes(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

export function estimatedUsage(promptTokens: number, outputTokens: number): Usage {
  return makeUsage({ input: promptTokens, output: outputTokens });
}

/** Prompt tokens of a request's body: its texts, the names in it, its pictures; 0 for what is no JSON. */
export function estimatePrompt(api: Api, body: Buffer): number {
  const watch = new JsonWatch([]);
  watch.push(body);
  return watchedPrompt(api, watch);
}

/** The same of a body that has passed in pieces. */
export function watchedPrompt(api: Api, watch: JsonWatch): number {
  const { text, unseenBytes, blobs } = watch;
  const share = text.bytes === 0 ? 0 : unseenBytes / text.bytes;
  return Math.ceil(tokensIn(text, api) * (1 + share)) + blobs * TOKENS_PER_BLOB;
}
