/** Who reads the answers of which dialect. Every dialect can be read; which ones a door can also speak is dialects.ts. */
import type { Api } from '../domain/provider.ts';
import { MessageStreamReader, readMessageBody } from './anthropic-answer.ts';
import { estimatePrompt } from './estimate.ts';
import { GenerateStreamReader, readGenerateBody } from './google-answer.ts';
import { openaiCompletions } from './openai-completions.ts';
import type { AnswerReader } from './reading.ts';
import { ResponseStreamReader, readResponseBody } from './responses-answer.ts';

const MESSAGE_STOP = Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n');

const READERS: Readonly<Record<Api, AnswerReader>> = {
  'openai-completions': openaiCompletions,
  'openai-responses': {
    api: 'openai-responses',
    estimatePrompt: (body) => estimatePrompt('openai-responses', body),
    streamReader: () => new ResponseStreamReader(),
    lastWord: null,
    readBody: readResponseBody,
  },
  'anthropic-messages': {
    api: 'anthropic-messages',
    estimatePrompt: (body) => estimatePrompt('anthropic-messages', body),
    streamReader: () => new MessageStreamReader(),
    lastWord: MESSAGE_STOP,
    readBody: readMessageBody,
  },
  'google-generate': {
    api: 'google-generate',
    estimatePrompt: (body) => estimatePrompt('google-generate', body),
    streamReader: () => new GenerateStreamReader(),
    lastWord: null,
    readBody: readGenerateBody,
  },
};

export function readerOf(api: Api): AnswerReader {
  return READERS[api];
}
