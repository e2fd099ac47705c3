/** Runs read-only queries in its own thread, so that a question about the past never delays a call of the present. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Row } from '../store.ts';
import { openForReading } from './connection.ts';
import type { ReadRequest } from './messages.ts';

/** Compiled statements kept; questions come in a few shapes, so old ones are simply dropped together. */
const STATEMENTS_MAX = 200;

const port = parentPort!;
const { file } = workerData as { file: string };
const prepared = new Map<string, StatementSync>();
let connection: DatabaseSync | null = null;

port.on('message', ({ id, sql, parameters }: ReadRequest) => {
  try {
    port.postMessage({ id, rows: prepare(sql).all(...parameters) as Row[] });
  } catch (error) {
    port.postMessage({ id, error: (error as Error).message });
  }
});

function prepare(sql: string): StatementSync {
  const known = prepared.get(sql);
  if (known) return known;
  if (prepared.size >= STATEMENTS_MAX) prepared.clear();
  connection ??= openForReading(file);
  const statement = connection.prepare(sql);
  prepared.set(sql, statement);
  return statement;
}
