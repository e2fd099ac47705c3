/** The request sides of chat completions that are served by providers of another dialect: read as OpenAI's, written as theirs. */
import { GatewayError } from '../../domain/errors.ts';
import { findMember, type ObjectScan } from '../../lib/json-splice.ts';
import type { RequestMaker } from '../dialect.ts';
import type { Json } from '../parsed.ts';
import { parseExact } from './exact-json.ts';
import { readChatRequest } from './request.ts';
import { toAnthropic } from './to-anthropic.ts';
import { toGoogle } from './to-google.ts';

const leadingMessage = (instructions: string): Buffer => Buffer.from(instructions);

export const CHAT_TO_ANTHROPIC: RequestMaker = {
  pathTo: () => '/v1/messages',
  callersHeaders: ['anthropic-beta'],
  leadingMessage,
  encode(body, scan, { model, maxTokens, leading }) {
    const request = readChatRequest(fieldsOf(body, scan), leading?.toString('utf8') ?? null);
    return Buffer.from(JSON.stringify(toAnthropic(request, { model, maxTokens })));
  },
  refusesUsageQuestion: null,
};

export const CHAT_TO_GOOGLE: RequestMaker = {
  pathTo: (model, stream) => `/${modelPath(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  callersHeaders: [],
  leadingMessage,
  encode(body, scan, { model, leading }) {
    const request = readChatRequest(fieldsOf(body, scan), leading?.toString('utf8') ?? null);
    return Buffer.from(JSON.stringify(toGoogle(request, model)));
  },
  refusesUsageQuestion: null,
};

/** Schemas are somebody's numbers, and go on as they are spelled. */
function fieldsOf(body: Buffer, scan: ObjectScan): Json {
  const fields = JSON.parse(body.toString('utf8')) as Json;
  for (const key of ['tools', 'response_format']) {
    const member = findMember(scan, key);
    if (member !== null) fields[key] = parseExact(body.toString('utf8', member.start, member.end));
  }
  return fields;
}

/** `models/…` unless the name says where it is. It stands in a path, and must not lead out of it. */
function modelPath(model: string): string {
  const segments = (model.includes('/') ? model : `models/${model}`).split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new GatewayError('invalid_request', '`model` is no name of a model.', { param: 'model' });
  }
  return segments.map(encodeURIComponent).join('/');
}
