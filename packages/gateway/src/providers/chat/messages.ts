/**
 * The messages of a chat completion as turns of a conversation. Every dialect but OpenAI's has its instructions in one place
 * before all turns, so those of system and developer messages are gathered there, in their order.
 */
import { isObject } from '../../lib/json-object.ts';
import { type Json, objectIn, objectsIn } from '../parsed.ts';
import { parseExactObject } from './exact-json.ts';
import { type Part, readParts, type TextPart } from './parts.ts';
import { addDetail } from './reasoning-details.ts';
import { refuse, refuseForm } from './refusing.ts';

export interface ToolCall {
  id: string;
  name: string;
  /** Parsed; its odd numbers as they were spelled. */
  input: Json;
  extra: Json | null;
}

export type Turn =
  | { role: 'user'; parts: Part[]; at: string }
  | { role: 'assistant'; parts: Part[]; calls: ToolCall[]; details: Json[]; at: string }
  /** `name` is that of the call it answers. */
  | { role: 'tool'; callId: string; name: string; parts: Part[]; at: string };

export interface Conversation {
  system: TextPart[];
  turns: Turn[];
}

export function readMessages(messages: unknown, instructions: string | null): Conversation {
  const system: TextPart[] = instructions === null ? [] : [{ kind: 'text', text: instructions, cacheControl: null }];
  const turns: Turn[] = [];
  const called = new Map<string, string>();
  for (const [index, message] of (messages as unknown[]).entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) return refuseForm(at, 'an object');
    const turn = readMessage(message, at, called, system);
    if (turn !== null) turns.push(turn);
  }
  return { system, turns };
}

/** Null: it was instructions. */
function readMessage(message: Json, at: string, called: Map<string, string>, system: TextPart[]): Turn | null {
  const { role, content } = message;
  if (role === 'assistant') return readAssistant(message, at, called);
  const parts = readParts(content, `${at}.content`);
  switch (role) {
    case 'system':
    case 'developer':
      for (const part of parts) {
        if (part.kind !== 'text') return refuse(`${at}.content`, 'can only be text.');
        if (part.text !== '') system.push(part);
      }
      return null;
    case 'user':
      return { role, parts, at };
    case 'tool': {
      const callId = message.tool_call_id;
      const name = typeof callId === 'string' ? called.get(callId) : undefined;
      if (name === undefined) return refuse(`${at}.tool_call_id`, 'names no call of an earlier message.');
      return { role, callId: callId as string, name, parts, at };
    }
    default:
      return refuse(`${at}.role`, 'can be system, developer, user, assistant or tool for this provider.');
  }
}

function readAssistant(message: Json, at: string, called: Map<string, string>): Turn {
  for (const key of ['audio', 'function_call']) {
    if (message[key] !== undefined && message[key] !== null)
      refuse(`${at}.${key}`, 'cannot be translated for this provider.');
  }
  const { content, refusal, tool_calls: given } = message;
  const parts = readParts(content ?? '', `${at}.content`);
  if (typeof refusal === 'string' && refusal !== '') parts.push({ kind: 'text', text: refusal, cacheControl: null });
  if (given !== undefined && given !== null && !Array.isArray(given)) return refuseForm(`${at}.tool_calls`, 'a list');
  const calls = ((given ?? []) as unknown[]).map((call, index) => readCall(call, `${at}.tool_calls[${index}]`));
  for (const { id, name } of calls) called.set(id, name);
  const details: Json[] = [];
  for (const detail of objectsIn(message, 'reasoning_details')) addDetail(details, detail);
  return { role: 'assistant', parts, calls, details, at };
}

function readCall(call: unknown, at: string): ToolCall {
  if (!isObject(call)) return refuseForm(at, 'an object');
  const { name, arguments: text } = objectIn(call, 'function') ?? {};
  if (typeof call.id !== 'string' || call.id === '') return refuseForm(`${at}.id`, 'a text');
  if (typeof name !== 'string' || name === '') return refuseForm(`${at}.function.name`, 'a text');
  // Some models say nothing where there are no arguments.
  const input = typeof text === 'string' ? parseExactObject(text.trim() === '' ? '{}' : text) : null;
  if (input === null) return refuseForm(`${at}.function.arguments`, 'the text of a JSON object');
  return { id: call.id, name, input, extra: objectIn(call, 'extra_content') };
}
