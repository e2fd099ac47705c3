/** Runs read-only queries in its own thread, so that a question about the past never delays a call of the present. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Value } from '../store.ts';
import { openForReading } from './connection.ts';
import type { ReadAnswer, ReadRequest } from './messages.ts';

/** Compiled statements kept; questions come in a few shapes, so old ones are simply dropped together. */
const STATEMENTS_MAX = 200;

interface Prepared {
  statement: StatementSync;
  columns: string[];
}

const port = parentPort!;
const { file } = workerData as { file: string };
const prepared = new Map<string, Prepared>();
let connection: DatabaseSync | null = null;

port.on('message', ({ sql, parameters }: ReadRequest) => {
  try {
    const { statement, columns } = prepare(sql);
    port.postMessage({ columns, rows: statement.all(...parameters) as unknown as Value[][] } satisfies ReadAnswer);
  } catch (error) {
    port.postMessage({ error: (error as Error).message });
  }
});

function prepare(sql: string): Prepared {
  const known = prepared.get(sql);
  if (known) return known;
  if (prepared.size >= STATEMENTS_MAX) prepared.clear();
  connection ??= openForReading(file);
  const statement = connection.prepare(sql);
  statement.setReturnArrays(true);
  const made = { statement, columns: statement.columns().map(({ name }) => name) };
  prepared.set(sql, made);
  return made;
}
