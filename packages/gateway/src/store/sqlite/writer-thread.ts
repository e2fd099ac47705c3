/**
 * The one writer of the database file, in its own thread so that a commit never stops the event loop. It receives
 * batches, runs each as one transaction, and answers once: everything in a batch commits together or not at all.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Result, Row, Script, Statement } from '../store.ts';
import { openForWriting } from './connection.ts';
import type { Batch, BatchAnswer, WriterSetup } from './messages.ts';

/** SQLite's primary result codes for "not now": busy, locked, no memory, read-only, I/O error, corrupt, full, cannot open. */
const PASSING_CODES = new Set([5, 6, 7, 8, 10, 11, 13, 14]);

const port = parentPort!;
const setup = workerData as WriterSetup;
const db: DatabaseSync = openForWriting(setup.file);
const scripts = new Map<string, Script<unknown, unknown>>();
for (const url of setup.scripts) {
  for (const [name, script] of Object.entries(await import(url))) scripts.set(name, script as Script<unknown, unknown>);
}
const prepared = new Map<string, { statement: StatementSync; hasRows: boolean }>();
let syncing = true;

port.on('message', (batch: Batch) => port.postMessage(runBatch(batch)));
port.postMessage('ready');

function runBatch(batch: Batch): BatchAnswer {
  try {
    setSync(batch.sync);
    db.exec('begin immediate');
    const outputs = batch.groups.map((group) => runScript(group.script, group.inputs));
    db.exec('commit');
    return { kind: 'done', outputs };
  } catch (error) {
    rollBack();
    return failure(error);
  }
}

function runScript(name: string, inputs: unknown[]): unknown[] {
  const script = scripts.get(name);
  if (!script) throw new Error(`no script is named ${name}`);
  const steps = script(inputs);
  let step = steps.next();
  while (!step.done) step = steps.next(execute(step.value));
  return step.value;
}

function execute({ name, values }: Statement): Result {
  const { statement, hasRows } = prepared.get(name) ?? prepare(name);
  if (hasRows) return { rows: statement.all(...values) as Row[], changed: 0 };
  return { rows: [], changed: Number(statement.run(...values).changes) };
}

function prepare(name: string): { statement: StatementSync; hasRows: boolean } {
  const text = setup.statements[name];
  if (text === undefined) throw new Error(`no statement is named ${name}`);
  const statement = db.prepare(text);
  const entry = { statement, hasRows: statement.columns().length > 0 };
  prepared.set(name, entry);
  return entry;
}

/** `full` waits for the disk, `normal` leaves the pages to the operating system until the next full commit. */
function setSync(sync: boolean): void {
  if (sync === syncing) return;
  db.exec(`pragma synchronous = ${sync ? 'full' : 'normal'}`);
  syncing = sync;
}

function rollBack(): void {
  try {
    if (db.isTransaction) db.exec('rollback');
  } catch {
    // A failed rollback leaves the transaction to SQLite, which undoes it before the next one begins.
  }
}

function failure(error: unknown): BatchAnswer {
  const { errcode, message } = error as { errcode?: number; message: string };
  if (errcode !== undefined && PASSING_CODES.has(errcode & 0xff)) return { kind: 'unavailable', reason: message };
  return { kind: 'rejected', message };
}
