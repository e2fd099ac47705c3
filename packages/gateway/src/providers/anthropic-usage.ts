/**
 * Usage as `anthropic-messages` spells it, turned into disjoint buckets. Anthropic's own are disjoint already
 * (`input_tokens` is without the cache), cumulative in a stream, and exclude some turns of a server-side loop: see
 * `billed`. Facts: @anthropic-ai/sdk 1.11.0, resources/beta/messages (BetaUsage, BetaMessageDeltaUsage and the four
 * iteration types); platform.claude.com/docs, "Compaction" and "Advisor tool", on billing.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';
import { isObject } from '../lib/json-object.ts';
import { addTools, type Counters, checked, countersOf, countIn, toolsOf } from './counters.ts';
import { type Json, objectIn, objectsIn, textOf } from './parsed.ts';

const TOKEN_FIELDS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite5m', 'cacheWrite1h'] as const;

/** The counters of one usage object; null where it counts no tokens. Throws `Impossible`. */
export function readMessageUsage(usage: unknown): Counters | null {
  if (!isObject(usage)) return null;
  const counters = tokensOf(usage);
  const iterations = iterationsOf(usage);
  if (counters.size === 0 && iterations.length === 0) return null;
  for (const [field, count] of billed(counters, iterations)) counters.set(field, count);
  const thinking = countIn(objectIn(usage, 'output_tokens_details'), 'thinking_tokens', 'reasoning_tokens');
  if (thinking !== null) counters.set('reasoning', thinking);
  addTools(counters, objectIn(usage, 'server_tool_use'), '_requests');
  return counters;
}

/** As Bedrock appends it to the last event (`amazon-bedrock-invocationMetrics`). */
export function readInvocationMetrics(metrics: unknown): Counters | null {
  if (!isObject(metrics)) return null;
  const counters = countersOf({
    input: countIn(metrics, 'inputTokenCount'),
    output: countIn(metrics, 'outputTokenCount'),
    cacheRead: countIn(metrics, 'cacheReadInputTokenCount'),
    cacheWrite: countIn(metrics, 'cacheWriteInputTokenCount'),
  });
  return counters.size === 0 ? null : counters;
}

/** Which model answered in the end, where a server-side fallback did; then the usage replaces what came before. */
export function fallbackModel(usage: unknown): string | null {
  if (!isObject(usage)) return null;
  for (const entry of iterationsOf(usage)) if (entry.type === 'fallback_message') return textOf(entry.model);
  return null;
}

/** An advisor whose model is not told, and any beyond those that are told apart: no price is found for it. */
const UNNAMED = 'unnamed';
const MODELS_MAX = 8;

/** What advisors consumed, by model; throws `Impossible`. */
export function advisorCounters(usage: unknown): Map<string, Counters> {
  const byModel = new Map<string, Counters>();
  if (!isObject(usage)) return byModel;
  for (const entry of iterationsOf(usage)) {
    if (entry.type !== 'advisor_message') continue;
    const named = textOf(entry.model) ?? UNNAMED;
    const model = byModel.has(named) || byModel.size < MODELS_MAX ? named : UNNAMED;
    byModel.set(model, summed([byModel.get(model) ?? new Map(), tokensOf(entry)]));
  }
  return byModel;
}

/** The disjoint buckets, and whether the parts contradict each other. */
export function messageUsage(counters: Counters): { usage: Usage; isConsistent: boolean } {
  const of = (field: string): number => counters.get(field) ?? 0;
  const written = of('cacheWrite');
  const cacheWrite1h = of('cacheWrite1h');
  const reasoning = counters.get('reasoning') ?? null;
  const usage = makeUsage({
    input: of('input'),
    output: of('output'),
    cacheRead: of('cacheRead'),
    // What is not known to be kept for an hour has the five minutes' price.
    cacheWrite: Math.max(of('cacheWrite5m'), written - cacheWrite1h),
    cacheWrite1h,
    reasoning,
    serverTools: toolsOf(counters),
  });
  const isSplit = counters.has('cacheWrite') && (counters.has('cacheWrite5m') || counters.has('cacheWrite1h'));
  const isConsistent = !(isSplit && usage.cacheWrite + cacheWrite1h > written) && (reasoning ?? 0) <= usage.output;
  return { usage, isConsistent };
}

/**
 * The tokens Anthropic bills. `usage.iterations` lists every turn of a server-side loop. The top level has the `message`
 * turns summed (older answers: the first one's input only, hence the larger of both), and never `compaction` and
 * `advisor_message` turns, which are billed as well. Where a fallback answered (`fallback_message`), the top level is
 * the bill of that model alone: the turns of one that declined are not charged.
 */
function billed(top: Counters, iterations: readonly Json[]): Counters {
  if (iterations.length === 0) return top;
  const turns = (type: string): Counters => summed(iterations.filter((entry) => entry.type === type).map(tokensOf));
  const own: Counters = new Map(top);
  for (const [field, count] of servedTurns(iterations)) own.set(field, Math.max(own.get(field) ?? 0, count));
  return summed([own, turns('compaction'), turns('advisor_message')]);
}

/** The turns of the model whose answer was returned. */
function servedTurns(iterations: readonly Json[]): Counters {
  const served = iterations.find(({ type }) => type === 'fallback_message');
  const isServed = ({ type, model }: Json): boolean =>
    served === undefined
      ? type === 'message'
      : type === 'fallback_message' || (type === 'message' && model === served.model);
  return summed(iterations.filter(isServed).map(tokensOf));
}

function tokensOf(usage: Json): Counters {
  const created = objectIn(usage, 'cache_creation');
  return countersOf({
    input: countIn(usage, 'input_tokens'),
    output: countIn(usage, 'output_tokens'),
    cacheRead: countIn(usage, 'cache_read_input_tokens'),
    cacheWrite: countIn(usage, 'cache_creation_input_tokens'),
    cacheWrite5m: countIn(created, 'ephemeral_5m_input_tokens'),
    cacheWrite1h: countIn(created, 'ephemeral_1h_input_tokens'),
  });
}

function iterationsOf(usage: Json): readonly Json[] {
  return objectsIn(usage, 'iterations');
}

function summed(all: readonly Counters[]): Counters {
  const sum: Counters = new Map();
  for (const counters of all) {
    for (const field of TOKEN_FIELDS) {
      const count = counters.get(field);
      if (count !== undefined) sum.set(field, (sum.get(field) ?? 0) + count);
    }
  }
  return checked(sum);
}
