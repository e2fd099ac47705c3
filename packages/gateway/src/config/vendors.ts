/**
 * The capability table: the known vendors, where their API lives, which dialects it speaks there, which variables carry
 * key and address, whether it is asked for usage. It decides what we send, never what we read: every known spelling of
 * usage is read from any provider (providers/inclusive-usage.ts). A vendor whose key is in the environment is a provider
 * without any file. Facts only; deciding is providers.ts.
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
  /** The other dialects it speaks, each at its own base URL, with the same key. */
  also: Readonly<Partial<Record<Api, string>>>;
  /** Endings of host names that are its own besides that of the base URL. */
  hosts: readonly string[];
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
    also: {},
    hosts: [],
    ...extra,
  };
}

/** At the same address as its first dialect. */
const responsesAt = (baseUrl: string): Pick<Vendor, 'also'> => ({ also: { 'openai-responses': baseUrl } });

export const VENDORS: readonly Vendor[] = [
  vendor('openai', 'OpenAI', 'https://api.openai.com/v1', 'yes', responsesAt('https://api.openai.com/v1')),
  vendor('anthropic', 'Anthropic', 'https://api.anthropic.com', 'no', { api: 'anthropic-messages' }),
  vendor('google', 'Google Gemini', 'https://generativelanguage.googleapis.com/v1beta', 'no', {
    api: 'google-generate',
    keyVariables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    baseUrlVariables: ['GEMINI_BASE_URL', 'GOOGLE_GEMINI_BASE_URL'],
    also: { 'openai-completions': 'https://generativelanguage.googleapis.com/v1beta/openai' },
    // Vertex AI.
    hosts: ['aiplatform.googleapis.com'],
  }),
  // OpenRouter says the option is deprecated and without effect: its last event always has the usage.
  vendor('openrouter', 'OpenRouter', 'https://openrouter.ai/api/v1', 'yes', {
    also: { 'openai-responses': 'https://openrouter.ai/api/v1', 'anthropic-messages': 'https://openrouter.ai/api' },
  }),
  vendor('groq', 'Groq', 'https://api.groq.com/openai/v1', 'yes', responsesAt('https://api.groq.com/openai/v1')),
  vendor('deepseek', 'DeepSeek', 'https://api.deepseek.com/v1', 'yes', {
    also: { 'anthropic-messages': 'https://api.deepseek.com/anthropic' },
  }),
  // Mistral reports usage in the last chunk unasked.
  vendor('mistral', 'Mistral', 'https://api.mistral.ai/v1', 'no'),
  vendor('xai', 'xAI', 'https://api.x.ai/v1', 'yes', {
    also: { 'openai-responses': 'https://api.x.ai/v1', 'anthropic-messages': 'https://api.x.ai' },
  }),
  vendor('together', 'Together AI', 'https://api.together.xyz/v1', 'unknown'),
  vendor('fireworks', 'Fireworks AI', 'https://api.fireworks.ai/inference/v1', 'unknown', {
    also: {
      'openai-responses': 'https://api.fireworks.ai/inference/v1',
      'anthropic-messages': 'https://api.fireworks.ai/inference',
    },
  }),
  // Perplexity has the usage in every chunk, unasked.
  vendor('perplexity', 'Perplexity', 'https://api.perplexity.ai', 'unknown', {
    also: { 'openai-responses': 'https://api.perplexity.ai/v1' },
  }),
  // Moonshot has it in the last choice, and in a chunk of its own where it is asked.
  vendor('moonshot', 'Moonshot AI', 'https://api.moonshot.ai/v1', 'unknown', {
    also: { 'anthropic-messages': 'https://api.moonshot.ai/anthropic' },
  }),
  vendor('minimax', 'MiniMax', 'https://api.minimax.io/v1', 'unknown', {
    also: { 'anthropic-messages': 'https://api.minimax.io/anthropic' },
  }),
  vendor('cohere', 'Cohere', 'https://api.cohere.ai/compatibility/v1', 'unknown'),
  vendor('cerebras', 'Cerebras', 'https://api.cerebras.ai/v1', 'unknown'),
  vendor('nvidia', 'NVIDIA NIM', 'https://integrate.api.nvidia.com/v1', 'unknown'),
  vendor('deepinfra', 'DeepInfra', 'https://api.deepinfra.com/v1/openai', 'unknown'),
  vendor('sambanova', 'SambaNova', 'https://api.sambanova.ai/v1', 'unknown'),
  vendor('zai', 'Z.AI', 'https://api.z.ai/api/paas/v4', 'unknown', {
    also: { 'anthropic-messages': 'https://api.z.ai/api/anthropic' },
  }),
];

/** A vendor whose every customer has an address of its own: known by it, never a provider without a file. */
const AZURE = vendor('azure', 'Azure OpenAI', '', 'yes', {
  hosts: ['openai.azure.com', 'services.ai.azure.com', 'cognitiveservices.azure.com'],
});

const BY_ID: ReadonlyMap<string, Vendor> = new Map(VENDORS.map((entry) => [entry.id, entry]));
const BY_ORIGIN: ReadonlyMap<string, Vendor> = new Map(VENDORS.map((entry) => [new URL(entry.baseUrl).origin, entry]));

/** Every vendor that can be named. */
export function vendorIds(): string[] {
  return [...VENDORS, AZURE].map(({ id }) => id);
}

export function vendorById(id: string): Vendor | null {
  return BY_ID.get(id) ?? null;
}

/** Whose server an origin is, whatever the provider is called in the file. */
export function vendorByOrigin(origin: string): Vendor | null {
  return BY_ORIGIN.get(origin) ?? ownerOfHost(origin);
}

/** Where a vendor speaks a dialect; null where it does not. */
export function baseUrlFor(vendor: Vendor, api: Api): string | null {
  return vendor.api === api ? vendor.baseUrl : (vendor.also[api] ?? null);
}

function ownerOfHost(origin: string): Vendor | null {
  const url = URL.parse(origin);
  if (url === null || url.protocol !== 'https:') return null;
  const isOwn = (ending: string): boolean =>
    url.hostname === ending || url.hostname.endsWith(`.${ending}`) || url.hostname.endsWith(`-${ending}`);
  return [...VENDORS, AZURE].find(({ hosts }) => hosts.some(isOwn)) ?? null;
}
