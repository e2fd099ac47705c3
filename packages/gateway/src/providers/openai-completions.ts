/**
 * The `openai-completions` dialect: chat completions as OpenAI defined them and some thirty vendors speak them. This
 * file only puts the two sides together; what differs between vendors is read tolerantly in openai-usage.ts.
 */
import type { RequestMaker } from './dialect.ts';
import { estimatePrompt } from './estimate.ts';
import { ChatStreamReader, readChatBody } from './openai-answer.ts';
import { encodeChat, leadingMessage } from './openai-request.ts';
import type { AnswerReader } from './reading.ts';

/** An error text is searched only this far. */
const ERROR_BYTES_MAX = 64 * 1024;

export const openaiCompletions = {
  api: 'openai-completions',
  pathTo: () => '/chat/completions',
  callersHeaders: [],
  leadingMessage,
  encode: encodeChat,
  streamReader: () => new ChatStreamReader(),
  readBody: readChatBody,
  lastWord: Buffer.from('data: [DONE]\n\n'),
  refusesUsageQuestion(status: number, body: Buffer): boolean {
    if (status !== 400 && status !== 422) return false;
    const text = body.toString('latin1', 0, Math.min(body.length, ERROR_BYTES_MAX));
    return text.includes('stream_options') || text.includes('include_usage');
  },
  estimatePrompt: (body: Buffer) => estimatePrompt('openai-completions', body),
} as const satisfies AnswerReader & RequestMaker;
