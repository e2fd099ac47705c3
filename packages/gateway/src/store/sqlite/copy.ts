/** Copies a database file that may be in use, page by page; and makes any copy one file, checked, under another name. */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { openForReading } from './connection.ts';

/** Pages copied before others get their turn. */
const PAGES_AT_ONCE = 1000;

/** Into an empty file that the caller made. */
export async function copyDatabase(
  from: string,
  to: string,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const source = openForReading(from);
  try {
    await backup(source, to, {
      rate: PAGES_AT_ONCE,
      progress: ({ totalPages, remainingPages }) => onProgress(totalPages - remainingPages, totalPages),
    });
  } finally {
    source.close();
  }
}

/** Checks a copy that nobody uses, gives its ledger another name, and leaves one synced file. Gives the old name. */
export function finishCopy(file: string, newLedgerId: string): { copyOf: string; entries: number } {
  const copy = new DatabaseSync(file);
  try {
    // One file that can be moved: nothing of it may wait in a log beside it.
    copy.exec('pragma journal_mode = delete');
    const [result] = copy.prepare('pragma integrity_check').all();
    if (result?.integrity_check !== 'ok') throw new Error(`the copy is damaged: ${result?.integrity_check}`);
    const row = copy.prepare('select "ledgerId" from ledger').get();
    if (!row) throw new Error('nothing is recorded yet');
    copy.prepare('update ledger set "ledgerId" = ?').run(newLedgerId);
    const { entries } = copy.prepare('select count(*) as entries from entries').get() as { entries: number };
    return { copyOf: String(row.ledgerId), entries };
  } finally {
    copy.close();
    const descriptor = openSync(file, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
}
