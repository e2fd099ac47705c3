/** What `doctor` says of webhooks: which endpoints there are, which get nothing, and what no attempt is left for. */
import { shownUrl, type WebhookEndpoint } from '../domain/webhook.ts';
import type { Store } from '../store/store.ts';
import type { Check } from './check.ts';
import { countText } from './format.ts';

export async function webhookChecks(store: Store, ofFile: readonly WebhookEndpoint[]): Promise<Check[]> {
  const { deadCounts, knownEndpoints } = await import('../webhooks/questions.ts');
  const known = await knownEndpoints(store, ofFile);
  if (known.length === 0) return [];
  const dead = await deadCounts(store);
  return known.map(({ endpoint, row }) => {
    const subject = `webhook ${endpoint.id}`;
    const url = shownUrl(endpoint.url);
    if (row.disabledAt !== null) {
      const text = `${url} is disabled (${row.disabledReason}); \`webhooks enable ${endpoint.id}\` sends again`;
      return { subject, verdict: 'warning' as const, text };
    }
    const deadOnes = dead.get(`${row.tenantId} ${row.endpointId}`) ?? 0;
    if (deadOnes > 0) {
      const text = `${url}: ${countText(deadOnes)} messages are dead (${row.lastFailure}); \`webhooks replay ${endpoint.id} --dead\` sends them again`;
      return { subject, verdict: 'warning' as const, text };
    }
    const isFailing = (row.lastFailedAt ?? 0) > (row.lastDeliveredAt ?? 0);
    const text = isFailing ? `${url} failed last: ${row.lastFailure}` : `${url}, ${countText(row.delivered)} delivered`;
    return { subject, verdict: isFailing ? ('warning' as const) : ('ok' as const), text };
  });
}
