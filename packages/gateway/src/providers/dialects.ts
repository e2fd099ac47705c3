/**
 * Which asks of the doors can be put to providers of which dialect. Config may name any dialect; a pair that is not here
 * is refused with `unsupported_dialect`.
 */
import type { Ask } from '../domain/answer.ts';
import type { Api } from '../domain/provider.ts';
import { CHAT_TO_ANTHROPIC, CHAT_TO_GOOGLE } from './chat/requests.ts';
import { TRANSLATIONS } from './chat/translation.ts';
import type { Dialect, RequestMaker } from './dialect.ts';
import { openaiCompletions } from './openai-completions.ts';
import { COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES } from './other-requests.ts';
import { readerOf } from './readers.ts';

function spoken(api: Api, maker: RequestMaker): Partial<Record<Api, Dialect>> {
  return { [api]: { ...requestsOf(maker), api, reader: readerOf(api), translation: null } };
}

/** By a provider of another dialect than the door's. */
function translated(api: Api, maker: RequestMaker): Partial<Record<Api, Dialect>> {
  return { [api]: { ...requestsOf(maker), api, reader: readerOf(api), translation: TRANSLATIONS[api] ?? null } };
}

/** No more of it than that: a maker may be a reader too. */
function requestsOf({
  pathTo,
  callersHeaders,
  leadingMessage,
  encode,
  refusesUsageQuestion,
}: RequestMaker): RequestMaker {
  return { pathTo, callersHeaders, leadingMessage, encode, refusesUsageQuestion };
}

const DIALECTS: Readonly<Record<Ask, Partial<Record<Api, Dialect>>>> = {
  chat: {
    ...spoken('openai-completions', openaiCompletions),
    ...translated('anthropic-messages', CHAT_TO_ANTHROPIC),
    ...translated('google-generate', CHAT_TO_GOOGLE),
  },
  embeddings: spoken('openai-completions', EMBEDDINGS),
  responses: spoken('openai-responses', RESPONSES),
  messages: spoken('anthropic-messages', MESSAGES),
  // Not billed, so there is nothing to be read.
  countTokens: {
    'anthropic-messages': { ...COUNT_TOKENS, api: 'anthropic-messages', reader: null, translation: null },
  },
};

export function dialectOf(ask: Ask, api: Api): Dialect | null {
  return DIALECTS[ask][api] ?? null;
}

/** The dialects whose providers can be asked that. */
export function apisFor(ask: Ask): Api[] {
  return Object.keys(DIALECTS[ask]) as Api[];
}
