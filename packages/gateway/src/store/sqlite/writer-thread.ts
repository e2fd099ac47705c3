/**
 * The one writer of the database file, in its own thread so that a commit never stops the event loop. It receives
 * batches, runs each as one transaction, and answers once: everything in a batch commits together or not at all.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch, BatchAnswer } from '../commit-queue.ts';
import { loadScripts, runScript } from '../run-script.ts';
import type { Answer, Step } from '../steps.ts';
import type { Row, Value } from '../store.ts';
import { openForWriting } from './connection.ts';
import type { WriterSetup } from './messages.ts';

/** SQLite's primary result codes for "not now": busy, locked, no memory, read-only, I/O error, corrupt, full, cannot open. */
const PASSING_CODES = new Set([5, 6, 7, 8, 10, 11, 13, 14]);
/** What a changed row answers where nobody asks for its values. */
const CHANGED: Row = {};

type Execute = (values: Value[]) => Row | null;

const port = parentPort!;
const setup = workerData as WriterSetup;
const db: DatabaseSync = openForWriting(setup.file);
const scripts = await loadScripts(setup.scripts);
const prepared = new Map<string, { statement: StatementSync; asks: boolean; execute: Execute }>();
const begin = db.prepare('begin immediate');
const commit = db.prepare('commit');
let syncing = true;

port.on('message', (batch: Batch) => port.postMessage(runBatch(batch)));
port.postMessage('ready');

function runBatch(batch: Batch): BatchAnswer {
  try {
    setSync(batch.sync);
    begin.run();
    const outputs = batch.groups.map(({ script, inputs }) => runScript(scripts, script, inputs, execute));
    commit.run();
    return { kind: 'done', outputs };
  } catch (error) {
    rollBack();
    return failure(error);
  }
}

function execute({ name, rows }: Step): Answer {
  // Nobody else has this file open.
  if (name === 'store.tell') return [];
  const { statement, asks, execute } = prepared.get(name) ?? prepare(name);
  if (asks) return statement.all(...(rows[0] as Value[])) as Row[];
  return rows.map((values) => execute(values as Value[]));
}

function prepare(name: string): { statement: StatementSync; asks: boolean; execute: Execute } {
  const known = setup.statements[name];
  if (known === undefined) throw new Error(`no statement is named ${name}`);
  const statement = db.prepare(known.text);
  const finds = statement.columns().length > 0;
  // The count of changed rows tells enough: RETURNING would cost a third of the statement.
  const execute: Execute = finds
    ? (values) => (statement.get(...values) as Row | undefined) ?? null
    : (values) => (statement.run(...values).changes > 0 ? CHANGED : null);
  const entry = { statement, asks: known.returns.kind === 'rows', execute };
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
