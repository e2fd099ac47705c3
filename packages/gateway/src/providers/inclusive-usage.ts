/**
 * Usage as the two OpenAI dialects and their many speakers spell it: a prompt that includes what the cache served, a
 * completion that mostly includes the reasoning. Every spelling we know is read from any provider, whatever its name;
 * who spells what is in the comments and in the test's table. A vendor's own total tells what stood outside the parts.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';
import { isObject } from '../lib/json-object.ts';
import { addTool, addTools, type Counters, countersOf, countIn, largest, toolsOf } from './counters.ts';
import { type Json, objectIn } from './parsed.ts';

/** The counters of one usage object; null where it counts no tokens. Throws `Impossible`. */
export function readInclusiveUsage(usage: unknown): Counters | null {
  if (!isObject(usage)) return null;
  const prompt = detailsOf(usage, 'prompt', 'input');
  const completion = detailsOf(usage, 'completion', 'output');
  const counters = countersOf({
    prompt: countIn(usage, 'prompt_tokens', 'input_tokens', 'prompt_eval_count', 'inputTokenCount'),
    completion: countIn(usage, 'completion_tokens', 'output_tokens', 'eval_count', 'outputTokenCount'),
    total: countIn(usage, 'total_tokens'),
    ...cacheOf(usage, prompt),
    // In the details by OpenAI, beside the counts by SGLang, Perplexity and xAI.
    reasoning: largest(countIn(usage, 'reasoning_tokens'), countIn(completion, 'reasoning_tokens')),
    // Perplexity's deep research: pages read, billed as input, outside its total.
    citation: countIn(usage, 'citation_tokens'),
    audioInput: countIn(prompt, 'audio_tokens'),
    audioOutput: countIn(completion, 'audio_tokens'),
    imageInput: countIn(prompt, 'image_tokens'),
    imageOutput: countIn(completion, 'image_tokens'),
  });
  if (!counters.has('prompt') && !counters.has('completion') && !counters.has('total')) return null;
  addSearches(counters, usage);
  return counters;
}

/** The disjoint buckets, and whether the parts contradict each other. */
export function inclusiveUsage(counters: Counters): { usage: Usage; isConsistent: boolean } {
  const of = (field: string): number => counters.get(field) ?? 0;
  const total = counters.get('total') ?? null;
  const prompt = counters.get('prompt') ?? Math.max(0, (total ?? 0) - of('completion'));
  const completion = counters.get('completion') ?? Math.max(0, (total ?? 0) - prompt);
  const claimed = claimedCache(counters);
  const outside = standingOutside(prompt, completion, total, cachedIn(claimed), counters);
  const cache = cacheWithin(prompt, outside.cache, claimed);
  const usage = makeUsage({
    input: cache.input + outside.audio + outside.citation,
    output: completion + outside.reasoning,
    cacheRead: cache.read,
    cacheWrite: cache.write5m,
    cacheWrite1h: cache.write1h,
    reasoning: counters.get('reasoning') ?? null,
    audioInput: of('audioInput'),
    audioOutput: of('audioOutput'),
    imageInput: of('imageInput'),
    imageOutput: of('imageOutput'),
    serverTools: toolsOf(counters),
  });
  const isConsistent = outside.isExplained && cache.isPossible && of('reasoning') <= usage.output;
  return { usage, isConsistent };
}

interface Outside {
  reasoning: number;
  cache: number;
  audio: number;
  citation: number;
  /** The vendor's total is the sum of what was found, or there is none. */
  isExplained: boolean;
}

/** Reasoning that is this little above the completion is a count that was taken at another moment. */
const REASONING_MARGIN = 2;

