/**
 * Which asks of the doors can be put to providers of which dialect. Config may name any dialect; a pair that is not here
 * is refused with `unsupported_dialect`.
 */
import type { Ask } from '../domain/answer.ts';
import type { Api } from '../domain/provider.ts';
import type { Dialect, RequestMaker } from './dialect.ts';
import { openaiCompletions } from './openai-completions.ts';
import { COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES } from './other-requests.ts';
import { readerOf } from './readers.ts';

function spoken(api: Api, maker: RequestMaker): Partial<Record<Api, Dialect>> {
  const { path, callersHeaders, leadingMessage, encode, refusesUsageQuestion } = maker;
  return { [api]: { api, path, callersHeaders, leadingMessage, encode, refusesUsageQuestion, reader: readerOf(api) } };
}

const DIALECTS: Readonly<Record<Ask, Partial<Record<Api, Dialect>>>> = {
  chat: spoken('openai-completions', openaiCompletions),
  embeddings: spoken('openai-completions', EMBEDDINGS),
  responses: spoken('openai-responses', RESPONSES),
  messages: spoken('anthropic-messages', MESSAGES),
  // Not billed, so there is nothing to be read.
  countTokens: { 'anthropic-messages': { ...COUNT_TOKENS, api: 'anthropic-messages', reader: null } },
};

export function dialectOf(ask: Ask, api: Api): Dialect | null {
  return DIALECTS[ask][api] ?? null;
}

/** The dialects whose providers can be asked that. */
export function apisFor(ask: Ask): Api[] {
  return Object.keys(DIALECTS[ask]) as Api[];
}
