/**
 * Refusals: one table from code to status, type and advice. `docs/errors.md` repeats it for people and a test compares the two.
 * Foreign outcomes (an upstream's error) are data, not these.
 */

interface Refusal {
  status: number;
  /** OpenAI's `error.type`, or OpenClaw's where it has its own word. */
  type: string;
  retryable: boolean;
  level: 'debug' | 'info' | 'warn' | 'error';
}

export const REFUSALS = {
  invalid_json: { status: 400, type: 'invalid_request_error', retryable: false, level: 'debug' },
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false, level: 'debug' },
  duplicate_key: { status: 400, type: 'invalid_request_error', retryable: false, level: 'debug' },
  unsupported_dialect: { status: 400, type: 'invalid_request_error', retryable: false, level: 'debug' },
  unauthorized: { status: 401, type: 'unauthorized', retryable: false, level: 'info' },
  denied_by_plugin: { status: 403, type: 'forbidden', retryable: false, level: 'info' },
  forbidden: { status: 403, type: 'forbidden', retryable: false, level: 'info' },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false, level: 'info' },
  not_found: { status: 404, type: 'not_found', retryable: false, level: 'debug' },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retryable: false, level: 'debug' },
  config_refused: { status: 409, type: 'invalid_request_error', retryable: false, level: 'warn' },
  report_conflict: { status: 409, type: 'invalid_request_error', retryable: false, level: 'info' },
  answer_not_kept: { status: 409, type: 'invalid_request_error', retryable: false, level: 'info' },
  payload_too_large: { status: 413, type: 'invalid_request_error', retryable: false, level: 'info' },
  idempotency_mismatch: { status: 422, type: 'invalid_request_error', retryable: false, level: 'info' },
  lane_full: { status: 429, type: 'rate_limited', retryable: true, level: 'info' },
  rate_limited: { status: 429, type: 'rate_limited', retryable: true, level: 'warn' },
  internal: { status: 500, type: 'api_error', retryable: false, level: 'error' },
  unsupported_upgrade: { status: 501, type: 'invalid_request_error', retryable: false, level: 'info' },
  upstream_unreachable: { status: 502, type: 'api_error', retryable: true, level: 'warn' },
  upstream_redirect: { status: 502, type: 'api_error', retryable: false, level: 'warn' },
  upstream_invalid: { status: 502, type: 'api_error', retryable: true, level: 'warn' },
  ledger_unavailable: { status: 503, type: 'api_error', retryable: true, level: 'error' },
  overloaded: { status: 503, type: 'api_error', retryable: true, level: 'warn' },
  plugin_unavailable: { status: 503, type: 'api_error', retryable: true, level: 'warn' },
  draining: { status: 503, type: 'api_error', retryable: true, level: 'info' },
  upstream_timeout: { status: 504, type: 'api_error', retryable: true, level: 'warn' },
  turn_timeout: { status: 504, type: 'api_error', retryable: false, level: 'info' },
  loop_detected: { status: 508, type: 'invalid_request_error', retryable: false, level: 'warn' },
} as const satisfies Record<string, Refusal>;

export type RefusalCode = keyof typeof REFUSALS;

/** A refusal with a sentence that says what happened, to what, and what to do. Never holds a secret. */
export class GatewayError extends Error {
  readonly code: RefusalCode;
  readonly param: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(code: RefusalCode, message: string, extra: { param?: string; retryAfterSeconds?: number } = {}) {
    super(message);
    this.name = 'GatewayError';
    this.code = code;
    this.param = extra.param ?? null;
    this.retryAfterSeconds = extra.retryAfterSeconds ?? null;
  }

  get refusal(): Refusal {
    return REFUSALS[this.code];
  }
}
