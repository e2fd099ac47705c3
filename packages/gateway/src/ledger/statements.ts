/**
 * The ledger's statements, compiled once for the engine in use. Values shown here are placeholders: only the text and
 * the order of the parameters count, and the order is that of `columns.ts`.
 */
import { type Compilable, type Kysely, sql } from 'kysely';
import type { Tables } from '../store/schema.ts';
import { CORRECTION_COLUMNS, INTENT_COLUMNS, ROLLUP_KEY, ROLLUP_SUMS, SETTLEMENT_COLUMNS } from './columns.ts';

export function ledgerStatements(db: Kysely<Tables>): Readonly<Record<string, Compilable>> {
  return {
    'ledger.insertIntent': db.insertInto('entries').values(placeholders([...INTENT_COLUMNS])),
    'ledger.settleIfOpen': db
      .updateTable('entries')
      .set(placeholders(['seq', 'settledAt', ...SETTLEMENT_COLUMNS]))
      .where('tenantId', '=', '')
      .where('entryId', '=', '')
      .where('outcome', 'is', null),
    'ledger.openOfOthers': db
      .selectFrom('entries')
      .select(['tenantId', 'entryId', 'provider', 'model', 'agentId', 'source'])
      .where('outcome', 'is', null)
      .where('instanceId', '!=', '')
      .limit(500),
    'ledger.insertCorrection': db
      .insertInto('entries')
      .values(placeholders([...INTENT_COLUMNS, ...CORRECTION_COLUMNS, 'seq', 'settledAt', ...SETTLEMENT_COLUMNS])),
    // Locks the counter row for the rest of the transaction, so that seq is given in commit order on every engine.
    'ledger.lockCounters': db
      .updateTable('ledger')
      .set((eb) => ({ lastSeq: eb.ref('lastSeq') }))
      .where('one', '=', 1)
      .returning(['lastSeq', 'lastSettledAt']),
    'ledger.advanceCounters': db
      .updateTable('ledger')
      .set(placeholders(['lastSeq', 'lastSettledAt']))
      .where('one', '=', 1),
    'ledger.readRollup': db
      .selectFrom('rollups')
      .select(['latencies', 'firstTokens'])
      .where(({ and, eb }) => and(ROLLUP_KEY.map((column) => eb(column, '=', '')))),
    'ledger.addToRollup': db
      .insertInto('rollups')
      .values(placeholders([...ROLLUP_KEY, ...ROLLUP_SUMS, 'latencies', 'firstTokens', 'lastSettledAt']))
      .onConflict((conflict) =>
        conflict.columns([...ROLLUP_KEY]).doUpdateSet((eb) => ({
          ...Object.fromEntries(
            ROLLUP_SUMS.map((column) => [
              column,
              sql`${sql.ref(`rollups.${column}`)} + ${sql.ref(`excluded.${column}`)}`,
            ]),
          ),
          latencies: eb.ref('excluded.latencies'),
          firstTokens: eb.ref('excluded.firstTokens'),
          lastSettledAt: eb.ref('excluded.lastSettledAt'),
        })),
      ),
    'ledger.clearRollups': db.deleteFrom('rollups'),
    'ledger.settledPage': db
      .selectFrom('entries')
      .select(ROLLUP_SOURCE_COLUMNS.filter((column) => column !== 'costNanoUsd'))
      // Money as text: one cost may pass 2^53.
      .select(sql<string | null>`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd'))
      .where('settledAt', 'is not', null)
      .where(({ eb, refTuple, tuple }) => eb(refTuple('tenantId', 'entryId'), '>', tuple('', '')))
      .orderBy('tenantId')
      .orderBy('entryId')
      .limit(1000),
    'ledger.name': db
      .insertInto('ledger')
      .values(placeholders(['one', 'ledgerId', 'lastSeq', 'lastSettledAt']))
      .onConflict((conflict) => conflict.column('one').doNothing()),
    'ledger.readName': db.selectFrom('ledger').select(['ledgerId', 'lastSeq']),
    'ledger.beginInstance': db.insertInto('instances').values(placeholders(['instanceId', 'pid', 'startedAt'])),
    'ledger.endInstance': db
      .updateTable('instances')
      .set(placeholders(['endedAt']))
      .where('instanceId', '=', ''),
  };
}

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

/** A row with every column named and no value meant: Kysely turns each into one parameter, in this order. */
function placeholders(columns: readonly string[]): never {
  return Object.fromEntries(columns.map((column) => [column, 0])) as never;
}
