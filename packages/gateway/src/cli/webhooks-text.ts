/** Endpoints, deliveries and tests as tables for people. */
import type { DeliveryInfo, List, WebhookInfo, WebhookTest } from '@weighbridge/protocol';
import { countText, timeText, UNKNOWN } from './format.ts';
import { type Column, plainText, renderTable } from './table.ts';

const left = (title: string): Column => ({ title, align: 'left' });
const right = (title: string): Column => ({ title, align: 'right' });

const ENDPOINTS = [
  left('endpoint'),
  left('state'),
  left('url'),
  left('tenant'),
  left('format'),
  right('behind'),
  right('delivered'),
  right('pending'),
  right('dead'),
  left('last delivered'),
  left('last failure'),
];
const DELIVERIES = [left('message'), left('state'), right('events'), right('attempts'), left('next'), left('failure')];

export function endpointsText(endpoints: readonly WebhookInfo[]): string {
  return renderTable(
    ENDPOINTS,
    endpoints.map((one) => [
      one.id,
      one.disabledReason === null ? one.state : `${one.state}: ${one.disabledReason}`,
      one.url,
      one.tenantId ?? 'all',
      one.format,
      countText(one.behind),
      countText(one.delivered),
      countText(one.pending),
      countText(one.dead),
      one.lastDeliveredAt === null ? UNKNOWN : timeText(one.lastDeliveredAt),
      one.lastFailedAt === null ? UNKNOWN : `${timeText(one.lastFailedAt)} ${one.lastFailure ?? ''}`,
    ]),
  );
}

export function deliveriesText({ data, hasMore }: List<DeliveryInfo>): string {
  const table = renderTable(
    DELIVERIES,
    data.map(({ id, state, seqs, attempts, nextAttemptAt, lastFailure }) => [
      id,
      state,
      seqs.length === 1 ? String(seqs[0]) : `${seqs.length} from ${seqs[0]}`,
      countText(attempts),
      nextAttemptAt === null ? 'never' : timeText(nextAttemptAt),
      lastFailure,
    ]),
  );
  return hasMore ? `${table}There are more; --json pages through them.\n` : table;
}

export function testText({ delivered, status, failure, latencyMs }: WebhookTest): string {
  if (delivered) return `delivered: status ${status} after ${latencyMs} ms.\n`;
  return `not delivered after ${latencyMs} ms: ${plainText(failure ?? 'no answer')}.`;
}
