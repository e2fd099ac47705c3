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
  if (validation?.[0]) return refusedParameter(validation[0], message ?? 'Invalid request');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new GatewayError('invalid_request', message ?? 'Invalid request.');
  }
  return new GatewayError('internal', 'Internal error; the log has it under this request id.');
}

/** The schema's complaint in words: which parameter, and what it takes. */
function refusedParameter(
  { keyword, instancePath, params }: FastifySchemaValidationError,
  message: string,
): GatewayError {
  if (keyword === 'additionalProperties') {
    const param = String(params.additionalProperty);
    return new GatewayError('invalid_request', `There is no parameter \`${param}\` here; docs/http.md has the list.`, {
      param,
    });
  }
  const param = instancePath.slice(1);
  const allowed = keyword === 'enum' ? `: ${(params.allowedValues as string[]).join(', ')}` : '';
  return new GatewayError('invalid_request', `Invalid request: ${message}${allowed}.`, param === '' ? {} : { param });
}
