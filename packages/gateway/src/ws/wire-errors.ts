/**
 * Refusals in OpenClaw's words: four codes, and details that tell more. Which code a refusal of ours gets is decided here
 * and nowhere else; its message and its own code (`details.code`) are those of every door.
 */
import { GatewayError } from '../domain/errors.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { ErrorShape } from './frames.ts';
import type { WireScope } from './scopes.ts';

/** A request that fails with more than words: a failed run has an end to tell of. */
export class WireFailure extends Error {
  readonly shape: ErrorShape;
  readonly payload: unknown;

  constructor(shape: ErrorShape, payload?: unknown) {
    super(shape.message);
    this.name = 'WireFailure';
    this.shape = shape;
    this.payload = payload;
  }
}

export function invalid(message: string, details?: Record<string, unknown>): WireFailure {
  return new WireFailure({ code: 'INVALID_REQUEST', message, ...(details ? { details } : {}) });
}

export function missingScope(scope: WireScope): WireFailure {
  const details = { code: 'MISSING_SCOPE', missingScope: scope, requiredScopes: [scope] };
  return new WireFailure({ code: 'FORBIDDEN', message: `missing scope: ${scope}`, details });
}

/** Null: a bug of ours, which the caller hears nothing of. */
export function shapeOf(error: unknown): ErrorShape | null {
  if (error instanceof WireFailure) return error.shape;
  if (error instanceof StoreUnavailable) return shapeOf(notNow());
  if (!(error instanceof GatewayError)) return null;
  const { code, message, param, retryAfterSeconds, refusal } = error;
  return {
    code: codeOf(refusal.status),
    message,
    details: { code, ...(param === null ? {} : { param }) },
    ...(refusal.retryable ? { retryable: true } : {}),
    ...(retryAfterSeconds === null ? {} : { retryAfterMs: retryAfterSeconds * 1000 }),
  };
}

function notNow(): GatewayError {
  const message = 'The database cannot be read now; ask again in a moment.';
  return new GatewayError('ledger_unavailable', message, { retryAfterSeconds: 1 });
}

export const OUR_BUG: ErrorShape = { code: 'UNAVAILABLE', message: 'Internal error; the log has it.' };

function codeOf(status: number): ErrorShape['code'] {
  if (status === 403) return 'FORBIDDEN';
  return status === 429 || status >= 500 ? 'UNAVAILABLE' : 'INVALID_REQUEST';
}
