/** A chat completion's request in Anthropic's words. Throws GatewayError that names what it has no words for. */
import type { Json } from '../parsed.ts';
import { REASONING_FORMAT } from './from-anthropic.ts';
import type { ToolCall, Turn } from './messages.ts';
import type { Part } from './parts.ts';
import { refuse } from './refusing.ts';
import type { ChatRequest, Effort } from './request.ts';
import type { Tool } from './tools.ts';

/** Anthropic must be told a limit; what its models of today all take, where the configuration knows no better. */
const MAX_TOKENS_DEFAULT = 8192;
/** Tokens to think with; the vendor takes no fewer than 1024. */
const BUDGETS: Readonly<Record<Exclude<Effort, 'none'>, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
};
const BUDGET_MIN = 1024;
/** Of a limit, what is left to think with. */
const BUDGET_SHARE = 0.8;
/** Claude 4.6 and later decide themselves how long to think, and are told how hard to try. */
const ADAPTIVE = /claude-(?:[a-z]+-)?(?:4-(?:[6-9]|\d{2})(?!\d)|(?:[5-9]|[1-9]\d)(?!\d))/;
const EFFORTS: Readonly<Record<Exclude<Effort, 'none'>, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'max',
};

export interface AnthropicTarget {
  model: string;
  /** The most the model may answer with; null where nobody said. */
  maxTokens: number | null;
}

export function toAnthropic(request: ChatRequest, { model, maxTokens }: AnthropicTarget): Json {
  refuseUnsayable(request);
  const { system, turns, tools, stop, temperature, topP, format } = request;
  const limit = request.maxTokens ?? maxTokens ?? MAX_TOKENS_DEFAULT;
  const thinking = thinkingOf(request, model, limit);
  const outputConfig = {
    ...thinking.outputConfig,
    ...(format === null ? {} : { format: { type: 'json_schema', schema: format } }),
  };
  return {
    model,
    max_tokens: thinking.maxTokens,
    messages: turnsOf(turns),
    ...(system.length === 0 ? {} : { system: system.map(blockOf) }),
    ...(tools.length === 0 ? {} : { tools: tools.map(toolOf) }),
    ...toolChoiceOf(request),
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { top_p: topP }),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...(thinking.thinking === null ? {} : { thinking: thinking.thinking }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...(request.stream ? { stream: true } : {}),
  };
}

function refuseUnsayable({ frequencyPenalty, presencePenalty, seed, temperature, format }: ChatRequest): void {
  const cannot = 'cannot be translated for a provider that speaks anthropic-messages; leave it out.';
  if (frequencyPenalty) refuse('frequency_penalty', cannot);
  if (presencePenalty) refuse('presence_penalty', cannot);
  if (seed !== null) refuse('seed', cannot);
  if (format === 'json') refuse('response_format', 'can be `json_schema` for this provider, not `json_object`.');
  if (temperature !== null && temperature > 1)
    refuse('temperature', 'is at most 1 for a provider that speaks anthropic-messages.');
}

interface Thinking {
  thinking: Json | null;
  outputConfig: Json;
  maxTokens: number;
}

function thinkingOf({ effort, maxTokens }: ChatRequest, model: string, limit: number): Thinking {
  if (effort === null || effort === 'none') return { thinking: null, outputConfig: {}, maxTokens: limit };
  if (ADAPTIVE.test(model)) {
    return { thinking: { type: 'adaptive' }, outputConfig: { effort: EFFORTS[effort] }, maxTokens: limit };
  }
  const wanted = BUDGETS[effort];
  // Both limits hold thought and answer together.
  const budget = maxTokens === null ? wanted : Math.min(wanted, Math.floor(limit * BUDGET_SHARE));
  if (budget < BUDGET_MIN) {
    refuse(
      'max_completion_tokens',
      `must be at least ${BUDGET_MIN / BUDGET_SHARE} for this model with \`reasoning_effort\`.`,
    );
  }
  const thinking = { type: 'enabled', budget_tokens: budget };
  return { thinking, outputConfig: {}, maxTokens: maxTokens === null ? limit + budget : limit };
}

/** Turns of one side that follow each other are one: results of tools are the user's. */
function turnsOf(turns: readonly Turn[]): Json[] {
  const messages: { role: string; content: Json[] }[] = [];
  for (const turn of turns) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user';
    const content = contentOf(turn);
    if (content.length === 0) continue;
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content });
  }
  return messages as unknown as Json[];
}

function contentOf(turn: Turn): Json[] {
  switch (turn.role) {
    case 'user':
      return turn.parts.map(blockOf);
    case 'tool': {
      const content = turn.parts.map(blockOf);
      return [{ type: 'tool_result', tool_use_id: turn.callId, ...(content.length === 0 ? {} : { content }) }];
    }
    case 'assistant':
      return [...turn.details.flatMap(thoughtOf), ...turn.parts.map(blockOf), ...turn.calls.map(callOf)];
  }
}

/** Only its own reasoning, and only signed: the vendor refuses any other. */
function thoughtOf({ type, format, text, signature, data }: Json): Json[] {
  if (format !== REASONING_FORMAT) return [];
  if (type === 'reasoning.encrypted' && typeof data === 'string') return [{ type: 'redacted_thinking', data }];
  if (typeof signature !== 'string') return [];
  return [{ type: 'thinking', thinking: typeof text === 'string' ? text : '', signature }];
}

function callOf({ id, name, input }: ToolCall): Json {
  return { type: 'tool_use', id, name, input };
}

function blockOf(part: Part): Json {
  const block = blockWithout(part);
  return part.cacheControl === null ? block : { ...block, cache_control: part.cacheControl };
}

function blockWithout(part: Part): Json {
  if (part.kind === 'text') return { type: 'text', text: part.text };
  if (part.kind === 'imageUrl') return { type: 'image', source: { type: 'url', url: part.url } };
  const source = { type: 'base64', media_type: part.mime, data: part.base64 };
  if (part.of === 'image') return { type: 'image', source };
  if (part.of === 'file' && part.mime === 'application/pdf') return { type: 'document', source };
  return refuse(part.at, `cannot be translated for a provider that speaks anthropic-messages (${part.mime}).`);
}

function toolOf({ name, description, parameters, strict, cacheControl }: Tool): Json {
  return {
    name,
    ...(description === null ? {} : { description }),
    input_schema: { type: 'object', ...parameters },
    ...(strict ? { strict } : {}),
    ...(cacheControl === null ? {} : { cache_control: cacheControl }),
  };
}

function toolChoiceOf({ tools, toolChoice, isSerial }: ChatRequest): Json {
  if (tools.length === 0 || (toolChoice === null && !isSerial)) return {};
  const serial = isSerial && toolChoice !== 'none' ? { disable_parallel_tool_use: true } : {};
  if (toolChoice !== null && typeof toolChoice === 'object') {
    return { tool_choice: { type: 'tool', name: toolChoice.name, ...serial } };
  }
  const type = toolChoice === 'required' ? 'any' : (toolChoice ?? 'auto');
  return { tool_choice: { type, ...serial } };
}
