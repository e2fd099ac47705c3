/**
 * OTLP as JSON over HTTP (opentelemetry-proto, docs/specification.md): attributes in its form, and one request that is
 * done when the collector has taken it. Nothing is kept: what is refused is thrown, and the event comes again.
 */

export type AttributeValue = string | number | boolean | readonly string[] | null;

export interface KeyValue {
  key: string;
  value: object;
}

/** Members that are null are left out. Whole numbers are integers, as decimal text. */
export function attributesOf(values: Readonly<Record<string, AttributeValue>>): KeyValue[] {
  return Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [{ key, value: anyValue(value) }]));
}

function anyValue(value: Exclude<AttributeValue, null>): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((item) => ({ stringValue: item })) } };
}

export interface Collector {
  /** Without `/v1/…`, e.g. `http://127.0.0.1:4318`. */
  endpoint: string;
  headers: Readonly<Record<string, string>>;
  timeoutMs: number;
}

/** Throws where the collector did not take it; what it refused in part is told, not sent again (so the specification). */
export async function send(
  { endpoint, headers, timeoutMs }: Collector,
  signal: 'traces' | 'metrics',
  body: object,
): Promise<string | null> {
  const answer = await fetch(`${endpoint.replace(/\/+$/, '')}/v1/${signal}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = (await answer.text()).slice(0, 2_000);
  if (!answer.ok) throw new Error(`the collector answered ${answer.status} to /v1/${signal}`);
  return partialRefusal(text);
}

function partialRefusal(text: string): string | null {
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: Record<string, unknown> };
    const rejected = Number(partialSuccess?.rejectedSpans ?? partialSuccess?.rejectedDataPoints ?? 0);
    return rejected > 0 ? `it refused ${rejected}: ${String(partialSuccess?.errorMessage ?? '')}` : null;
  } catch {
    // An empty answer is a whole success.
    return null;
  }
}
