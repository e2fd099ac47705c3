/**
 * Whole numbers of a row as one text. Every value of a row is cut from PostgreSQL's answer on its own, and cloned on its own
 * between SQLite's thread and ours: half the time of a page or of a month of hours. Numbers hold no comma.
 */
import { type RawBuilder, sql } from 'kysely';
import { type Whole, wholeOf } from '../lib/whole.ts';

export function packed(numbers: readonly RawBuilder<unknown>[]): RawBuilder<string> {
  return sql<string>`concat(${sql.join(numbers, sql`, ',', `)})`;
}

const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
/** As many digits are exact in a number. */
const DIGITS_SAFE = 15;

/** The numbers, exact; null where there was none. */
export function unpacked(text: string): (Whole | null)[] {
  const values: (Whole | null)[] = [];
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && text.charCodeAt(at) !== COMMA) continue;
    values.push(at === start ? null : numberIn(text, start, at));
    start = at + 1;
  }
  return values;
}

function numberIn(text: string, start: number, end: number): Whole {
  if (end - start > DIGITS_SAFE) return wholeOf(text.slice(start, end));
  const isNegative = text.charCodeAt(start) === MINUS;
  let number = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at++) number = number * 10 + text.charCodeAt(at) - ZERO;
  return isNegative ? -number : number;
}