/** What a vendor counts beside prompt and completion, as its total shows (design, semantics 10). */
function standingOutside(
  prompt: number,
  completion: number,
  total: number | null,
  cached: number,
  counters: Counters,
): Outside {
  const reasoning = counters.get('reasoning') ?? 0;
  const citation = counters.get('citation') ?? 0;
  const audio = counters.get('audioInput') ?? 0;
  const rest = total === null ? 0 : total - prompt - completion;
  const found = { reasoning: 0, cache: 0, audio: 0, citation, isExplained: true };
  // Deep research has a total of prompt and completion only, and bills its reasoning all the same.
  if (citation > 0 && reasoning > completion) return { ...found, reasoning };
  if (rest === 0) {
    // Proxies that give Anthropic's numbers in OpenAI's words leave the cache out of prompt and total.
    const isBeside = cached > prompt && (total === null || counters.has('besidePrompt'));
    const cache = isBeside ? cached : 0;
    if (total === null && reasoning > completion) return { ...found, cache, reasoning };
    // Vercel's gateway leaves Gemini's thoughts out of completion and total, and charges them.
    if (reasoning > completion + REASONING_MARGIN) return { ...found, cache, reasoning, isExplained: false };
    return { ...found, cache };
  }
  if (rest === reasoning) return { ...found, reasoning };
  if (rest === cached) return { ...found, cache: cached };
  // Mistral's speech: the prompt is its text.
  if (rest === audio) return { ...found, audio };
  // Gemini's OpenAI endpoint counts its thoughts in the total alone; they are billed as output.
  if (rest > 0 && reasoning === 0) return { ...found, reasoning: rest, isExplained: false };
  return { ...found, isExplained: false };
}

interface Cache {
  read: number;
  write5m: number;
  write1h: number;
}

function cachedIn({ read, write5m, write1h }: Cache): number {
  return read + write5m + write1h;
}

function claimedCache(counters: Counters): Cache {
  const of = (field: string): number => counters.get(field) ?? 0;
  const write1h = of('cacheWrite1h');
  const write5m = Math.max(of('cacheWrite5m'), of('cacheWrite') - write1h);
  return { read: of('cacheRead'), write5m, write1h };
}

/** What of the prompt is plain input beside its cached parts; `outside` of those stand beside the prompt. */
function cacheWithin(prompt: number, outside: number, cache: Cache): Cache & { input: number; isPossible: boolean } {
  const input = prompt + outside - cachedIn(cache);
  if (input >= 0) return { ...cache, input, isPossible: true };
  // OpenRouter's Gemini reads what it writes, and charges both: the same tokens are named twice.
  const larger = Math.max(cache.read, cache.write5m + cache.write1h);
  if (larger <= prompt) return { ...cache, input: prompt - larger, isPossible: false };
  // Azure's Grok has more in its cache than in its prompt and total: nothing of that can be told from plain input.
  return { read: 0, write5m: 0, write1h: 0, input: prompt, isPossible: false };
}

function cacheOf(usage: Json, prompt: Json | null): Record<string, number | null> {
  const byTime =
    objectIn(usage, 'cache_creation') ??
    objectIn(prompt, 'cache_creation') ??
    objectIn(prompt, 'cache_creation_token_details');
  const read = countIn(
    usage,
    'prompt_cache_hit_tokens', // DeepSeek
    'cached_tokens', // Moonshot, Together
    'num_cached_tokens', // Mistral
    'cache_read_input_tokens', // Anthropic models behind proxies
  );
  const write = countIn(usage, 'cache_creation_input_tokens');
  return {
    cacheRead: largest(read, countIn(prompt, 'cached_tokens')),
    cacheWrite: largest(
      write,
      countIn(prompt, 'cache_write_tokens', 'cache_creation_tokens', 'cache_creation_input_tokens'),
    ),
    cacheWrite5m: countIn(byTime, 'ephemeral_5m_input_tokens'),
    cacheWrite1h: countIn(byTime, 'ephemeral_1h_input_tokens'),
    // By Anthropic's definition these stand beside the prompt; who puts them into it says so by a larger prompt.
    besidePrompt: countIn(usage, 'cache_read_input_tokens', 'cache_creation_input_tokens'),
  };
}

function addSearches(counters: Counters, usage: Json): void {
  addTools(counters, objectIn(usage, 'server_tool_use'), '_requests'); // OpenRouter
  addTools(counters, objectIn(usage, 'server_tool_use_details'), '_requests'); // its chat answers
  addTools(counters, objectIn(usage, 'server_side_tool_usage_details'), '_calls'); // xAI
  const queries = countIn(usage, 'num_search_queries'); // Perplexity
  if (queries !== null) addTool(counters, 'web_search', queries);
  const sources = countIn(usage, 'num_sources_used'); // xAI's live search bills by source
  if (sources !== null) addTool(counters, 'search_source', sources);
}

/** `prompt_tokens_details`, its name in the newer interfaces, and the singular of transcriptions and realtime. */
function detailsOf(usage: Json, older: string, newer: string): Json | null {
  return (
    objectIn(usage, `${older}_tokens_details`) ??
    objectIn(usage, `${newer}_tokens_details`) ??
    objectIn(usage, `${newer}_token_details`)
  );
}
