/**
 * Token estimates for dispatches that ended without a count. Four bytes of UTF-8 text to a token: right to some tens of
 * percent for English, high for scripts of three bytes a letter. An estimate is always stored as one (`usageSource:
 * "estimated"`) and never replaces a number that a provider gave.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';

const BYTES_PER_TOKEN = 4;
/** Role and framing of one chat message. */
const TOKENS_PER_MESSAGE = 4;
/** A picture of about 1024 x 1024 in full detail. */
const TOKENS_PER_IMAGE = 765;

export function tokensOfBytes(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

export function estimatedUsage(promptTokens: number, outputBytes: number): Usage {
  return makeUsage({ input: promptTokens, output: tokensOfBytes(outputBytes) });
}

/** Prompt tokens of a chat body (`messages`, `tools`); 0 for what is not one. */
export function estimateChatPrompt(body: Buffer): number {
  const parsed = parsedObject(body);
  if (parsed === null) return 0;
  let tokens = 0;
  const messages = Array.isArray(parsed.messages) ? parsed.messages : [];
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + contentTokens(message);
  if (parsed.tools !== undefined) tokens += tokensOfBytes(jsonBytes(parsed.tools));
  return tokens;
}

/** The length of a parsed value as JSON text. It keeps its own stack: values from outside may be nested deep. */
export function jsonBytes(value: unknown): number {
  const open: unknown[] = [value];
  let bytes = 0;
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null) {
      bytes += Buffer.byteLength(JSON.stringify(next));
      continue;
    }
    const values = Object.values(next);
    // The brackets, and the commas between.
    bytes += 2 + Math.max(0, values.length - 1);
    if (!Array.isArray(next)) for (const key of Object.keys(next)) bytes += Buffer.byteLength(JSON.stringify(key)) + 1;
    for (const inner of values) open.push(inner);
  }
  return bytes;
}

function contentTokens(message: unknown): number {
  if (typeof message !== 'object' || message === null) return 0;
  const { content, tool_calls: toolCalls } = message as Record<string, unknown>;
  let tokens = toolCalls === undefined ? 0 : tokensOfBytes(jsonBytes(toolCalls));
  if (typeof content === 'string') tokens += tokensOfBytes(Buffer.byteLength(content));
  if (!Array.isArray(content)) return tokens;
  for (const part of content) {
    if (typeof part !== 'object' || part === null) continue;
    if (typeof part.text === 'string') tokens += tokensOfBytes(Buffer.byteLength(part.text));
    else if (part.type === 'image_url') tokens += TOKENS_PER_IMAGE;
  }
  return tokens;
}

function parsedObject(body: Buffer): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
