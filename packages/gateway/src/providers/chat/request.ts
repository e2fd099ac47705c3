/**
 * A chat completion's request as it means, for those who say it in another dialect: every field is either read here, known
 * to change nothing, or refused by its name. Messages are messages.ts, tools are tools.ts.
 */
import { isObject } from '../../lib/json-object.ts';
import type { Json } from '../parsed.ts';
import { type Conversation, readMessages } from './messages.ts';
import { refuse, refuseForm } from './refusing.ts';
import { readToolChoice, readTools, type Tool, type ToolChoice } from './tools.ts';

export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export type Effort = (typeof EFFORTS)[number];

export interface ChatRequest extends Conversation {
  stream: boolean;
  maxTokens: number | null;
  temperature: number | null;
  topP: number | null;
  frequencyPenalty: number | null;
  presencePenalty: number | null;
  seed: number | null;
  stop: string[];
  effort: Effort | null;
  tools: Tool[];
  toolChoice: ToolChoice | null;
  /** One call at a time. */
  isSerial: boolean;
  /** `json`: any object; a schema: one that fits it. */
  format: 'json' | Json | null;
}

/** For the gateway, for OpenAI's own bookkeeping, or without meaning elsewhere. */
const PASSED_OVER: ReadonlySet<string> = new Set([
  'model',
  'stream_options',
  'user',
  'metadata',
  'store',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
]);

const READ: ReadonlySet<string> = new Set([
  'messages',
  'stream',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'stop',
  'reasoning_effort',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
]);

/** Values that ask for nothing. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  n: [1],
  logprobs: [false],
  top_logprobs: [0],
  service_tier: ['auto', 'default'],
  verbosity: ['medium'],
};

/** Throws GatewayError that names the field. */
export function readChatRequest(fields: Json, instructions: string | null): ChatRequest {
  for (const [key, value] of Object.entries(fields)) refuseUnknown(key, value);
  const effort = oneOf(fields, 'reasoning_effort', EFFORTS);
  return {
    ...readMessages(fields.messages, instructions),
    stream: fields.stream === true,
    maxTokens: numberIn(fields, 'max_completion_tokens') ?? numberIn(fields, 'max_tokens'),
    temperature: numberIn(fields, 'temperature'),
    topP: numberIn(fields, 'top_p'),
    frequencyPenalty: numberIn(fields, 'frequency_penalty'),
    presencePenalty: numberIn(fields, 'presence_penalty'),
    seed: numberIn(fields, 'seed'),
    stop: stopsIn(fields.stop),
    effort,
    tools: readTools(fields.tools),
    toolChoice: readToolChoice(fields.tool_choice),
    isSerial: fields.parallel_tool_calls === false,
    format: formatOf(fields.response_format),
  };
}

function refuseUnknown(key: string, value: unknown): void {
  if (value === undefined || value === null || READ.has(key) || PASSED_OVER.has(key)) return;
  if (NEUTRAL[key]?.includes(value)) return;
  const isEmpty = (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);
  const isTextOnly = key === 'modalities' && Array.isArray(value) && value.every((one) => one === 'text');
  if (isEmpty || isTextOnly) return;
  const but = NEUTRAL[key] === undefined ? '' : ` but ${NEUTRAL[key].map((one) => JSON.stringify(one)).join(' or ')}`;
  refuse(key, `cannot be translated for this provider${but}; leave it out.`);
}

function numberIn(fields: Json, key: string): number | null {
  const value = fields[key];
  if (value === undefined || value === null) return null;
  return typeof value === 'number' ? value : refuseForm(key, 'a number');
}

function oneOf<T extends string>(fields: Json, key: string, words: readonly T[]): T | null {
  const value = fields[key];
  if (value === undefined || value === null) return null;
  return words.find((word) => word === value) ?? refuseForm(key, `one of ${words.join(', ')}`);
}

function stopsIn(stop: unknown): string[] {
  if (stop === undefined || stop === null) return [];
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop];
  return stops.map((one) => (typeof one === 'string' ? one : refuseForm('stop', 'a text or a list of texts')));
}

function formatOf(format: unknown): ChatRequest['format'] {
  if (format === undefined || format === null) return null;
  if (!isObject(format)) return refuseForm('response_format', 'an object');
  if (format.type === 'text') return null;
  if (format.type === 'json_object') return 'json';
  if (format.type !== 'json_schema') return refuseForm('response_format.type', 'text, json_object or json_schema');
  const schema = isObject(format.json_schema) ? format.json_schema.schema : null;
  return isObject(schema) ? schema : refuseForm('response_format.json_schema.schema', 'an object');
}
