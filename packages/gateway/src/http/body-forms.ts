/**
 * What each door reads of its callers' bodies, and what it refuses itself. Checks of chat completions are those of
 * OpenClaw's door, in its words; the other vendors' requests are theirs to judge.
 */
import { GatewayError } from '../domain/errors.ts';
import { isObject } from '../lib/json-object.ts';
import type { BodyForm, Fields } from './call-body.ts';

export const CHAT: BodyForm = {
  readKeys: new Set([
    'model',
    'messages',
    'stream',
    'stream_options',
    'user',
    'n',
    'max_tokens',
    'max_completion_tokens',
    'temperature',
    'tools',
  ]),
  readInside: { stream_options: 'include_usage' },
  check: checkChat,
  asksUsage: ({ stream_options: options }) => isObject(options) && options.include_usage === true,
  userOf: ({ user }) => user,
  askedOf: ({ messages }) => lastOfUser(messages),
};

export const EMBEDDINGS: BodyForm = {
  readKeys: new Set(['model', 'input', 'user']),
  readInside: {},
  check: () => {},
  asksUsage: () => false,
  userOf: ({ user }) => user,
  askedOf: () => null,
};

export const RESPONSES: BodyForm = {
  readKeys: new Set(['model', 'input', 'instructions', 'stream', 'background', 'user']),
  readInside: {},
  check: checkResponse,
  asksUsage: () => true,
  userOf: ({ user }) => user,
  askedOf: ({ input }) => (typeof input === 'string' ? input : lastOfUser(input)),
};

export const MESSAGES: BodyForm = {
  readKeys: new Set(['model', 'messages', 'system', 'stream', 'max_tokens', 'metadata']),
  readInside: { metadata: 'user_id' },
  check: () => {},
  asksUsage: () => true,
  userOf: ({ metadata }) => (isObject(metadata) ? metadata.user_id : null),
  askedOf: ({ messages }) => lastOfUser(messages),
};

function lastOfUser(messages: unknown): unknown {
  if (!Array.isArray(messages)) return null;
  const last = messages.findLast((message) => isObject(message) && message.role === 'user') as Fields | undefined;
  return last?.content ?? null;
}

function checkChat({ messages, temperature, tools, stream_options }: Fields): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new GatewayError('invalid_request', 'Missing user message in `messages`.', { param: 'messages' });
  }
  if (temperature !== undefined && temperature !== null && !isTemperature(temperature)) {
    throw new GatewayError('invalid_request', '`temperature` must be between 0 and 2.', { param: 'temperature' });
  }
  if (tools !== undefined && tools !== null && !Array.isArray(tools)) {
    throw new GatewayError('invalid_request', `tools: Invalid input: expected array, received ${typeof tools}`, {
      param: 'tools',
    });
  }
  if (stream_options !== undefined && stream_options !== null && !isObject(stream_options)) {
    throw new GatewayError('invalid_request', '`stream_options` must be an object.', { param: 'stream_options' });
  }
}

/** A response that is made in the background answers before it has cost anything, and is fetched past every door. */
function checkResponse({ background, stream }: Fields): void {
  if (background !== true || stream === true) return;
  throw new GatewayError(
    'invalid_request',
    '`background` needs `stream: true` here: what the response costs is known when it ends. /proxy/… takes it as it is, uncounted.',
    { param: 'background' },
  );
}

function isTemperature(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 2;
}
