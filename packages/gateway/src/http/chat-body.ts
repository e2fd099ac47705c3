/**
 * Reads a chat completion's body as far as we must, and leaves the bytes alone: what we do not read passes untouched.
 * Checks are those of OpenClaw's door, in its words; everything else is the provider's to judge.
 */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../domain/errors.ts';
import { findMember, isDeeperThan, type ObjectScan, scanObject } from '../lib/json-splice.ts';

/** What the door reads of a body. */
export interface ChatBody {
  requestedModel: string;
  stream: boolean;
  asksUsage: boolean;
  user: string | null;
}

/** Names that somebody on the way acts on: twice the same name would let two readers see two requests. */
const READ_KEYS = new Set([
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
]);

/** OpenClaw answers for its default agent where no model is named. */
const DEFAULT_MODEL = 'openclaw';

/** Throws GatewayError `invalid_json`, `duplicate_key` or `invalid_request`. */
export function readChatBody(body: Buffer, depthMax: number): ChatBody {
  // Each reader would replace other bytes by other letters: what we record and what the provider reads would differ.
  if (!isUtf8(body)) throw new GatewayError('invalid_json', 'The JSON body is not valid UTF-8.');
  refuseUnsafeShape(body, depthMax);
  const fields = parseObject(body);
  checkFields(fields);
  const { model, stream, stream_options: streamOptions, user } = fields;
  return {
    requestedModel: typeof model === 'string' && model !== '' ? model : DEFAULT_MODEL,
    stream: stream === true,
    asksUsage: isObject(streamOptions) && streamOptions.include_usage === true,
    user: typeof user === 'string' && user !== '' ? user : null,
  };
}

/** Before parsing: depth would stop the process for seconds, duplicates would be gone after it. */
function refuseUnsafeShape(body: Buffer, depthMax: number): void {
  const scan = scanObject(body, 0, depthMax);
  // What is no object is parsed as well, for the parser's own words about it.
  if (scan === 'too_deep' || (scan === 'malformed' && isDeeperThan(body, depthMax))) {
    throw new GatewayError('invalid_request', `The JSON body is nested deeper than ${depthMax} levels.`);
  }
  if (scan === 'malformed') return;
  const duplicate = scan.duplicates.find((key) => READ_KEYS.has(key)) ?? duplicateOption(body, scan, depthMax);
  if (duplicate === null) return;
  throw new GatewayError('duplicate_key', `The JSON body names \`${duplicate}\` more than once; send it once.`, {
    param: duplicate,
  });
}

/** `stream_options` is the one member inside which we read. */
function duplicateOption(body: Buffer, scan: ObjectScan, depthMax: number): string | null {
  const options = findMember(scan, 'stream_options');
  const inner = options === null ? null : scanObject(body, options.start, depthMax);
  const isTwice = inner !== null && typeof inner !== 'string' && inner.duplicates.includes('include_usage');
  return isTwice ? 'stream_options.include_usage' : null;
}

function parseObject(body: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new GatewayError('invalid_json', (error as Error).message);
  }
  if (!isObject(parsed)) throw new GatewayError('invalid_json', 'The JSON body must be an object.');
  return parsed;
}

function checkFields({ messages, model, temperature, tools, stream, stream_options }: Record<string, unknown>): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new GatewayError('invalid_request', 'Missing user message in `messages`.', { param: 'messages' });
  }
  if (model !== undefined && typeof model !== 'string') {
    throw new GatewayError('invalid_request', '`model` must be a string.', { param: 'model' });
  }
  if (temperature !== undefined && temperature !== null && !isTemperature(temperature)) {
    throw new GatewayError('invalid_request', '`temperature` must be between 0 and 2.', { param: 'temperature' });
  }
  if (tools !== undefined && tools !== null && !Array.isArray(tools)) {
    throw new GatewayError('invalid_request', `tools: Invalid input: expected array, received ${typeOf(tools)}`, {
      param: 'tools',
    });
  }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    throw new GatewayError('invalid_request', '`stream` must be true or false.', { param: 'stream' });
  }
  if (stream_options !== undefined && stream_options !== null && !isObject(stream_options)) {
    throw new GatewayError('invalid_request', '`stream_options` must be an object.', { param: 'stream_options' });
  }
}

function isTemperature(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 2;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}
