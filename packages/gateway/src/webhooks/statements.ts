/** The statements of the webhooks' tables: endpoints, and the deliveries that failed so far. */
import { sql } from 'kysely';
import { asked, insertRows, type StatementShape, updateRows } from '../store/statement.ts';

export const ENDPOINT_COLUMNS = [
  'tenantId',
  'endpointId',
  'definition',
  'secrets',
  'createdAt',
  'createdBy',
  'disabledAt',
  'disabledReason',
  'delivered',
  'failed',
  'dead',
  'lastDeliveredAt',
  'lastFailedAt',
  'lastFailure',
] as const;

export const DELIVERY_COLUMNS = [
  'tenantId',
  'endpointId',
  'deliveryId',
  'seqs',
  'firstSeq',
  'state',
  'attempts',
  'nextAt',
  'lastAt',
  'lastStatus',
  'lastFailure',
] as const;

export const WEBHOOK_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  'webhooks.addEndpoint': insertRows('webhooks', ENDPOINT_COLUMNS, { keep: ['tenantId', 'endpointId'] }),
  'webhooks.countStored': asked((db) =>
    db
      .selectFrom('webhooks')
      .select(({ fn }) => ['tenantId', fn.countAll<number>().as('stored')])
      .where('definition', 'is not', null)
      .groupBy('tenantId'),
  ),
  'webhooks.setDisabled': updateRows('webhooks', ['disabledAt', 'disabledReason'], ['tenantId', 'endpointId']),
  'webhooks.setSecrets': updateRows('webhooks', ['secrets'], ['tenantId', 'endpointId']),
  'webhooks.removeEndpoint': asked((db) =>
    db.deleteFrom('webhooks').where('tenantId', '=', '').where('endpointId', '=', ''),
  ),
  'webhooks.removeFollower': asked((db) =>
    db.deleteFrom('followers').where('tenantId', '=', '').where('name', '=', ''),
  ),
  'webhooks.removeDeliveries': asked((db) =>
    db.deleteFrom('deliveries').where('tenantId', '=', '').where('endpointId', '=', '').where('firstSeq', '>=', 0),
  ),
  'webhooks.putDelivery': insertRows('deliveries', DELIVERY_COLUMNS, {
    key: ['tenantId', 'endpointId', 'deliveryId'],
    replace: ['state', 'attempts', 'nextAt', 'lastAt', 'lastStatus', 'lastFailure'],
  }),
  'webhooks.dropDelivery': asked((db) =>
    db.deleteFrom('deliveries').where('tenantId', '=', '').where('endpointId', '=', '').where('deliveryId', '=', ''),
  ),
  'webhooks.addSums': asked((db) =>
    db
      .updateTable('webhooks')
      .set((eb) => ({
        delivered: eb('delivered', '+', 0),
        failed: eb('failed', '+', 0),
        dead: eb('dead', '+', 0),
        lastDeliveredAt: sql<number>`coalesce(${0}, ${eb.ref('lastDeliveredAt')})`,
        lastFailedAt: sql<number>`coalesce(${0}, ${eb.ref('lastFailedAt')})`,
        lastFailure: sql<string>`coalesce(${''}, ${eb.ref('lastFailure')})`,
        disabledAt: sql<number>`coalesce(${eb.ref('disabledAt')}, ${0})`,
        disabledReason: sql<string>`coalesce(${eb.ref('disabledReason')}, ${''})`,
      }))
      .where('tenantId', '=', '')
      .where('endpointId', '=', ''),
  ),
  'webhooks.reviveDead': asked((db) =>
    db
      .updateTable('deliveries')
      .set({ state: 'pending', attempts: 0, nextAt: 0 })
      .where('tenantId', '=', '')
      .where('endpointId', '=', '')
      .where('state', '=', 'dead'),
  ),
};
