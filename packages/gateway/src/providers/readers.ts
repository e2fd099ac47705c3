/** Who reads the answers of which dialect. Every dialect can be read; which ones a door can also speak is dialects.ts. */
import type { Api } from '../domain/provider.ts';
import { MessageStreamReader, readMessageBody } from './anthropic-answer.ts';
import { GenerateStreamReader, readGenerateBody } from './google-answer.ts';
import { openaiCompletions } from './openai-completions.ts';
import type { AnswerReader } from './reading.ts';
import { ResponseStreamReader, readResponseBody } from './responses-answer.ts';

const READERS: Readonly<Record<Api, Omit<AnswerReader, 'estimatePrompt'>>> = {
  'openai-completions': openaiCompletions,
  'openai-responses': {
    api: 'openai-responses',
    streamReader: () => new ResponseStreamReader(),
    readBody: readResponseBody,
  },
  'anthropic-messages': {
    api: 'anthropic-messages',
    streamReader: () => new MessageStreamReader(),
    readBody: readMessageBody,
  },
  'google-generate': {
    api: 'google-generate',
    streamReader: () => new GenerateStreamReader(),
    readBody: readGenerateBody,
  },
};

export function readerOf(api: Api): Omit<AnswerReader, 'estimatePrompt'> {
  return READERS[api];
}
