/**
 * Whole numbers of a row as one text, a JSON array. Every value of a row is cut from PostgreSQL's answer on its own, and cloned
 * on its own between SQLite's thread and ours: half the time of a page or of a month of hours.
 */
import { type RawBuilder, sql } from 'kysely';
import { type Whole, wholeOf } from '../lib/whole.ts';
import type { Engine } from '../store/store.ts';

export function packed(engine: Engine, numbers: readonly RawBuilder<unknown>[]): RawBuilder<string> {
  if (engine === 'sqlite') return sql<string>`json_array(${sql.join(numbers)})`;
  // Its own json_build_array looks up each value's type in each row, and takes many times as long.
  return sql<string>`concat('[', array_to_string(array[${sql.join(numbers)}], ',', 'null'), ']')`;
}

/** The numbers, exact; null where there was none. */
export function unpacked(text: string): (Whole | null)[] {
  const values = JSON.parse(text) as (number | null)[];
  return values.every(isExact) ? values : exactly(text);
}

function isExact(value: number | null): boolean {
  return value === null || Number.isSafeInteger(value);
}

function exactly(text: string): (Whole | null)[] {
  return text
    .slice(1, -1)
    .split(',')
    .map((value) => (value === 'null' ? null : wholeOf(value)));
}
