/** A provider's error in OpenAI's shape: its words, its code, and the type that OpenAI has for such a status. Pure. */
import { isObject } from '../../lib/json-object.ts';
import { type Json, objectIn, parseJson, textOf } from '../parsed.ts';
import type { ChatError } from './pieces.ts';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'invalid_request_error',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
};
const MESSAGE_CHARS_MAX = 4096;

/** The members of an error object: Anthropic's `type`, Google's `status` and `code`. */
export function chatError(error: Json | null, status: number | null): ChatError {
  const word = textOf(error?.status) ?? textOf(error?.type);
  const number = status ?? (typeof error?.code === 'number' ? error.code : null);
  const message = typeof error?.message === 'string' ? error.message.slice(0, MESSAGE_CHARS_MAX) : '';
  return {
    message: message === '' ? 'The provider failed without saying why.' : message,
    type: textOf(error?.type) ?? TYPES[number ?? 0] ?? 'api_error',
    code: word,
    param: null,
  };
}

/** An error answer's body, whatever it is. Google may put it into an array. */
export function errorBody(status: number, body: Buffer): object {
  const parsed = parseJson(body.toString('utf8'));
  const object: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  if (isObject(object)) return { error: chatError(objectIn(object, 'error') ?? object, status) };
  const text = body.toString('utf8', 0, 1024).trim();
  return { error: chatError({ message: text === '' ? `The provider answered with status ${status}.` : text }, status) };
}
