/**
 * What the catalogues call the vendors of config/vendors.ts, and a few whose providers operators configure themselves.
 * A test holds that no known vendor is missing. Facts only.
 */

export interface VendorNames {
  genai: string | null;
  pi: string | null;
  litellm: string | null;
}

/** The same name in all three, where nothing else is said. */
const same = (name: string): VendorNames => ({ genai: name, pi: name, litellm: name });

export const VENDOR_NAMES: Readonly<Record<string, VendorNames>> = {
  openai: same('openai'),
  anthropic: same('anthropic'),
  google: { genai: 'google', pi: 'google', litellm: 'gemini' },
  openrouter: same('openrouter'),
  groq: same('groq'),
  deepseek: same('deepseek'),
  mistral: same('mistral'),
  xai: { genai: 'x-ai', pi: 'xai', litellm: 'xai' },
  together: { genai: 'together', pi: 'together', litellm: 'together_ai' },
  fireworks: { genai: 'fireworks', pi: 'fireworks', litellm: 'fireworks_ai' },
  perplexity: { genai: 'perplexity', pi: null, litellm: 'perplexity' },
  moonshot: { genai: 'moonshotai', pi: 'moonshotai', litellm: 'moonshot' },
  cerebras: same('cerebras'),
  nvidia: { genai: null, pi: 'nvidia', litellm: 'nvidia_nim' },
  deepinfra: { genai: null, pi: null, litellm: 'deepinfra' },
  sambanova: { genai: null, pi: null, litellm: 'sambanova' },
  zai: same('zai'),
  azure: same('azure'),
  minimax: same('minimax'),
  cohere: { genai: 'cohere', pi: null, litellm: 'cohere_chat' },
};
