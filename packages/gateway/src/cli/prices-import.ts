/**
 * `prices import FILE`: a published catalogue, or a book of ours, as the prices that are asked before the snapshot's. It is
 * made into a book in the state directory, whole or not at all; running gateways take it up within a second.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Command } from 'commander';
import { countText } from './format.ts';
import { ownPrices } from './prices-own.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { plainText } from './table.ts';

type Flags = { config?: string; stateDir?: string; json?: boolean; date?: string };

const DATE = /^\d{4}-\d\d-\d\d$/;

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--date <day>', 'the day the catalogue is of; today unless told')
    .action(async (file: string, flags: Flags) => {
      await importFile(file, flags, surroundings);
      finish(EXIT.ok);
    });
}

async function importFile(file: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  const date = flags.date ?? new Date().toISOString().slice(0, 10);
  if (!DATE.test(date) || Number.isNaN(Date.parse(date)))
    throw new Failure('--date must be a day like 2026-11-01.', EXIT.usage);
  const { importedFile } = await ownPrices(flags, surroundings);
  const { bookOf } = await import('../prices/catalogues/read.ts');
  const text = readText(file);
  const brought = { name: basename(file), version: date, date, licence: 'as published' };
  const { book, leftOut } = understood(file, () => bookOf(text, brought));
  mkdirSync(dirname(importedFile), { recursive: true, mode: 0o700 });
  writeFileSync(`${importedFile}.new`, JSON.stringify(book), { mode: 0o600 });
  renameSync(`${importedFile}.new`, importedFile);
  const models = Object.values(book.models).reduce((sum, own) => sum + Object.keys(own).length, 0);
  const version = `${book.date}.${book.hash.slice(0, 12)}`;
  const answer = { object: 'import', file: importedFile, version, models, vendors: Object.keys(book.models), leftOut };
  surroundings.stdout(
    flags.json
      ? `${JSON.stringify(answer)}\n`
      : `${countText(models)} models of ${Object.keys(book.models).join(', ')} (book ${version}) are asked before the snapshot from now on.\n` +
          (leftOut.length === 0
            ? ''
            : `${countText(leftOut.length)} models were left out: no price, or billed by more than tokens (--json names them).\n`) +
          `Entries keep their cost; \`prices reprice\` corrects them. Remove ${importedFile} to undo this.\n`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`${plainText(file)} cannot be read: ${(error as Error).message}.`);
  }
}

function understood<Read>(file: string, read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    throw new Failure(`${plainText(file)} is not imported: ${(error as Error).message}.`);
  }
}
