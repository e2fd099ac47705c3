/** Packed numbers come out of either engine as they went in. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import { runOn, testDatabase } from '../../../../test/rig/postgres-server.ts';
import { COMPILERS } from '../store/compile.ts';
import { packed, unpacked } from './packed.ts';

const numbers = fc.array(
  fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -9n, max: 9n }), fc.constant(null)),
  { minLength: 1, maxLength: 20 },
);

test('every whole number of 64 bits, and none, is what it was', () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const text = `[${values.map((value) => `${value}`).join(',')}]`;
      assert.deepEqual(
        unpacked(text).map((value) => (value === null ? null : BigInt(value))),
        values,
      );
    }),
  );
});

test('both engines pack alike', async () => {
  const values = [0n, -1n, 9_007_199_254_740_993n, -(2n ** 63n) + 1n, null, 42n];
  const textOn = (engine: 'sqlite' | 'postgres') => {
    const literals = values.map((value) => sql.raw(value === null ? 'null' : `(${value})`));
    return sql`select ${packed(engine, literals)} as packed`.compile(COMPILERS[engine]).sql;
  };
  const ofSqlite = new DatabaseSync(':memory:').prepare(textOn('sqlite')).get() as { packed: string };
  const [ofPostgres] = await runOn<{ packed: string }>(await testDatabase(), textOn('postgres'));
  for (const { packed: text } of [ofSqlite, ofPostgres!]) {
    assert.deepEqual(
      unpacked(text).map((value) => (value === null ? null : BigInt(value))),
      values,
    );
  }
});
