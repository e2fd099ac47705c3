/**
 * The plugin: each settled dispatch goes to an OpenTelemetry collector as one span, and as metrics unless they are off. What
 * the collector does not take stays in the ledger's log and is sent again, so an outage of it loses no span.
 */
import type { DispatchRecord } from '@weighbridge/protocol';
import { metricsOf } from './metrics.ts';
import { attributesOf, type Collector, send } from './otlp.ts';
import { spanOf } from './span.ts';

/** `plugins.entries.otel.config`. */
export interface OtelConfig {
  /** The collector's, without `/v1/traces`; `http://127.0.0.1:4318` when absent. */
  endpoint?: string;
  /** Sent with each request, e.g. an authorization. */
  headers?: Readonly<Record<string, string>>;
  /** `service.name`; `weighbridge` when absent. */
  serviceName?: string;
  /** False: spans only. */
  metrics?: boolean;
  /** Milliseconds for one request; 4000 when absent. A handler has 5 s. */
  timeoutMs?: number;
}

interface Context {
  config: OtelConfig | null | undefined;
  log: { warn(...message: unknown[]): void };
  ledgerId: string;
}

export default {
  id: 'otel',

  async onModelDispatchComplete(event: DispatchRecord, { config, log, ledgerId }: Context): Promise<void> {
    const settings = config ?? {};
    const collector: Collector = {
      endpoint: settings.endpoint ?? 'http://127.0.0.1:4318',
      headers: settings.headers ?? {},
      timeoutMs: settings.timeoutMs ?? 4_000,
    };
    const resource = {
      attributes: attributesOf({
        'service.name': settings.serviceName ?? 'weighbridge',
        'service.instance.id': ledgerId,
      }),
    };
    const scope = { name: '@weighbridge/otel' };
    const told: (string | null)[] = [
      await send(collector, 'traces', {
        resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [spanOf(event)] }] }],
      }),
    ];
    // After the span: what is sent again because of an outage must not count twice.
    const metrics = settings.metrics === false ? [] : metricsOf(event);
    if (metrics.length > 0) {
      const body = { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] };
      told.push(await send(collector, 'metrics', body).catch((error: Error) => `metrics were lost: ${error.message}`));
    }
    for (const refusal of told) if (refusal !== null) log.warn(refusal);
  },
};
