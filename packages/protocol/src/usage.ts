/**
 * Usage: the tokens one dispatch consumed, in disjoint buckets, so that no token is counted twice.
 * Inclusive totals (a vendor's `prompt_tokens`) are derived at the edges with the functions below.
 */

/** Token counts, integers >= 0. `total` = input + output + cacheRead + cacheWrite + cacheWrite1h. */
export interface Usage {
  /** Prompt tokens that no cache served or stored. */
  input: number;
  /** Completion tokens; reasoning is inside. */
  output: number;
  /** Prompt tokens that the provider read from its cache. */
  cacheRead: number;
  /** Prompt tokens written to the provider's short-lived cache. */
  cacheWrite: number;
  /** Prompt tokens written to the provider's one-hour cache. */
  cacheWrite1h: number;
  /** Part of `output`, informational; null when the provider did not say. */
  reasoning: number | null;
  /** Parts of `input` and `output`, informational. */
  audioInput: number;
  audioOutput: number;
  imageInput: number;
  imageOutput: number;
  /** Calls of the provider's own tools (`web_search`: 2), informational. */
  serverTools: Record<string, number>;
  total: number;
}

/** The buckets that are disjoint, and so may be priced and summed. */
export const USAGE_BUCKETS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;
export type UsageBucket = (typeof USAGE_BUCKETS)[number];

/** The informational parts that are numbers on every usage. */
export const USAGE_PARTS = ['audioInput', 'audioOutput', 'imageInput', 'imageOutput'] as const;

/** How a usage came to be known. `none` means no usage at all, never zero. */
export const USAGE_SOURCES = ['reported', 'partial', 'estimated', 'none'] as const;
export type UsageSource = (typeof USAGE_SOURCES)[number];

/** All prompt tokens, cached or not: what OpenAI calls `prompt_tokens`. */
export function promptTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h;
}

/** Builds a usage from the buckets that are known; the rest are 0, `reasoning` null, `total` the sum. */
export function makeUsage(known: Partial<Omit<Usage, 'total'>>): Usage {
  const usage: Usage = {
    input: known.input ?? 0,
    output: known.output ?? 0,
    cacheRead: known.cacheRead ?? 0,
    cacheWrite: known.cacheWrite ?? 0,
    cacheWrite1h: known.cacheWrite1h ?? 0,
    reasoning: known.reasoning ?? null,
    audioInput: known.audioInput ?? 0,
    audioOutput: known.audioOutput ?? 0,
    imageInput: known.imageInput ?? 0,
    imageOutput: known.imageOutput ?? 0,
    serverTools: known.serverTools ?? {},
    total: 0,
  };
  usage.total = promptTokens(usage) + usage.output;
  return usage;
}
