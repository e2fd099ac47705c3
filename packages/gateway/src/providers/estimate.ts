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
  if (parsed.tools !== undefined) tokens += tokensOfBytes(Buffer.byteLength(JSON.stringify(parsed.tools)));
  return tokens;
}

function contentTokens(message: unknown): number {
  if (typeof message !== 'object' || message === null) return 0;
  const { content, tool_calls: toolCalls } = message as Record<string, unknown>;
  let tokens = toolCalls === undefined ? 0 : tokensOfBytes(Buffer.byteLength(JSON.stringify(toolCalls)));
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
