/**
 * Usage as `google-generate` spells it (`usageMetadata`), turned into disjoint buckets. The prompt includes what the
 * cache served; the thoughts and what tools brought into the prompt stand beside the candidates and the prompt, and are
 * billed as output and as input. Facts: @google/genai 3.1.0, GenerateContentResponseUsageMetadata ("total … is the sum
 * of prompt, candidates, tool-use prompt and thoughts"); ai.google.dev/gemini-api/docs, "Pricing" ("output price,
 * including thinking tokens") and "Context caching".
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';
import { isObject } from '../lib/json-object.ts';
import { type Counters, countersOf, countIn, countOf, toolsOf } from './counters.ts';
import { type Json, objectsIn } from './parsed.ts';

/** The counters of one `usageMetadata`; null where it counts no tokens. Throws `Impossible`. */
export function readUsageMetadata(metadata: unknown): Counters | null {
  if (!isObject(metadata)) return null;
  const counters = countersOf({
    prompt: countIn(metadata, 'promptTokenCount'),
    toolUse: countIn(metadata, 'toolUsePromptTokenCount'),
    candidates: countIn(metadata, 'candidatesTokenCount', 'responseTokenCount'),
    thoughts: countIn(metadata, 'thoughtsTokenCount'),
    cached: countIn(metadata, 'cachedContentTokenCount'),
    total: countIn(metadata, 'totalTokenCount'),
  });
  // Vertex begins with a metadata that only names the traffic type.
  if (counters.size === 0) return null;
  addModality(counters, 'audio', AUDIO, metadata);
  addModality(counters, 'image', IMAGE, metadata);
  return counters;
}

/**
 * Whether its parts make its total. Such a count stands for itself: Gemini guesses the prompt's tokens in a stream's first
 * chunks and has the last one right, which may be fewer; the same prompt without a stream has the last one's number.
 */
export function makesItsTotal(counters: Counters): boolean {
  const of = (field: string): number => counters.get(field) ?? 0;
  const parts = of('prompt') + of('toolUse') + of('candidates') + of('thoughts');
  return counters.has('prompt') && counters.has('candidates') && parts === counters.get('total');
}

/** The disjoint buckets, and whether the parts contradict each other. */
export function generateUsage(counters: Counters): { usage: Usage; isConsistent: boolean } {
  const of = (field: string): number => counters.get(field) ?? 0;
  const prompt = of('prompt');
  const toolUse = of('toolUse');
  const thoughts = of('thoughts');
  const total = counters.get('total') ?? null;
  const candidates = counters.get('candidates') ?? Math.max(0, (total ?? 0) - prompt - toolUse - thoughts);
  const parts = prompt + toolUse + candidates + thoughts;
  // Older answers counted the tools' share within the prompt, or the thoughts within the candidates: their total tells.
  const over = total === null ? 0 : parts - total;
  const inside = over > 0 && over === toolUse + thoughts ? over : 0;
  const isToolInside = inside > 0 || (over > 0 && over === toolUse);
  const isThoughtInside = inside > 0 || (over > 0 && over === thoughts && !isToolInside);
  const usage = makeUsage({
    input: Math.max(0, prompt + (isToolInside ? 0 : toolUse) - of('cached')),
    output: candidates + (isThoughtInside ? 0 : thoughts),
    cacheRead: of('cached'),
    reasoning: counters.get('thoughts') ?? null,
    audioInput: Math.max(0, of('audioPrompt') - of('audioCached')),
    audioOutput: of('audioCandidates'),
    imageInput: Math.max(0, of('imagePrompt') - of('imageCached')),
    imageOutput: of('imageCandidates'),
    serverTools: toolsOf(counters),
  });
  return { usage, isConsistent: total === null || total === usage.total };
}

/** By name, and as Vertex numbers them where its caller asked for `enum-encoding=int` (google.cloud.aiplatform.v1.Modality). */
const AUDIO: ReadonlySet<unknown> = new Set(['AUDIO', 4]);
const IMAGE: ReadonlySet<unknown> = new Set(['IMAGE', 2]);

/** A modality's share of the prompt (with what tools brought), of its cached part and of the candidates. */
function addModality(counters: Counters, name: string, modality: ReadonlySet<unknown>, metadata: Json): void {
  const share = (key: string): number | null => {
    let sum: number | null = null;
    for (const detail of objectsIn(metadata, key)) {
      if (modality.has(detail.modality)) sum = (sum ?? 0) + (countOf(detail.tokenCount) ?? 0);
    }
    return sum;
  };
  const prompt = share('promptTokensDetails');
  const tools = share('toolUsePromptTokensDetails');
  if (prompt !== null || tools !== null) counters.set(`${name}Prompt`, (prompt ?? 0) + (tools ?? 0));
  const cached = share('cacheTokensDetails');
  if (cached !== null) counters.set(`${name}Cached`, cached);
  const candidates = share('candidatesTokensDetails') ?? share('responseTokensDetails');
  if (candidates !== null) counters.set(`${name}Candidates`, candidates);
}
