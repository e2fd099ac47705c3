/**
 * Opens the database file with the settings that our promises rest on. Both threads and the migration go through here;
 * it imports `node:sqlite` and nothing else of weight, because worker threads start with it.
 */
import { DatabaseSync } from 'node:sqlite';

/** Milliseconds a statement waits for another process's lock before it gives up. */
export const BUSY_TIMEOUT_MS = 1000;
/** Pages in the write-ahead log before they are copied into the file: fewer, larger copies of the same hot pages. */
const CHECKPOINT_PAGES = 4000;
/** Kilobytes of page cache for a connection. */
const CACHE_KIB = 8192;

export function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  db.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.exec('pragma journal_mode = wal');
  db.exec('pragma synchronous = full');
  db.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.exec(`pragma cache_size = -${CACHE_KIB}`);
  db.exec('pragma temp_store = memory');
  return db;
}

export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true });
  db.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.exec(`pragma cache_size = -${CACHE_KIB}`);
  db.exec('pragma temp_store = memory');
  return db;
}
