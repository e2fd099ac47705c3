/**
 * The ledger's statements, described once for both engines. A row of values has the order of its columns here, and
 * those orders are the lists of `columns.ts`.
 */
import { sql } from 'kysely';
import { asked, databaseNow, findRows, insertRows, type StatementShape, updateRows } from '../store/statement.ts';
import { CORRECTION_COLUMNS, INTENT_COLUMNS, ROLLUP_KEY, ROLLUP_SUMS, SETTLEMENT_COLUMNS } from './columns.ts';

/** The columns that recovery needs of an entry it settles. */
const IDENTITY_COLUMNS = ['tenantId', 'entryId', 'provider', 'model', 'agentId', 'source'] as const;

/** What rollups are folded from, with the key to page by. */
export const ROLLUP_SOURCE_COLUMNS = [
  'entryId',
  'tenantId',
  'provider',
  'model',
  'agentId',
  'source',
  'kind',
  'reason',
  'usageSource',
  'outcome',
  'settledAt',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'costNanoUsd',
  'latencyMs',
  'timeToFirstTokenMs',
] as const;

export const LEDGER_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  // A repeat of an insert whose commit was never confirmed finds its own row and keeps it.
  'ledger.insertIntent': insertRows('entries', INTENT_COLUMNS, { keep: ['tenantId', 'entryId'] }),
  'ledger.settleIfOpen': updateRows(
    'entries',
    ['seq', 'settledAt', ...SETTLEMENT_COLUMNS],
    ['tenantId', 'entryId'],
    'outcome',
  ),
  'ledger.renumber': updateRows('entries', ['seq'], ['tenantId', 'entryId']),
  'ledger.findOutcome': findRows('entries', ['tenantId', 'entryId'], ['outcome']),
  'ledger.insertCorrection': insertRows(
    'entries',
    [...INTENT_COLUMNS, ...CORRECTION_COLUMNS, 'seq', 'settledAt', ...SETTLEMENT_COLUMNS],
    { keep: ['tenantId', 'entryId'] },
  ),
  'ledger.insertSettled': insertRows('entries', [...INTENT_COLUMNS, 'seq', 'settledAt', ...SETTLEMENT_COLUMNS]),
  'ledger.findReport': findRows('reports', ['tenantId', 'reportId'], ['dispatchId', 'fingerprint']),
  'ledger.insertReport': insertRows('reports', ['tenantId', 'reportId', 'dispatchId', 'fingerprint']),
  'ledger.openOfOthers': asked((db) =>
    db
      .selectFrom('entries')
      .select(IDENTITY_COLUMNS)
      .where('outcome', 'is', null)
      .where('instanceId', '!=', '')
      .limit(500),
  ),
  'ledger.openOfExpired': asked((db, engine) =>
    db
      .selectFrom('entries')
      .select(IDENTITY_COLUMNS)
      .where('outcome', 'is', null)
      .where('instanceId', 'in', (inner) =>
        inner
          .selectFrom('instances')
          .select('instanceId')
          .where('instanceId', '!=', '')
          .where((eb) => eb.or([eb('leaseUntil', 'is', null), eb('leaseUntil', '<', databaseNow(engine))])),
      )
      .limit(500),
  ),
  'ledger.readRollup': findRows('rollups', ROLLUP_KEY, [...ROLLUP_KEY, 'latencies', 'firstTokens', 'lastSettledAt']),
  'ledger.addToRollup': insertRows(
    'rollups',
    [...ROLLUP_KEY, ...ROLLUP_SUMS, 'latencies', 'firstTokens', 'lastSettledAt'],
    { key: ROLLUP_KEY, add: ROLLUP_SUMS, replace: ['latencies', 'firstTokens', 'lastSettledAt'] },
  ),
  'ledger.clearRollups': asked((db) => db.deleteFrom('rollups')),
  'ledger.settledPage': asked((db) =>
    db
      .selectFrom('entries')
      .select(ROLLUP_SOURCE_COLUMNS.filter((column) => column !== 'costNanoUsd'))
      .select(sql<string | null>`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd'))
      .where('settledAt', 'is not', null)
      .where(({ eb, refTuple, tuple }) => eb(refTuple('tenantId', 'entryId'), '>', tuple('', '')))
      .orderBy('tenantId')
      .orderBy('entryId')
      .limit(1000),
  ),
  'ledger.name': insertRows('ledger', ['one', 'ledgerId', 'lastSeq', 'lastSettledAt'], { keep: ['one'] }),
  'ledger.readName': asked((db) => db.selectFrom('ledger').select(['ledgerId', 'lastSeq', 'importing'])),
  'ledger.beginInstance': insertRows('instances', ['instanceId', 'pid', 'startedAt'], { keep: ['instanceId'] }),
  'ledger.endInstance': updateRows('instances', ['endedAt', 'leaseUntil'], ['instanceId']),
  'ledger.beat': asked((db, engine) =>
    db
      .updateTable('instances')
      .set({ leaseUntil: sql`${databaseNow(engine)} + ${0}`, endedAt: null })
      .where('instanceId', '=', ''),
  ),
};
