/**
 * Usage as the `openai-completions` dialect and its many speakers spell it, turned into disjoint buckets. Values are
 * cumulative wherever they repeat, so repeats merge by field-wise maximum; an object with one impossible number is
 * rejected whole. A field that was never sent stays unknown: missing is not zero.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';

/** The fields as sent, before they are made disjoint; null is "not mentioned". */
export interface Counters {
  prompt: number | null;
  completion: number | null;
  total: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  reasoning: number | null;
  audioInput: number | null;
  audioOutput: number | null;
  imageInput: number | null;
  imageOutput: number | null;
  webSearch: number | null;
}

const FIELDS = [
  'prompt',
  'completion',
  'total',
  'cacheRead',
  'cacheWrite',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'webSearch',
] as const;

type Json = Record<string, unknown>;

/** A hundred times what the largest context window holds: more is a fault, and would drown every sum it enters. */
const COUNT_MAX = 1_000_000_000;

/** A field that is there and is no count. */
class Impossible extends Error {}

/** The counters of one usage object. `malformed`: a number that cannot be. Null: it counts no tokens at all. */
export function readCounters(usage: unknown): Counters | 'malformed' | null {
  if (!isObject(usage)) return null;
  try {
    const prompt = objectIn(usage, 'prompt_tokens_details') ?? objectIn(usage, 'input_tokens_details');
    const completion = objectIn(usage, 'completion_tokens_details') ?? objectIn(usage, 'output_tokens_details');
    const counters: Counters = {
      prompt: largest(usage, 'prompt_tokens', 'input_tokens'),
      completion: largest(usage, 'completion_tokens', 'output_tokens'),
      total: largest(usage, 'total_tokens'),
      cacheRead: maxOf(
        largest(usage, 'prompt_cache_hit_tokens', 'cached_tokens', 'cache_read_input_tokens'),
        largest(prompt, 'cached_tokens'),
      ),
      cacheWrite: maxOf(
        largest(usage, 'cache_creation_input_tokens'),
        largest(prompt, 'cache_write_tokens', 'cache_creation_tokens'),
      ),
      reasoning: maxOf(largest(usage, 'reasoning_tokens'), largest(completion, 'reasoning_tokens')),
      audioInput: largest(prompt, 'audio_tokens'),
      audioOutput: largest(completion, 'audio_tokens'),
      imageInput: largest(prompt, 'image_tokens'),
      imageOutput: largest(completion, 'image_tokens'),
      webSearch: maxOf(
        largest(usage, 'num_search_queries'),
        largest(objectIn(usage, 'server_tool_use'), 'web_search_requests'),
      ),
    };
    if (counters.prompt === null && counters.completion === null && counters.total === null) return null;
    return counters;
  } catch (error) {
    if (error instanceof Impossible) return 'malformed';
    throw error;
  }
}

/** Field-wise maximum into `into`; true when a value went down, which a cumulative count does not do. */
export function mergeCounters(into: Counters, next: Counters): boolean {
  let decreased = false;
  for (const field of FIELDS) {
    const before = into[field];
    const after = next[field];
    if (after === null) continue;
    if (before !== null && after < before) decreased = true;
    else into[field] = after;
  }
  return decreased;
}

/** The disjoint buckets, and whether the parts contradict each other. */
export function usageOf(counters: Counters): { usage: Usage; isConsistent: boolean } {
  const total = counters.total;
  const prompt = counters.prompt ?? Math.max(0, (total ?? 0) - (counters.completion ?? 0));
  const completion = counters.completion ?? Math.max(0, (total ?? 0) - prompt);
  const cacheRead = counters.cacheRead ?? 0;
  const cacheWrite = counters.cacheWrite ?? 0;
  const reasoning = counters.reasoning ?? 0;
  // Some vendors count reasoning beside the completion; their own total tells.
  const isReasoningOutside = reasoning > 0 && prompt + completion + reasoning === total;
  const usage = makeUsage({
    input: Math.max(0, prompt - cacheRead - cacheWrite),
    output: completion + (isReasoningOutside ? reasoning : 0),
    cacheRead,
    cacheWrite,
    reasoning: counters.reasoning,
    audioInput: counters.audioInput ?? 0,
    audioOutput: counters.audioOutput ?? 0,
    imageInput: counters.imageInput ?? 0,
    imageOutput: counters.imageOutput ?? 0,
    serverTools: counters.webSearch === null ? {} : { web_search: counters.webSearch },
  });
  const isConsistent =
    cacheRead + cacheWrite <= prompt &&
    reasoning <= usage.output &&
    (total === null || total === prompt + usage.output);
  return { usage, isConsistent };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectIn(object: Json, key: string): Json | null {
  const value = object[key];
  return isObject(value) ? value : null;
}

function largest(object: Json | null, ...keys: readonly string[]): number | null {
  if (object === null) return null;
  let found: number | null = null;
  for (const key of keys) {
    const value = object[key];
    if (value === undefined || value === null) continue;
    if (!isCount(value)) throw new Impossible();
    // `+ 0` makes 0 of -0.
    found = Math.max(found ?? 0, value + 0);
  }
  return found;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= COUNT_MAX;
}

function maxOf(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.max(a, b);
}
