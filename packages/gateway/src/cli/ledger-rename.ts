/** `ledger rename`: a new ledger id for a database that was copied by other means than `ledger backup`. */
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { databaseName } from '../domain/config.ts';
import type { Renamed } from '../ledger/rename-scripts.ts';
import { type LedgerFlags, withWriter } from './ledger-database.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command.action(async (flags: LedgerFlags) => {
    await rename(flags, surroundings);
    finish(EXIT.ok);
  });
}

async function rename(flags: LedgerFlags, { variables, stdout }: Surroundings): Promise<void> {
  const { database } = (await loadConfig({ flags, variables })).config;
  const [{ RENAME_WRITES }, { IdSource }] = await Promise.all([import('../ledger/rename.ts'), import('../lib/ids.ts')]);
  const renamed = await withWriter(database, [RENAME_WRITES], (store) =>
    store.write<Renamed>('renameLedger', new IdSource().next('led')),
  );
  const name = databaseName(database);
  if (renamed === null) throw new Failure(`nothing is recorded yet in ${name}, so there is no name to change.`);
  if ('living' in renamed) {
    throw new Failure(
      `${renamed.living} gateway(s) have ${name} open. Stop them; one that was killed counts until its lease runs out (ledger.instanceLeaseMs).`,
    );
  }
  const { ledgerId, copyOf } = renamed;
  const answer = { object: 'rename', database: name, ledgerId, copyOf };
  stdout(flags.json ? `${JSON.stringify(answer)}\n` : `${name} was ledger ${copyOf} and is ledger ${ledgerId} now.\n`);
}
