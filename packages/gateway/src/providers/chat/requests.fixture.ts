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

export function refused(maker: RequestMaker, json: object, model: string): string | null {
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
