/** The statements of the keys' table. A key is added once and revoked once; nothing else of it ever changes. */
import { asked, insertRows, type StatementShape, updateRows } from '../store/statement.ts';

export const KEY_COLUMNS = [
  'tenantId',
  'keyId',
  'name',
  'hash',
  'scopes',
  'agentId',
  'forcedHeaders',
  'createdAt',
  'createdBy',
  'expiresAt',
  'revokedAt',
] as const;

export const ACCESS_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  'access.addKey': insertRows('keys', KEY_COLUMNS, { keep: ['tenantId', 'keyId'] }),
  // Keys are added and revoked and never changed back, so that these three tell whether anything happened.
  'access.keysState': asked((db) =>
    db
      .selectFrom('keys')
      .select(({ fn }) => [
        fn.countAll<number>().as('keys'),
        fn.count<number>('revokedAt').as('revoked'),
        fn.max('keyId').as('newest'),
      ]),
  ),
  'access.readKeys': asked((db) => db.selectFrom('keys').select(KEY_COLUMNS)),
  'access.revokeKey': updateRows('keys', ['revokedAt'], ['tenantId', 'keyId'], 'revokedAt'),
};
