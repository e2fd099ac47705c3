/** The statements of folding (folding-scripts.ts), for both engines. */
import { sql } from 'kysely';
import { asked, insertRows, type StatementShape, updateRows } from '../store/statement.ts';
import { FOLDED_SUMS, ROLLUP_KEY, ROLLUP_SUMS } from './columns.ts';

/** The first part of a tier in a span, and all parts in it; sums are read as text, they may pass 2^53. */
function partsOf(tier: 'quarter' | 'hour' | 'shift' | 'day'): Record<string, StatementShape> {
  const table =
    tier === 'quarter'
      ? sql`${sql.table('rollups')} where`
      : sql`${sql.table('foldedRollups')} where tier = ${sql.lit(tier)} and`;
  const start = sql.ref('bucketStart');
  const columns = sql.join([
    ...[...ROLLUP_KEY, 'latencies', 'firstTokens', 'lastSettledAt'].map((column) => sql.ref(column)),
    ...ROLLUP_SUMS.map((column) => sql`cast(${sql.ref(column)} as text) as ${sql.ref(column)}`),
  ]);
  const within = sql`${table} ${start} >= ${0} and ${start} < ${0}`;
  return {
    [`folding.${tier}Next`]: asked(() => sql`select ${start} from ${within} order by ${start} limit 1`),
    [`folding.${tier}Within`]: asked(() => sql`select ${columns} from ${within}`),
  };
}

export const FOLDING_STATEMENTS: Readonly<Record<string, StatementShape>> = {
  ...partsOf('quarter'),
  ...partsOf('hour'),
  ...partsOf('shift'),
  ...partsOf('day'),
  'folding.lockProgress': asked((db, engine) => {
    const row = db
      .selectFrom('ledger')
      .select(['lastSettledAt', 'hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'])
      .where('one', '=', 1);
    return engine === 'sqlite' ? row : row.forUpdate();
  }),
  'folding.advance': updateRows(
    'ledger',
    ['hoursFoldedTo', 'shiftsFoldedTo', 'daysFoldedTo', 'weeksFoldedTo'],
    ['one'],
  ),
  'folding.insert': insertRows('foldedRollups', [
    'tier',
    ...ROLLUP_KEY,
    ...FOLDED_SUMS,
    'latencies',
    'firstTokens',
    'lastSettledAt',
  ]),
  'folding.clear': asked((db) => db.deleteFrom('foldedRollups')),
};
