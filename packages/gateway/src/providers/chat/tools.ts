/** The caller's tools, and which of them may be called, as a chat completion's request says it. */
import { isObject } from '../../lib/json-object.ts';
import { type Json, objectIn } from '../parsed.ts';
import { refuse, refuseForm } from './refusing.ts';

export interface Tool {
  name: string;
  description: string | null;
  /** JSON Schema; null: no arguments. */
  parameters: Json | null;
  strict: boolean;
  /** Anthropic's mark where a cache may end. */
  cacheControl: Json | null;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { name: string };

const WORDS = ['auto', 'none', 'required'] as const;

export function readTools(tools: unknown): Tool[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) return refuseForm('tools', 'a list');
  return tools.map((tool: unknown, index) => readTool(tool, `tools[${index}]`));
}

function readTool(tool: unknown, at: string): Tool {
  if (!isObject(tool)) return refuseForm(at, 'an object');
  if (tool.type !== 'function') return refuse(`${at}.type`, 'can only be `function` for this provider.');
  const { name, description, parameters, strict } = objectIn(tool, 'function') ?? {};
  if (typeof name !== 'string' || name === '') return refuseForm(`${at}.function.name`, 'a text');
  if (parameters !== undefined && parameters !== null && !isObject(parameters)) {
    return refuseForm(`${at}.function.parameters`, 'an object');
  }
  return {
    name,
    description: typeof description === 'string' ? description : null,
    parameters: parameters ?? null,
    strict: strict === true,
    cacheControl: objectIn(tool, 'cache_control'),
  };
}

export function readToolChoice(choice: unknown): ToolChoice | null {
  if (choice === undefined || choice === null) return null;
  const word = WORDS.find((one) => one === choice);
  if (word !== undefined) return word;
  const name = isObject(choice) && choice.type === 'function' ? objectIn(choice, 'function')?.name : null;
  if (typeof name === 'string') return { name };
  return refuse('tool_choice', 'can be auto, none, required or one function for this provider.');
}
