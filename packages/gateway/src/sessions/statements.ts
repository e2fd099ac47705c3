/** The statements of the sessions' tables: sessions, their transcripts, the leases of their lanes. */
import { sql } from 'kysely';
import { asked, databaseNow, findRows, insertRows, type StatementShape, updateRows } from '../store/statement.ts';
import { CHANGING_COLUMNS, MESSAGE_COLUMNS, SESSION_COLUMNS } from './rows.ts';

const KEY = ['tenantId', 'sessionKey'] as const;

export const SESSION_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  'sessions.add': insertRows('sessions', SESSION_COLUMNS, { keep: KEY }),
  'sessions.find': findRows('sessions', KEY, SESSION_COLUMNS),
  // Nobody else changes it until this transaction ends.
  'sessions.lock': asked((db, engine) => {
    const one = db
      .selectFrom('sessions')
      .select(SESSION_COLUMNS)
      .where('tenantId', '=', '')
      .where('sessionKey', '=', '');
    return engine === 'sqlite' ? one : one.forUpdate();
  }),
  'sessions.recent': asked((db) =>
    db.selectFrom('sessions').select(SESSION_COLUMNS).orderBy('updatedAt', 'desc').limit(1),
  ),
  'sessions.write': updateRows('sessions', CHANGING_COLUMNS, KEY),
  'sessions.remove': asked((db) => db.deleteFrom('sessions').where('tenantId', '=', '').where('sessionKey', '=', '')),
  'sessions.ofLabel': asked((db) =>
    db.selectFrom('sessions').select('sessionKey').where('tenantId', '=', '').where('label', '=', '').limit(1),
  ),
  'sessions.addMessage': insertRows('transcripts', MESSAGE_COLUMNS, { keep: ['tenantId', 'messageId'] }),
  'sessions.findMessage': findRows('transcripts', ['tenantId', 'messageId'], ['seq']),
  'sessions.removeMessages': asked((db) =>
    db.deleteFrom('transcripts').where('tenantId', '=', '').where('sessionId', '=', ''),
  ),
  // In pages: what waits behind must not wait for a year of messages.
  'sessions.sweepMessages': asked((db) =>
    db
      .deleteFrom('transcripts')
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple('tenantId', 'messageId'),
          'in',
          selectFrom('transcripts')
            .select(['tenantId', 'messageId'])
            .where('at', '<', 0)
            .limit(1)
            .$asTuple('tenantId', 'messageId'),
        ),
      )
      .returning('messageId'),
  ),
  // What nobody set anything on is forgotten with the last of its text.
  'sessions.sweepSessions': asked((db) =>
    db
      .deleteFrom('sessions')
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple('tenantId', 'sessionKey'),
          'in',
          selectFrom('sessions')
            .select(['tenantId', 'sessionKey'])
            .where('updatedAt', '<', 0)
            .where('label', 'is', null)
            .where('overrides', '=', sql.lit('{}'))
            .where('outboundHeaders', '=', sql.lit('{}'))
            .limit(1)
            .$asTuple('tenantId', 'sessionKey'),
        ),
      )
      .returning(['tenantId', 'sessionKey']),
  ),
  // Free, run out, or held by who asks.
  'sessions.claimLane': asked((_db, engine) => {
    const until = sql`${databaseNow(engine)} + ${0}`;
    return sql`insert into ${sql.table('lanes')} (${sql.ref('tenantId')}, ${sql.ref('sessionKey')}, ${sql.ref('holder')}, ${sql.ref('leaseUntil')})
      values (${''}, ${''}, ${''}, ${until})
      on conflict (${sql.ref('tenantId')}, ${sql.ref('sessionKey')})
      do update set ${sql.ref('holder')} = excluded.${sql.ref('holder')}, ${sql.ref('leaseUntil')} = excluded.${sql.ref('leaseUntil')}
      where ${sql.ref('lanes.leaseUntil')} < ${databaseNow(engine)} or ${sql.ref('lanes.holder')} = excluded.${sql.ref('holder')}
      returning ${sql.ref('holder')}`;
  }),
  'sessions.holderOfLane': findRows('lanes', KEY, ['holder']),
  'sessions.releaseLane': asked((db) =>
    db.deleteFrom('lanes').where('tenantId', '=', '').where('sessionKey', '=', '').where('holder', '=', ''),
  ),
};
