/**
 * `ledger backup`: one SQLite file of the ledger, from either engine, while gateways go on; checked after it was made. The
 * copy is another ledger from its first moment: it gets a new ledger id, because numbers given after the backup would
 * otherwise mean two things to whoever followed the old one.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { type Database, databaseName } from '../domain/config.ts';
import { countText } from './format.ts';
import { failedToOpen, type LedgerFlags, refuseOtherSchema, withWriter } from './ledger-database.ts';
import { type ProgressBar, progressBar } from './progress.ts';
import { cleanUpOnSignal } from './signals.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command.action(async (file: string, flags: LedgerFlags) => {
    await backUp(file, flags, surroundings);
    finish(EXIT.ok);
  });
}

async function backUp(file: string, flags: LedgerFlags, surroundings: Surroundings): Promise<void> {
  const { database } = (await loadConfig({ flags, variables: surroundings.variables })).config;
  if (existsSync(file)) throw new Failure(`${file} exists already; nothing is written over.`);
  const { IdSource } = await import('../lib/ids.ts');
  const ledgerId = new IdSource().next('led');
  // Under its own name only when it is whole: what a break leaves is no backup.
  const draft = makeDraft(file);
  const stopListening = cleanUpOnSignal(() => removeDraft(draft));
  const bar = progressBar(surroundings);
  try {
    const { copyOf, entries, verified } = await checkedCopy(database, draft, ledgerId, bar);
    moveDraft(draft, file);
    bar.end();
    const answer = { object: 'backup', file, ledgerId, copyOf, entries, verified };
    const checked = verified ? 'checked' : 'checked for damage only, because its tables are another version’s';
    const text = `${file}: ${countText(entries)} entries of ${copyOf}, ${checked}. The copy is ledger ${ledgerId}.\n`;
    surroundings.stdout(flags.json ? `${JSON.stringify(answer)}\n` : text);
  } finally {
    bar.end();
    removeDraft(draft);
    stopListening();
  }
}

async function checkedCopy(
  database: Database,
  draft: string,
  newLedgerId: string,
  bar: ProgressBar,
): Promise<{ copyOf: string; entries: number; verified: boolean }> {
  const [{ finishCopy }, { openSnapshot }, { schemaFacts }] = await Promise.all([
    import('../store/sqlite/copy.ts'),
    import('../store/open.ts'),
    import('../store/facts.ts'),
  ]);
  if (database.kind === 'sqlite') await copyFile(database.file, draft, bar);
  else await copyFromServer(database, draft, bar);
  const { copyOf, entries } = finishCopy(draft, newLedgerId);
  const copy = await openSnapshot({ kind: 'sqlite', file: draft });
  try {
    // A new program may be there before the old gateway has stopped; its file must stay readable by the old one.
    const { pending, unknown } = await schemaFacts(copy);
    if (pending.length + unknown.length > 0) return { copyOf, entries, verified: false };
    const { verifyLedger } = await import('../ledger/verify.ts');
    const verification = await verifyLedger(copy, (done, total) => bar.show('verifying', done, total));
    if (!verification.ok) throw new Failure(`the copy does not agree with itself: ${verification.problems[0]}`);
    return { copyOf, entries: verification.entries, verified: true };
  } finally {
    await copy.close();
  }
}

async function copyFile(file: string, draft: string, bar: ProgressBar): Promise<void> {
  if (!existsSync(file)) throw new Failure(`nothing is recorded yet: there is no ledger at ${file}.`);
  const { copyDatabase } = await import('../store/sqlite/copy.ts');
  await copyDatabase(file, draft, (done, total) => bar.show('copying', done, total));
}

/** Row by row, from one moment of the server's, and compared with it afterwards. */
async function copyFromServer(database: Database, draft: string, bar: ProgressBar): Promise<void> {
  const [{ IMPORT_WRITES, importLedger }, { openSnapshot }] = await Promise.all([
    import('../ledger/import.ts'),
    import('../store/open.ts'),
  ]);
  const from = await openSnapshot(database).catch(failedToOpen(database));
  try {
    await refuseOtherSchema(from, databaseName(database));
    await withWriter({ kind: 'sqlite', file: draft }, [IMPORT_WRITES], (to) =>
      importLedger(from, to, ({ step, done, total }) => bar.show(step, done, total)),
    );
  } finally {
    await from.close();
  }
}

/** Made by this backup alone, closed to others, before SQLite sees it. What is there already is never taken. */
function makeDraft(file: string): string {
  const draft = `${file}.${process.pid}.part`;
  try {
    closeSync(openSync(draft, 'wx', 0o600));
    return draft;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new Failure(`${draft} is left of a backup that broke off; remove it.`);
    throw new Failure(`${draft} cannot be written (${code}).`);
  }
}

/** A file that came into being meanwhile is not written over, where the file system can tell. */
function moveDraft(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Failure(`${file} exists by now; nothing is written over.`);
    }
    // A file system without links.
    renameSync(draft, file);
  }
  // A backup that is on disk under no name is none.
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

function removeDraft(draft: string): void {
  for (const name of [
    draft,
    `${draft}-wal`,
    `${draft}-shm`,
    `${draft}-journal`,
    `${draft}.lock`,
    `${draft}.lock-journal`,
  ]) {
    rmSync(name, { force: true });
  }
}
