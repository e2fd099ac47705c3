/**
 * `ledger backup`: a copy of the SQLite file while the gateway goes on, checked after it was made. The copy is another
 * ledger from its first moment: it gets a new ledger id, because numbers given after the backup would otherwise mean two
 * things to whoever followed the old one.
 */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { countText } from './format.ts';
import type { LedgerFlags } from './ledger-database.ts';
import { progressBar } from './progress.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command.action(async (file: string, flags: LedgerFlags) => {
    await backUp(file, flags, surroundings);
    finish(EXIT.ok);
  });
}

async function backUp(file: string, flags: LedgerFlags, surroundings: Surroundings): Promise<void> {
  const { config } = await loadConfig({ flags, variables: surroundings.variables });
  const { database } = config;
  if (database.kind === 'postgres') {
    throw new Failure(
      'this ledger is on PostgreSQL: use pg_dump, and give what you restore a new ledger id (docs/operations.md).',
    );
  }
  if (!existsSync(database.file)) throw new Failure(`nothing is recorded yet: there is no ledger at ${database.file}.`);
  if (existsSync(file)) throw new Failure(`${file} exists already; nothing is written over.`);
  const [{ copyDatabase }, { openSnapshot }, { verifyLedger }, { IdSource }] = await Promise.all([
    import('../store/sqlite/copy.ts'),
    import('../store/open.ts'),
    import('../ledger/verify.ts'),
    import('../lib/ids.ts'),
  ]);
  const bar = progressBar(surroundings);
  try {
    const newLedgerId = new IdSource().next('led');
    const { ledgerId } = await copyDatabase(database.file, file, newLedgerId, (done, total) =>
      bar.show('copying', done, total),
    );
    chmodSync(file, 0o600);
    const copy = await openSnapshot({ kind: 'sqlite', file });
    const verification = await verifyLedger(copy, (done, total) => bar.show('verifying', done, total));
    await copy.close();
    bar.end();
    if (!verification.ok) throw new Failure(`the copy does not agree with itself: ${verification.problems[0]}`);
    const answer = { object: 'backup', file, ledgerId: newLedgerId, copyOf: ledgerId, entries: verification.entries };
    surroundings.stdout(
      flags.json
        ? `${JSON.stringify(answer)}\n`
        : `${file}: ${countText(verification.entries)} entries of ${ledgerId}, checked. The copy is ledger ${newLedgerId}.\n`,
    );
  } catch (error) {
    bar.end();
    rmSync(file, { force: true });
    throw error;
  }
}
