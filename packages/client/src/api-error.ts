/** An answer that is not a success, with what the gateway said: every door's error shape is read. */

export class ApiError extends Error {
  readonly status: number;
  /** The gateway's code (`unauthorized`, `ledger_unavailable`, …), null when it gave none. */
  readonly code: string | null;
  readonly type: string | null;
  readonly param: string | null;
  /** From `Retry-After`, in seconds; null when absent. */
  readonly retryAfterSeconds: number | null;
  /** The id to find this request by in the gateway's log. */
  readonly requestId: string | null;

  constructor(message: string, known: Partial<Omit<ApiError, 'name' | 'message'>> & { status: number }) {
    super(message);
    this.name = 'ApiError';
    this.status = known.status;
    this.code = known.code ?? null;
    this.type = known.type ?? null;
    this.param = known.param ?? null;
    this.retryAfterSeconds = known.retryAfterSeconds ?? null;
    this.requestId = known.requestId ?? null;
  }
}

/** Reads the error out of an answer; a body that is not ours (a proxy's page) leaves only the status. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  const error = errorObject(text);
  const message = textOf(error?.message) ?? `the gateway answered ${response.status} ${response.statusText}`.trimEnd();
  return new ApiError(message, {
    status: response.status,
    code: textOf(error?.code),
    type: textOf(error?.type),
    param: textOf(error?.param),
    retryAfterSeconds: secondsOf(response.headers.get('retry-after')),
    requestId: response.headers.get('x-request-id'),
  });
}

function errorObject(text: string): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(text);
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null;
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function secondsOf(value: string | null): number | null {
  return value !== null && /^\d+$/.test(value) ? Number(value) : null;
}
