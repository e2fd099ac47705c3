/**
 * Our refusals in the words of the vendor whose path was called, so that its SDK raises what it would raise there. Which
 * vendor's: by the path's dialect, passed through also by the client's headers; elsewhere OpenAI's. Sources: docs.anthropic.com/en/api/errors,
 * cloud.google.com/apis/design/errors.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { GatewayError } from '../domain/errors.ts';
import type { Api } from '../domain/provider.ts';
import { endpointOf } from '../providers/endpoints.ts';
import type { AnswerForm } from './answer-sink.ts';
import { bodyOf } from './errors.ts';
import { PROXY_ROUTE } from './proxy-route.ts';

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

/** How a door of that dialect answers. */
export function answerFormOf(api: Api): AnswerForm {
  return {
    errorBody: (error) => vendorBodyOf(error, api),
    errorEvent: (error) => errorEventOf(error, api),
  };
}

/** A refusal as an event of a stream. */
function errorEventOf(error: GatewayError, api: Api): string {
  const body = vendorBodyOf(error, api);
  if (api === 'openai-completions' || api === 'google-generate') return `data: ${JSON.stringify(body)}\n\n`;
  const { code, message, param } = error;
  // OpenAI's clients raise what has an `error`; the fields beside it are those that its documents name.
  const event = api === 'openai-responses' ? { type: 'error', code, message, param, ...body } : body;
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The dialect of a door: its refusals are in its vendor's words. OpenAI's unless told. */
    speaks?: Api;
  }
}

/** The body of a refusal before any answer has begun. */
export function refusalBodyOf(error: GatewayError, request: FastifyRequest): object {
  const { config, url } = request.routeOptions;
  const passed = url === PROXY_ROUTE ? clientApiOf(request.method, request.originalUrl, request.headers) : null;
  return vendorBodyOf(error, config.speaks ?? passed);
}

/**
 * Passed through, whose client calls: the path says it, and where it does not (lists of models, files, batches), the
 * headers that only one vendor's clients send.
 */
export function clientApiOf(method: string, path: string, headers: IncomingHttpHeaders): Api | null {
  const named = endpointOf(method, path);
  if (named !== null) return named.api;
  if (headers['anthropic-version'] !== undefined) return 'anthropic-messages';
  return headers['x-goog-api-key'] === undefined ? null : 'google-generate';
}
