/**
 * Our refusals in the words of the vendor whose path was called, so that its SDK raises what it would raise there. Which
 * vendor's: by the path's dialect; elsewhere OpenAI's. Sources: docs.anthropic.com/en/api/errors,
 * cloud.google.com/apis/design/errors.
 */
import type { GatewayError } from '../domain/errors.ts';
import type { Api } from '../domain/provider.ts';
import { bodyOf } from './errors.ts';

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

const GOOGLE_STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

export function vendorBodyOf(error: GatewayError, api: Api | null): object {
  const { message, refusal } = error;
  if (api === 'anthropic-messages') {
    return { type: 'error', error: { type: ANTHROPIC_TYPES[refusal.status] ?? 'api_error', message } };
  }
  if (api === 'google-generate') {
    return { error: { code: refusal.status, message, status: GOOGLE_STATUSES[refusal.status] ?? 'INTERNAL' } };
  }
  return bodyOf(error);
}
