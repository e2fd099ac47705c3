/**
 * Correct answers of a provider, in pieces: the events of a stream, a whole body, heads and chunks around them. What the
 * attacks deform. The counts are worked out here, apart from the code under test.
 */
import type { ExpectedTokens } from '../rig/journal.ts';
import { pick, type Random } from '../rig/random.ts';
import { whole } from './case.ts';

export interface Transcript {
  tokens: ExpectedTokens;
  usage: Record<string, unknown>;
  /** In order; the one with the usage is `events.at(-2)`, the last is `[DONE]`. */
  events: Buffer[];
  body: Buffer;
}

const WORDS = ['plain ', 'naïve ', '東京 ', '🜁🜂 ', '\\"quoted\\" ', '\u2028', 'data: [DONE] ', '"usage":{} '];

export function transcriptOf(random: Random, model: string): Transcript {
  const tokens = {
    input: whole(random, 1, 9_999),
    output: whole(random, 1, 9_999),
    cacheRead: whole(random, 0, 500),
    reasoning: 0,
  };
  tokens.reasoning = whole(random, 0, tokens.output);
  const prompt = tokens.input + tokens.cacheRead;
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: tokens.output,
    total_tokens: prompt + tokens.output,
    prompt_tokens_details: { cached_tokens: tokens.cacheRead },
    completion_tokens_details: { reasoning_tokens: tokens.reasoning },
  };
  const words = Array.from({ length: whole(random, 1, 6) }, () => pick(random, WORDS));
  return assembled(model, words, usage, tokens);
}

export function assembled(
  model: string,
  words: readonly string[],
  usage: Record<string, unknown>,
  tokens: ExpectedTokens,
): Transcript {
  const common = { id: `chatcmpl-${model}`, created: 1_700_000_000, model };
  const chunk = (rest: object): Buffer =>
    event(JSON.stringify({ ...common, object: 'chat.completion.chunk', ...rest }));
  const choice = (delta: object, finish_reason: string | null): Buffer =>
    chunk({ choices: [{ index: 0, delta, finish_reason }] });
  const events = [
    choice({ role: 'assistant', content: '' }, null),
    ...words.map((content) => choice({ content }, null)),
    choice({}, 'stop'),
    chunk({ choices: [], usage }),
    event('[DONE]'),
  ];
  const message = { role: 'assistant', content: words.join('') };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  const body = Buffer.from(JSON.stringify({ ...common, object: 'chat.completion', choices, usage }));
  return { tokens, usage, events, body };
}

export function event(data: string): Buffer {
  return Buffer.from(`data: ${data}\n\n`);
}

export function headOf(status: number, ...headers: string[]): Buffer {
  return Buffer.from([`HTTP/1.1 ${status} Some Words`, ...headers, '', ''].join('\r\n'), 'latin1');
}

export const STREAM_HEAD = headOf(200, 'content-type: text/event-stream', 'transfer-encoding: chunked');
export const LAST_CHUNK = '0\r\n\r\n';

export function chunked(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** A body with its length declared. */
export function framed(body: Buffer, ...headers: string[]): Buffer {
  const type = headers.some((header) => header.startsWith('content-type')) ? [] : ['content-type: application/json'];
  return Buffer.concat([headOf(200, ...type, ...headers, `content-length: ${body.length}`), body]);
}

/** A whole stream as one write. */
export function streamed(events: readonly Buffer[], ...headers: string[]): Buffer {
  const head = headers.length === 0 ? STREAM_HEAD : headOf(200, ...headers, 'transfer-encoding: chunked');
  return Buffer.concat([head, ...events.map(chunked), Buffer.from(LAST_CHUNK)]);
}
