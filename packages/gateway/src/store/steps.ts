/**
 * The words of a script. A script yields steps and receives what they answered; it knows statements by name only, and
 * neither engine nor text. Loaded by the writer thread, so nothing heavy may be imported here.
 */
import type { Row, Value } from './store.ts';

/** One named statement, executed for each row of values; an engine with a network sends all rows at once. */
export interface Step {
  name: string;
  rows: readonly (readonly Value[])[];
}

/**
 * What a step answers. Of an asked statement: its rows. Of any other: one element for each row of values, null where
 * that row found or changed nothing.
 */
export type Answer = readonly (Row | null)[];

/** The steps of a transaction, or of a part of one. Steps of one yield do not depend on each other and share a round trip. */
export type Steps<Output> = Generator<readonly Step[], Output, readonly Answer[]>;

/** A transaction: receives the inputs of all who wait, answers each in the same order. */
export type Script<Input, Output> = (inputs: readonly Input[]) => Steps<Output[]>;

/** Executes an asked statement once and gives its rows. */
export function* ask(name: string, values: readonly Value[] = []): Steps<readonly Row[]> {
  const [rows] = yield [{ name, rows: [values] }];
  return rows as readonly Row[];
}

/** Executes a statement for each row of values. */
export function* each(name: string, rows: readonly (readonly Value[])[]): Steps<Answer> {
  if (rows.length === 0) return [];
  const [answer] = yield [{ name, rows }];
  return answer!;
}

/** Several steps whose answers are not needed by each other. Those without rows are left out and answer nothing. */
export function* together(...steps: readonly Step[]): Steps<readonly Answer[]> {
  const wanted = steps.filter(({ rows }) => rows.length > 0);
  const answers = wanted.length === 0 ? [] : yield wanted;
  return steps.map((step) => (step.rows.length === 0 ? [] : answers[wanted.indexOf(step)]!));
}

/** Says something to every process that has this database open, when the transaction commits. */
export function telling(payload: string): Step {
  return { name: 'store.tell', rows: [[payload]] };
}
