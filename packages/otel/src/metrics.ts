/**
 * The metrics of one dispatch, after the same conventions (docs/gen-ai/client-inference.md): counters of tokens and a
 * histogram of durations, as deltas over the dispatch's own time. An event that comes again counts again: exact totals
 * are Weighbridge's own `/metrics`. Pure.
 */
import { type DispatchRecord, promptTokens } from '@weighbridge/protocol';
import { attributesOf } from './otlp.ts';
import { identityOf, nanos, secondsOf } from './span.ts';

const DELTA = 1;
/** The conventions' own bounds. */
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

export function metricsOf(record: DispatchRecord): object[] {
  const { usage } = record;
  const metrics: object[] = [];
  // A call that failed used nothing that is known: 0, of a modality that is not known either.
  const tokens = usage ?? (record.outcome === 'completed' ? null : { output: 0, cacheRead: 0, reasoning: null });
  if (tokens !== null) {
    const written = usage === null ? 0 : usage.cacheWrite + usage.cacheWrite1h;
    const modality = usage === null ? 'unknown' : 'text';
    const add = (name: string, value: number) => metrics.push(counter(record, name, value, modality));
    add('input_tokens', usage === null ? 0 : promptTokens(usage));
    add('output_tokens', tokens.output);
    if (tokens.cacheRead > 0) add('cache_read.input_tokens', tokens.cacheRead);
    if (written > 0) add('cache_write.input_tokens', written);
    if ((tokens.reasoning ?? 0) > 0) add('reasoning.output_tokens', tokens.reasoning!);
  }
  const duration = secondsOf(record.latencyMs);
  if (duration !== null) metrics.push(histogram(record, 'gen_ai.client.inference.duration', duration));
  const firstChunk = record.stream ? secondsOf(record.timeToFirstTokenMs) : null;
  if (firstChunk !== null) {
    metrics.push(histogram(record, 'gen_ai.client.inference.time_to_first_chunk', firstChunk));
  }
  return metrics;
}

function counter(record: DispatchRecord, name: string, value: number, modality: string): object {
  const attributes = attributesOf({ ...identityOf(record), 'gen_ai.token.modality': modality });
  return {
    name: `gen_ai.client.inference.usage.${name}`,
    unit: '{token}',
    sum: {
      aggregationTemporality: DELTA,
      isMonotonic: true,
      dataPoints: [{ ...timesOf(record), attributes, asInt: String(value) }],
    },
  };
}

function histogram(record: DispatchRecord, name: string, seconds: number): object {
  const above = SECONDS.findIndex((bound) => seconds <= bound);
  const at = above === -1 ? SECONDS.length : above;
  return {
    name,
    unit: 's',
    histogram: {
      aggregationTemporality: DELTA,
      dataPoints: [
        {
          ...timesOf(record),
          attributes: attributesOf(identityOf(record)),
          count: '1',
          sum: seconds,
          explicitBounds: SECONDS,
          bucketCounts: Array.from({ length: SECONDS.length + 1 }, (_, index) => (index === at ? '1' : '0')),
        },
      ],
    },
  };
}

function timesOf({ startedAt, settledAt, endedAt }: DispatchRecord) {
  return { startTimeUnixNano: nanos(startedAt), timeUnixNano: nanos(settledAt ?? endedAt ?? startedAt) };
}
