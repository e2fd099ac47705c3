/**
 * `ledger`: what an operator does with the ledger as a whole. These verbs work on the database itself, not through a
 * gateway: those that only read see one moment of it, whatever is written meanwhile; those that write say who must stop.
 */
import { existsSync, realpathSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { type Database, databaseName } from '../domain/config.ts';
import { countText } from './format.ts';
import * as backup from './ledger-backup.ts';
import { failedToOpen, type LedgerFlags, refuseOtherSchema, withSnapshot, withWriter } from './ledger-database.ts';
import * as exports from './ledger-export.ts';
import * as renaming from './ledger-rename.ts';
import { progressBar } from './progress.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

const WORK_NOTE = 'Works on the database itself; give --config or --state-dir where it is not the usual one.';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const verb = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .option('--config <file>', 'config file of the gateway')
      .option('--state-dir <folder>', 'state directory of the gateway')
      .option('--json', 'the result as JSON, for programs');
  command.addHelpText('after', `\n${WORK_NOTE}`);
  verb('verify', 'prove that the ledger agrees with itself: rollups, events, numbers')
    .option('--file <export>', 'check an NDJSON export instead: nothing changed, dropped, added or moved')
    .action(async (flags: LedgerFlags & { file?: string }) => {
      const isRight =
        flags.file === undefined
          ? await verify(flags, surroundings)
          : await exports.verifyFile(flags.file, flags.json === true, surroundings);
      finish(isRight ? EXIT.ok : EXIT.differs);
    });
  verb('rebuild', 'fold all rollups again from the entries').action(async (flags: LedgerFlags) => {
    await rebuild(flags, surroundings);
    finish(EXIT.ok);
  });
  verb('import <file>', 'move the ledger of a SQLite file into the configured, empty database').action(
    async (file: string, flags: LedgerFlags) => {
      await importFile(file, flags, surroundings);
      finish(EXIT.ok);
    },
  );
  backup.define(
    verb('backup <file>', 'copy the ledger to a new SQLite file, under a new ledger id'),
    surroundings,
    finish,
  );
  renaming.define(
    verb('rename', 'give the ledger a new id, where it is a copy made by other means than `ledger backup`'),
    surroundings,
    finish,
  );
  exports.define(
    verb('export', 'settled entries and corrections as lines, in the order of their numbers'),
    surroundings,
    finish,
  );
}

async function verify(flags: LedgerFlags, surroundings: Surroundings): Promise<boolean> {
  const { verifyLedger } = await import('../ledger/verify.ts');
  const bar = progressBar(surroundings);
  const { name, verification } = await withSnapshot(flags, surroundings, async (store, config) => ({
    name: databaseName(config.database),
    verification: await verifyLedger(store, (done, total) => bar.show('folding', done, total)).finally(bar.end),
  }));
  const { ok, entries, open, rollups, events, problems } = verification;
  const counts = `${countText(entries)} entries (${countText(open)} in flight), ${countText(events)} events, ${countText(rollups)} rollups`;
  const text = ok
    ? `${name} agrees with itself: ${counts}.\n`
    : `${name} does NOT agree with itself: ${counts}.\n${problems.map((problem) => `- ${problem}\n`).join('')}\`ledger rebuild\` folds the rollups again; keep a backup first.\n`;
  surroundings.stdout(
    flags.json ? `${JSON.stringify({ object: 'verification', database: name, ...verification })}\n` : text,
  );
  return ok;
}

async function rebuild(flags: LedgerFlags, surroundings: Surroundings): Promise<void> {
  const { config } = await loadConfig({ flags, variables: surroundings.variables });
  const rollups = await withWriter(config.database, [], (store) => store.write<number>('rebuildRollups', null));
  const answer = { object: 'rebuild', database: databaseName(config.database), rollups };
  surroundings.stdout(
    flags.json ? `${JSON.stringify(answer)}\n` : `${countText(rollups)} rollups folded from the entries.\n`,
  );
}

async function importFile(given: string, flags: LedgerFlags, surroundings: Surroundings): Promise<void> {
  const { config } = await loadConfig({ flags, variables: surroundings.variables });
  const { database } = config;
  // By its own name: a link to the configured ledger is that ledger, and the lock of a gateway is on the own name.
  const file = realPath(given);
  if (file === null) throw new Failure(`there is no file ${given}.`);
  if (database.kind === 'sqlite' && file === realPath(database.file)) {
    throw new Failure(`${given} is the configured ledger itself.`);
  }
  const [{ IMPORT_WRITES, importLedger }, { openSnapshot, lockFile }] = await Promise.all([
    import('../ledger/import.ts'),
    import('../store/open.ts'),
  ]);
  const source: Database = { kind: 'sqlite', file };
  const from = await openSnapshot(source).catch(failedToOpen(source));
  // Nobody may write to what is being moved away.
  const lock = await lockFile(file).catch(failedToOpen(source));
  const bar = progressBar(surroundings);
  try {
    await refuseOtherSchema(from, file);
    const imported = await withWriter(database, [IMPORT_WRITES], (to) =>
      importLedger(from, to, ({ step, done, total }) => bar.show(step, done, total)).finally(bar.end),
    );
    const { rows, ledgerId, lastSeq, hash, found } = imported;
    const resumed = found === 0 ? '' : ` (${countText(found)} rows were there from an import that broke off)`;
    surroundings.stdout(
      flags.json
        ? `${JSON.stringify({ object: 'import', from: file, to: databaseName(database), ...imported })}\n`
        : `${ledgerId} is in ${databaseName(database)}${resumed}: ${countText(rows.entries)} entries, ${countText(rows.events)} events, up to number ${countText(lastSeq)}.\nBoth sides give sha256 ${hash}.\nStart gateways on the new database only: ${file} must not be served again.\n`,
    );
  } finally {
    lock.release();
    await from.close();
  }
}

/** Null where there is nothing. */
function realPath(path: string): string | null {
  return existsSync(path) ? realpathSync(path) : null;
}
