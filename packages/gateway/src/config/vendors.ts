/**
 * The known vendors: where their API lives, which dialect it speaks, which variables carry key and address. A vendor
 * whose key is in the environment is a provider without any file. Facts only; deciding is providers.ts.
 */
import type { Api, Provider } from '../domain/provider.ts';

export interface Vendor {
  /** The provider id, as OpenClaw names it. */
  id: string;
  name: string;
  baseUrl: string;
  api: Api;
  /** The first that is set wins. */
  keyVariables: readonly [string, ...string[]];
  baseUrlVariables: readonly [string, ...string[]];
  /** `no` where the count comes without asking; `unknown` costs one refused request at most. */
  asksUsage: Provider['asksUsage'];
}

function vendor(
  id: string,
  name: string,
  baseUrl: string,
  asksUsage: Vendor['asksUsage'],
  extra: Partial<Vendor> = {},
): Vendor {
  const prefix = id.toUpperCase();
  return {
    id,
    name,
    baseUrl,
    api: 'openai-completions',
    keyVariables: [`${prefix}_API_KEY`],
    baseUrlVariables: [`${prefix}_BASE_URL`],
    asksUsage,
    ...extra,
  };
}

export const VENDORS: readonly Vendor[] = [
  vendor('openai', 'OpenAI', 'https://api.openai.com/v1', 'yes'),
  vendor('anthropic', 'Anthropic', 'https://api.anthropic.com', 'no', { api: 'anthropic-messages' }),
  vendor('google', 'Google Gemini', 'https://generativelanguage.googleapis.com/v1beta', 'no', {
    api: 'google-generate',
    keyVariables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    baseUrlVariables: ['GEMINI_BASE_URL', 'GOOGLE_GEMINI_BASE_URL'],
  }),
  // OpenRouter says the option is deprecated and without effect: its last event always has the usage.
  vendor('openrouter', 'OpenRouter', 'https://openrouter.ai/api/v1', 'yes'),
  vendor('groq', 'Groq', 'https://api.groq.com/openai/v1', 'yes'),
  vendor('deepseek', 'DeepSeek', 'https://api.deepseek.com/v1', 'yes'),
  // Mistral reports usage in the last chunk unasked.
  vendor('mistral', 'Mistral', 'https://api.mistral.ai/v1', 'no'),
  vendor('xai', 'xAI', 'https://api.x.ai/v1', 'yes'),
  vendor('together', 'Together AI', 'https://api.together.xyz/v1', 'unknown'),
  vendor('fireworks', 'Fireworks AI', 'https://api.fireworks.ai/inference/v1', 'unknown'),
  vendor('perplexity', 'Perplexity', 'https://api.perplexity.ai', 'unknown'),
  vendor('moonshot', 'Moonshot AI', 'https://api.moonshot.ai/v1', 'unknown'),
  vendor('cerebras', 'Cerebras', 'https://api.cerebras.ai/v1', 'unknown'),
  vendor('nvidia', 'NVIDIA NIM', 'https://integrate.api.nvidia.com/v1', 'unknown'),
  vendor('deepinfra', 'DeepInfra', 'https://api.deepinfra.com/v1/openai', 'unknown'),
  vendor('sambanova', 'SambaNova', 'https://api.sambanova.ai/v1', 'unknown'),
  vendor('zai', 'Z.AI', 'https://api.z.ai/api/paas/v4', 'unknown'),
];

const BY_ID: ReadonlyMap<string, Vendor> = new Map(VENDORS.map((entry) => [entry.id, entry]));
const BY_ORIGIN: ReadonlyMap<string, Vendor> = new Map(VENDORS.map((entry) => [new URL(entry.baseUrl).origin, entry]));

export function vendorById(id: string): Vendor | null {
  return BY_ID.get(id) ?? null;
}

/** Whose server an origin is, whatever the provider is called in the file. */
export function vendorByOrigin(origin: string): Vendor | null {
  return BY_ORIGIN.get(origin) ?? null;
}
