/**
 * The usage of a record: inclusive token fields (`prompt_tokens`, …) made disjoint, or our own buckets as they are. Numbers
 * that contradict each other are refused, because which of them is right cannot be known. Pure.
 */
import { makeUsage, USAGE_BUCKETS, USAGE_PARTS, type Usage } from '@weighbridge/protocol';
import { Fields } from './fields.ts';

const USAGE_BYTES_MAX = 8 * 1024;

/** Null where the record says nothing of tokens. */
export function usageOf(record: Fields, where: string): Usage | null {
  const own = record.object(USAGE_BYTES_MAX, 'usage');
  if (own === null) return inclusive(record);
  if (record.has('prompt_tokens', 'completion_tokens')) {
    return record.refuse('usage', 'and `prompt_tokens` say the same thing twice; send one of them');
  }
  const fields = new Fields(own, `${where}.usage`);
  return fields.has(...USAGE_BUCKETS) ? disjoint(fields) : inclusive(fields);
}

/** Our buckets (packages/protocol/src/usage.ts); what is not mentioned is 0, `reasoning` null. */
function disjoint(fields: Fields): Usage {
  const known = Object.fromEntries(
    [...USAGE_BUCKETS, ...USAGE_PARTS].map((name) => [name, fields.tokens(name) ?? 0]),
  ) as Record<(typeof USAGE_BUCKETS)[number] | (typeof USAGE_PARTS)[number], number>;
  const reasoning = fields.tokens('reasoning');
  const usage = makeUsage({ ...known, reasoning });
  const total = fields.tokens('total');
  if (total !== null && total !== usage.total) fields.refuse('total', `is not the sum of the buckets, ${usage.total}`);
  if ((reasoning ?? 0) > usage.output) fields.refuse('reasoning', 'is more than the output it is a part of');
  return usage;
}

/** `prompt_tokens` holds the cached ones, `completion_tokens` the reasoning. */
function inclusive(fields: Fields): Usage | null {
  const prompt = fields.tokens('prompt_tokens', 'input_tokens');
  const completion = fields.tokens('completion_tokens', 'output_tokens');
  if (prompt === null && completion === null) return null;
  const cacheRead = fields.tokens('cache_read_tokens') ?? 0;
  const cacheWrite = fields.tokens('cache_write_tokens') ?? 0;
  const cacheWrite1h = fields.tokens('cache_write_1h_tokens') ?? 0;
  const reasoning = fields.tokens('reasoning_tokens');
  const input = (prompt ?? 0) - cacheRead - cacheWrite - cacheWrite1h;
  if (input < 0) fields.refuse('prompt_tokens', 'is less than the cached tokens, which are a part of it');
  const output = (completion ?? 0) + reasoningOutside(fields, prompt ?? 0, completion ?? 0, reasoning ?? 0);
  if ((reasoning ?? 0) > output) {
    fields.refuse('reasoning_tokens', 'is more than the completion tokens it is a part of');
  }
  return makeUsage({ input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning });
}

/** What the total says stood outside of the completion (design, semantics 10). */
function reasoningOutside(fields: Fields, prompt: number, completion: number, reasoning: number): number {
  const total = fields.tokens('total_tokens');
  if (total === null || total === prompt + completion) return 0;
  if (total === prompt + completion + reasoning) return reasoning;
  return fields.refuse('total_tokens', `is not the sum of its parts, ${prompt + completion}`);
}
