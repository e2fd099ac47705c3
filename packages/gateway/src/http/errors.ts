/**
 * How a refusal looks on the wire: OpenAI's error body, the status of its code, `Retry-After` where waiting helps.
 * Texts and statuses follow OpenClaw's gateway where it has them. What is not a refusal is a bug and says nothing.
 */
import type { ErrorBody } from '@weighbridge/protocol';
import type { FastifyError, FastifySchemaValidationError } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { StoreUnavailable } from '../store/store.ts';

export function bodyOf(error: GatewayError): ErrorBody {
  return { error: { message: error.message, type: error.refusal.type, code: error.code, param: error.param } };
}

export function headersOf(error: GatewayError): Record<string, string> {
  return error.retryAfterSeconds === null ? {} : { 'retry-after': String(error.retryAfterSeconds) };
}

/** Anything thrown while a request was handled, as a refusal. Foreign messages stay out of 500s. */
export function refusalOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof StoreUnavailable) {
    return new GatewayError('ledger_unavailable', 'The ledger cannot be asked now; ask again in a moment.', {
      retryAfterSeconds: 1,
    });
  }
  const { code, statusCode, validation, message } = error as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new GatewayError('payload_too_large', 'Payload too large');
  if (validation?.[0]) return refusedParameter(validation[0]);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new GatewayError('invalid_request', message ?? 'Invalid request.');
  }
  return new GatewayError('internal', 'Internal error; the log has it under this request id.');
}

/** The schema's complaint in words: which parameter, as it is typed, and what it takes. */
function refusedParameter({ keyword, instancePath, params }: FastifySchemaValidationError): GatewayError {
  if (keyword === 'additionalProperties') {
    const param = String(params.additionalProperty);
    return new GatewayError('invalid_request', `There is no parameter \`${param}\` here; docs/http.md has the list.`, {
      param,
    });
  }
  // Schemas check paths and query strings, so a place is a parameter, or one of those that were given under its name.
  const param = keyword === 'required' ? String(params.missingProperty) : instancePath.split('/')[1]!;
  const takes = (COMPLAINTS[keyword] ?? (() => 'cannot be that'))(params);
  return new GatewayError('invalid_request', `\`${param}\` ${takes}.`, { param });
}

const KINDS: Readonly<Record<string, string>> = {
  integer: 'must be a whole number',
  boolean: 'must be true or false',
  // Of a query string everything else is text.
  string: 'may be given only once',
};

/** By the schema's keyword. */
const COMPLAINTS: Readonly<Record<string, (params: FastifySchemaValidationError['params']) => string>> = {
  required: () => 'is missing',
  type: ({ type }) => KINDS[String(type)] ?? 'is of another kind',
  enum: ({ allowedValues }) => `must be one of ${(allowedValues as string[]).join(', ')}`,
  minimum: ({ limit }) => `must be at least ${limit}`,
  maximum: ({ limit }) => `must be at most ${limit}`,
  minLength: ({ limit }) => (limit === 1 ? 'must not be empty' : `must be at least ${limit} characters long`),
  maxLength: ({ limit }) => `may be at most ${limit} characters long`,
  maxItems: ({ limit }) => `may be given at most ${limit} times`,
  pattern: ({ pattern }) => `is not written like one; it must match ${pattern}`,
};
