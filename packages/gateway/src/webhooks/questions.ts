/** What may be asked about endpoints, of any store: how each stands, which of its deliveries failed, where a time lies in the log. */
import type { DeliveryInfo, List, WebhookInfo } from '@weighbridge/protocol';
import { shownUrl, type WebhookEndpoint } from '../domain/webhook.ts';
import type { Store } from '../store/store.ts';
import { followerName } from './scripts.ts';
import { DELIVERY_COLUMNS, ENDPOINT_COLUMNS } from './statements.ts';
import { type EndpointRow, endpointOf, tenantKey } from './stored.ts';

/** An endpoint with what the table knows of it. */
export interface KnownEndpoint {
  endpoint: WebhookEndpoint;
  row: EndpointRow;
}

interface Standing {
  cursor: number;
  pending: number;
  dead: number;
}

export function readEndpoints(store: Store): Promise<EndpointRow[]> {
  const query = store.queries.selectFrom('webhooks').select(ENDPOINT_COLUMNS).orderBy('endpointId').compile();
  return store.read<EndpointRow>(query);
}

/** Those of the file and those that are stored; an endpoint that the file names no more is none. */
export async function knownEndpoints(store: Store, ofFile: readonly WebhookEndpoint[]): Promise<KnownEndpoint[]> {
  const rows = await readEndpoints(store);
  const isSame = (row: EndpointRow, { tenantId, id }: WebhookEndpoint): boolean =>
    row.endpointId === id && row.tenantId === tenantKey(tenantId);
  return rows.flatMap((row) => {
    const endpoint = endpointOf(row) ?? ofFile.find((one) => isSame(row, one));
    return endpoint === undefined ? [] : [{ endpoint, row }];
  });
}

export async function endpointInfo(
  store: Store,
  { endpoint, row }: KnownEndpoint,
  { lastSeq, isOpen, now }: { lastSeq: number; isOpen: boolean; now: number },
): Promise<WebhookInfo> {
  const { cursor, pending, dead } = await standingOf(store, row);
  const whileOn = isOpen ? 'paused' : 'active';
  return {
    object: 'webhook',
    id: endpoint.id,
    origin: endpoint.origin,
    tenantId: endpoint.tenantId,
    url: shownUrl(endpoint.url),
    events: [...endpoint.events],
    filter: { ...endpoint.filter },
    format: endpoint.format,
    secrets: endpoint.secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now).length,
    hasToken: endpoint.token !== null,
    timeoutMs: endpoint.timeoutMs,
    retry: { firstMs: endpoint.firstMs },
    concurrency: endpoint.concurrency,
    ordered: endpoint.ordered,
    batch: endpoint.batch,
    state: row.disabledAt === null ? whileOn : 'disabled',
    disabledAt: timeOf(row.disabledAt),
    disabledReason: row.disabledReason,
    cursor,
    behind: Math.max(0, lastSeq - cursor),
    delivered: row.delivered,
    failed: row.failed,
    died: row.dead,
    pending,
    dead,
    lastDeliveredAt: timeOf(row.lastDeliveredAt),
    lastFailedAt: timeOf(row.lastFailedAt),
    lastFailure: row.lastFailure,
    createdAt: timeOf(row.createdAt)!,
    createdBy: row.createdBy,
  };
}

async function standingOf(store: Store, { tenantId, endpointId }: EndpointRow): Promise<Standing> {
  const { queries } = store;
  const follower = queries
    .selectFrom('followers')
    .select('seq')
    .where('tenantId', '=', tenantId)
    .where('name', '=', followerName(endpointId))
    .compile();
  const counts = queries
    .selectFrom('deliveries')
    .select(({ fn }) => ['state', fn.countAll<number>().as('rows')])
    .where('tenantId', '=', tenantId)
    .where('endpointId', '=', endpointId)
    .groupBy('state')
    .compile();
  const [[found], states] = await Promise.all([
    store.read<{ seq: number }>(follower),
    store.read<{ state: string; rows: number }>(counts),
  ]);
  const rowsOf = (state: string): number => Number(states.find((row) => row.state === state)?.rows ?? 0);
  return { cursor: found?.seq ?? 0, pending: rowsOf('pending'), dead: rowsOf('dead') };
}

export interface EndpointCounts {
  endpointId: string;
  /** Messages delivered, attempts that failed, messages that died, so far. */
  delivered: number;
  failed: number;
  dead: number;
}

/** What every endpoint that there ever was has counted; those of one id together, whosever they are. */
export async function endpointCounts(store: Store): Promise<EndpointCounts[]> {
  const query = store.queries
    .selectFrom('webhooks')
    .select(({ fn }) => [
      'endpointId',
      fn.sum<number>('delivered').as('delivered'),
      fn.sum<number>('failed').as('failed'),
      fn.sum<number>('dead').as('dead'),
    ])
    .groupBy('endpointId')
    .orderBy('endpointId')
    .compile();
  const rows = await store.read<EndpointCounts>(query);
  return rows.map(({ endpointId, delivered, failed, dead }) => ({
    endpointId,
    delivered: Number(delivered),
    failed: Number(failed),
    dead: Number(dead),
  }));
}

/** Messages without an attempt left, by the endpoint's two names with a space between. */
export async function deadCounts(store: Store): Promise<Map<string, number>> {
  const query = store.queries
    .selectFrom('deliveries')
    .select(({ fn }) => ['tenantId', 'endpointId', fn.countAll<number>().as('rows')])
    .where('state', '=', 'dead')
    .groupBy(['tenantId', 'endpointId'])
    .compile();
  const rows = await store.read<{ tenantId: string; endpointId: string; rows: number }>(query);
  return new Map(rows.map((row) => [`${row.tenantId} ${row.endpointId}`, Number(row.rows)]));
}

export interface DeliveriesQuestion {
  limit: number;
  cursor?: string | undefined;
  state?: 'pending' | 'dead' | undefined;
}

/** By id, which for single events is by their time. */
export async function listDeliveries(
  store: Store,
  { tenantId, endpointId }: EndpointRow,
  { limit, cursor, state }: DeliveriesQuestion,
): Promise<List<DeliveryInfo>> {
  let query = store.queries
    .selectFrom('deliveries')
    .select(DELIVERY_COLUMNS)
    .where('tenantId', '=', tenantId)
    .where('endpointId', '=', endpointId)
    .orderBy('deliveryId')
    .limit(limit + 1);
  if (cursor !== undefined) query = query.where('deliveryId', '>', cursor);
  if (state !== undefined) query = query.where('state', '=', state);
  const rows = await store.read<DeliveryRow>(query.compile());
  const page = rows.slice(0, limit);
  const hasMore = rows.length > page.length;
  return {
    object: 'list',
    data: page.map(deliveryInfo),
    hasMore,
    nextCursor: hasMore ? page.at(-1)!.deliveryId : null,
  };
}

interface DeliveryRow {
  deliveryId: string;
  state: 'pending' | 'dead';
  seqs: string;
  attempts: number;
  nextAt: number;
  lastAt: number;
  lastStatus: number | null;
  lastFailure: string;
}

function deliveryInfo(row: DeliveryRow): DeliveryInfo {
  return {
    object: 'delivery',
    id: row.deliveryId,
    state: row.state,
    seqs: JSON.parse(row.seqs) as number[],
    attempts: row.attempts,
    nextAttemptAt: row.state === 'dead' ? null : timeOf(row.nextAt),
    lastAttemptAt: timeOf(row.lastAt)!,
    lastStatus: row.lastStatus,
    lastFailure: row.lastFailure,
  };
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
