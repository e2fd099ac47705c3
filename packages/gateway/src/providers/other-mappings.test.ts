/**
 * The golden answers read by somebody else: Pydantic's genai-prices has mappings of its own for the vendors' usages.
 * Where the two differ, the reason stands here; everywhere else they must agree.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractUsage, findProvider } from '@pydantic/genai-prices';
import type { Api } from '../domain/provider.ts';
import { GOLDENS } from './golden/all.ts';
import { readerOf } from './readers.ts';

const THEIRS: Readonly<Record<Api, readonly [provider: string, flavor: string | undefined]>> = {
  'openai-completions': ['openai', 'chat'],
  'openai-responses': ['openai', 'responses'],
  'anthropic-messages': ['anthropic', undefined],
  'google-generate': ['google', undefined],
};

/** By name: why theirs is not the vendor's bill. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'DeepSeek’s usage': 'read with OpenAI’s names',
  'xAI’s reasoning outside the count': 'read as OpenAI’s, with the reasoning inside',
  'a compaction on the server': 'the iterations are not read',
  'an advisor of another model': 'the iterations are not read',
  'an older total with the tools’ share inside the prompt': 'the total is not compared',
  'a response inside a response': 'the outer response is not known',
};

test('another’s mappings give the same counts for every golden answer, but for those that are explained', () => {
  const seen = new Set<string>();
  for (const { name, api, body } of GOLDENS) {
    const usage = body === null ? null : readerOf(api).readBody(body).usage;
    if (body === null || usage === null) continue;
    const [provider, flavor] = THEIRS[api];
    const ours = [usage.total - usage.output, usage.output, usage.cacheRead, usage.cacheWrite + usage.cacheWrite1h];
    const theirs = extracted(provider, JSON.parse(body.toString()), flavor);
    if (name in DIFFERENT) {
      assert.notDeepEqual(theirs, ours, `${name}: no longer different`);
      seen.add(name);
    } else assert.deepEqual(theirs, ours, `${api}, ${name}`);
  }
  assert.deepEqual([...seen].sort(), Object.keys(DIFFERENT).sort());
});

function extracted(providerId: string, answer: unknown, flavor: string | undefined): number[] | null {
  try {
    const { usage } = extractUsage(findProvider({ providerId })!, answer, flavor);
    const { input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write } = usage;
    return [input ?? 0, output ?? 0, read ?? 0, write ?? 0];
  } catch {
    return null;
  }
}
