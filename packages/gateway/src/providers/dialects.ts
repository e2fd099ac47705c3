/** Which dialects are spoken today. Config may name others; a call to them is refused with `unsupported_dialect`. */
import type { Api } from '../domain/provider.ts';
import type { Dialect } from './dialect.ts';
import { openaiCompletions } from './openai-completions.ts';

const DIALECTS: Partial<Record<Api, Dialect>> = { 'openai-completions': openaiCompletions };

export function dialectOf(api: Api): Dialect | null {
  return DIALECTS[api] ?? null;
}
