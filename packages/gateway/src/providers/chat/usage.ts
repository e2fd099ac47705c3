/** Our buckets as OpenAI spells a usage: inclusive totals, with the parts beside them. */
import { promptTokens, type Usage } from '@weighbridge/protocol';

export function chatUsage(usage: Usage): object {
  const prompt = promptTokens(usage);
  const written = usage.cacheWrite + usage.cacheWrite1h;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      ...(written > 0 ? { cache_write_tokens: written } : {}),
      ...(usage.audioInput > 0 ? { audio_tokens: usage.audioInput } : {}),
    },
    completion_tokens_details: {
      ...(usage.reasoning === null ? {} : { reasoning_tokens: usage.reasoning }),
      ...(usage.audioOutput > 0 ? { audio_tokens: usage.audioOutput } : {}),
    },
  };
}
