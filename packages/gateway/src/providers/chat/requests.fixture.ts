/** Support for the tests of translated requests: one request made, or the field that it was refused for. It holds no test. */
import assert from 'node:assert/strict';
import { GatewayError } from '../../domain/errors.ts';
import { type ObjectScan, scanObject } from '../../lib/json-splice.ts';
import type { RequestMaker } from '../dialect.ts';
import { CHAT_TO_ANTHROPIC, CHAT_TO_GOOGLE } from './requests.ts';

export type Fields = Record<string, unknown>;

export const CLAUDE = 'claude-sonnet-4-5';
export const GEMINI = 'gemini-2.5-pro';
export const HELLO = [{ role: 'user', content: 'hi' }];

export function sent(
  maker: RequestMaker,
  json: object | string,
  model: string,
  instructions: string | null = null,
): string {
  const body = Buffer.from(typeof json === 'string' ? json : JSON.stringify({ messages: HELLO, ...json }));
  const leading = instructions === null ? null : maker.leadingMessage(instructions);
  const plan = { model, maxTokens: null, askUsage: false, leading };
  return maker.encode(body, scanObject(body) as ObjectScan, plan).toString();
}

export const claude = (json: object, model = CLAUDE) => JSON.parse(sent(CHAT_TO_ANTHROPIC, json, model)) as Fields;
export const gemini = (json: object, model = GEMINI) => JSON.parse(sent(CHAT_TO_GOOGLE, json, model)) as Fields;

export function refused(maker: RequestMaker, json: object | string, model: string): string | null {
  try {
    sent(maker, json, model);
    return null;
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.refusal.status, 400);
    assert.ok(error.message.includes(error.param!), error.message);
    return error.param;
  }
}

export const PNG = 'data:image/png;base64,iVBORw0KGgo=';
export const PDF = 'data:application/pdf;base64,JVBERi0=';
export const WEIGH = { name: 'weigh', description: 'Weighs.', parameters: { type: 'object', properties: { id: {} } } };
export const TOOLS = [{ type: 'function', function: WEIGH }];
/** A whole loop: instructions in two places, a picture, two calls, their results, a question. */
export const LOOP = [
  { role: 'system', content: 'Be exact.' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'What is this?', cache_control: { type: 'ephemeral' } },
      { type: 'image_url', image_url: { url: PNG, detail: 'low' } },
    ],
  },
  {
    role: 'assistant',
    content: null,
    reasoning_content: 'Hm.',
    reasoning_details: [
      { type: 'reasoning.text', index: 0, text: 'H', format: 'anthropic-claude-v1' },
      { type: 'reasoning.text', index: 0, text: 'm.', format: 'anthropic-claude-v1' },
      { type: 'reasoning.text', index: 0, signature: 'sig', format: 'anthropic-claude-v1' },
      { type: 'reasoning.encrypted', index: 1, data: 'xyz', format: 'anthropic-claude-v1' },
      { type: 'reasoning.text', index: 2, text: 'another’s', signature: 'no', format: 'other' },
    ],
    tool_calls: [
      {
        id: 'c1',
        type: 'function',
        function: { name: 'weigh', arguments: '{"id": 1}' },
        extra_content: { google: { thought_signature: 'tsig' } },
      },
      { id: 'c2', type: 'function', function: { name: 'look', arguments: '' } },
    ],
  },
  { role: 'tool', tool_call_id: 'c1', content: '{"kg":12}' },
  { role: 'tool', tool_call_id: 'c2', content: [{ type: 'text', text: 'nothing' }] },
  { role: 'developer', content: 'Answer in one word.' },
  { role: 'user', content: 'So?' },
];
