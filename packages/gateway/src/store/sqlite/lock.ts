/**
 * One gateway per database file. The lock is an exclusive SQLite transaction on a file beside the database: the operating
 * system drops it when its owner dies, however it dies, so there is no stale lock to clean up.
 */
import { chmodSync, existsSync, realpathSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailable } from '../store.ts';

/** A starting gateway waits this long for the one before it to let go. */
export const LOCK_WAIT_MS = 5000;
const POLL_MS = 25;

export interface FileLock {
  release(): void;
}

/** Another living process holds the database. */
export class DatabaseInUse extends StoreUnavailable {
  constructor(file: string) {
    super(
      `another Weighbridge is using ${file}: one gateway per SQLite file. Stop it, or start this one with another --state-dir`,
    );
  }
}

/** Takes the lock, waiting up to `waitMs` for its owner to go. */
export async function lockDatabase(file: string, waitMs: number = LOCK_WAIT_MS): Promise<FileLock> {
  const deadline = performance.now() + waitMs;
  // Whoever comes by a link meets whoever came by the file's own name.
  const own = existsSync(file) ? realpathSync(file) : file;
  while (true) {
    const lock = tryLock(`${own}.lock`);
    if (lock) return lock;
    if (performance.now() >= deadline) throw new DatabaseInUse(file);
    await sleep(POLL_MS);
  }
}

function tryLock(lockFile: string): FileLock | null {
  const db = new DatabaseSync(lockFile);
  try {
    db.exec('pragma busy_timeout = 0');
    db.exec('pragma journal_mode = delete');
    db.exec('begin exclusive');
    chmodSync(lockFile, 0o600);
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if (isBusy(error)) return null;
    throw error;
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && (code & 0xff) === 5;
}
