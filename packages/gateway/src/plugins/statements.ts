/** The statements of the table of events set aside. */
import { asked, insertRows, type StatementShape } from '../store/statement.ts';

export const ASIDE_COLUMNS = [
  'tenantId',
  'pluginId',
  'seq',
  'eventId',
  'type',
  'failures',
  'reason',
  'setAsideAt',
  'waiting',
] as const;

export const PLUGIN_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  'plugins.setAside': insertRows('pluginEventsAside', ASIDE_COLUMNS, {
    key: ['tenantId', 'pluginId', 'seq'],
    replace: ['failures', 'reason', 'setAsideAt', 'waiting'],
  }),
  'plugins.replay': asked((db) =>
    db.updateTable('pluginEventsAside').set({ waiting: 0 }).where('pluginId', '=', '').returning('seq'),
  ),
  'plugins.handled': asked((db) =>
    db.deleteFrom('pluginEventsAside').where('tenantId', '=', '').where('pluginId', '=', '').where('seq', '=', 0),
  ),
};
