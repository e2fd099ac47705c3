/** A chat completion's request in Gemini's words. Throws GatewayError that names what it has no words for. */
import { type Json, objectIn } from '../parsed.ts';
import { parseExactObject } from './exact-json.ts';
import type { ToolCall, Turn } from './messages.ts';
import type { Part } from './parts.ts';
import { refuse } from './refusing.ts';
import type { ChatRequest, Effort } from './request.ts';

/** Gemini 3 and later take a level, the models before it tokens. As Google's own OpenAI endpoint has it. */
const LEVELS = /gemini-(?:[3-9]|[1-9]\d)(?!\d)/;
const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
};
/** What Google documents for calls that another model made: its own must have their signature. */
const NO_SIGNATURE = 'skip_thought_signature_validator';
const AUDIO: Readonly<Record<string, string>> = { 'audio/mp3': 'audio/mpeg' };

export function toGoogle(request: ChatRequest, model: string): Json {
  if (request.isSerial && request.tools.length > 0) {
    refuse('parallel_tool_calls', 'cannot be false for a provider that speaks google-generate.');
  }
  const { system, turns, tools } = request;
  const config = generationConfig(request, model);
  return {
    contents: turnsOf(turns, LEVELS.test(model)),
    ...(system.length === 0 ? {} : { systemInstruction: { parts: system.map(({ text }) => ({ text })) } }),
    ...(tools.length === 0 ? {} : { tools: [{ functionDeclarations: tools.map(declarationOf) }] }),
    ...toolConfigOf(request),
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
  };
}

function generationConfig(request: ChatRequest, model: string): Json {
  const { maxTokens, temperature, topP, stop, seed, frequencyPenalty, presencePenalty, format, effort } = request;
  const config: Json = {
    maxOutputTokens: maxTokens,
    temperature,
    topP,
    stopSequences: stop.length === 0 ? null : stop,
    seed,
    frequencyPenalty,
    presencePenalty,
    responseMimeType: format === null ? null : 'application/json',
    responseJsonSchema: format === 'json' ? null : format,
    thinkingConfig: effort === null ? null : thinkingOf(effort, model),
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));
}

function thinkingOf(effort: Effort, model: string): Json {
  const includeThoughts = effort !== 'none';
  if (!LEVELS.test(model)) return { thinkingBudget: BUDGETS[effort], includeThoughts };
  if (effort === 'none') return refuse('reasoning_effort', 'cannot be `none` for this model, which always thinks.');
  return { thinkingLevel: effort === 'xhigh' ? 'high' : effort, includeThoughts };
}

/** Turns of one side that follow each other are one: results of tools are the user's. */
function turnsOf(turns: readonly Turn[], needsSignatures: boolean): Json[] {
  const contents: { role: string; parts: Json[] }[] = [];
  for (const turn of turns) {
    const role = turn.role === 'assistant' ? 'model' : 'user';
    const parts = partsOf(turn, needsSignatures);
    if (parts.length === 0) continue;
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else contents.push({ role, parts });
  }
  return contents as unknown as Json[];
}

function partsOf(turn: Turn, needsSignatures: boolean): Json[] {
  switch (turn.role) {
    case 'user':
      return turn.parts.map(partOf);
    case 'tool':
      return [{ functionResponse: { name: turn.name, response: resultOf(turn.parts) } }];
    case 'assistant':
      return [
        ...turn.parts.map(partOf),
        // Of calls made together only the first has a signature.
        ...turn.calls.map((call, index) => callOf(call, needsSignatures && index === 0)),
      ];
  }
}

function callOf({ name, input, extra }: ToolCall, needsSignature: boolean): Json {
  const given = objectIn(extra, 'google')?.thought_signature;
  const signature = typeof given === 'string' ? given : needsSignature ? NO_SIGNATURE : null;
  const part = { functionCall: { name, args: input } };
  return signature === null ? part : { ...part, thoughtSignature: signature };
}

/** An object as it is; any other result under the key that Google names for it. */
function resultOf(parts: readonly Part[]): Json {
  const text = parts
    .map((part) =>
      part.kind === 'text' ? part.text : refuse(part.at, 'can only be text in a tool’s result for this provider.'),
    )
    .join('');
  return parseExactObject(text) ?? { output: text };
}

function partOf(part: Part): Json {
  if (part.kind === 'text') return { text: part.text };
  if (part.kind === 'imageUrl')
    return refuse(part.at, 'must hold the picture itself for this provider, as a base64 data URL.');
  return { inlineData: { mimeType: AUDIO[part.mime] ?? part.mime, data: part.base64 } };
}

function declarationOf({ name, description, parameters }: ChatRequest['tools'][number]): Json {
  return {
    name,
    ...(description === null ? {} : { description }),
    ...(parameters === null ? {} : { parametersJsonSchema: parameters }),
  };
}

function toolConfigOf({ tools, toolChoice }: ChatRequest): Json {
  if (tools.length === 0 || toolChoice === null) return {};
  if (typeof toolChoice === 'object') {
    return { toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [toolChoice.name] } } };
  }
  const mode = { auto: 'AUTO', none: 'NONE', required: 'ANY' }[toolChoice];
  return { toolConfig: { functionCallingConfig: { mode } } };
}
