/** `ledger export`: lines to stdout or into a new file. `ledger verify --file`: the check of such lines. */
import { createReadStream, existsSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Store } from '../store/store.ts';
import { countText, pastMs } from './format.ts';
import { type LedgerFlags, withSnapshot } from './ledger-database.ts';
import { type ProgressBar, progressBar } from './progress.ts';
import { cleanUpOnSignal } from './signals.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

type ExportFlags = LedgerFlags & { format: string; from?: string; to?: string; out?: string };

const FORMATS = ['ndjson', 'csv'];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--format <format>', FORMATS.join(' or '), 'ndjson')
    .option('--from <when>', 'settled since: ISO 8601 time, or how long ago: 30m, 24h, 7d, 2w (default: the beginning)')
    .option('--to <when>', 'settled before: the same (default: the end)')
    .option('--out <file>', 'a new file instead of stdout; with it, --json says what was written')
    .action(async (flags: ExportFlags) => {
      await exportLines(flags, surroundings);
      finish(EXIT.ok);
    });
}

async function exportLines(flags: ExportFlags, surroundings: Surroundings): Promise<void> {
  if (!FORMATS.includes(flags.format)) throw new Failure(`--format must be ${FORMATS.join(' or ')}.`, EXIT.usage);
  if (flags.json && flags.out === undefined && flags.format === 'csv') {
    throw new Failure(
      '--json and --format csv contradict each other on stdout; give --out, or leave one away.',
      EXIT.usage,
    );
  }
  const now = Date.now();
  const question = { fromMs: momentOf(flags.from, '--from', now) ?? 0, toMs: momentOf(flags.to, '--to', now) };
  if (question.toMs !== null && question.fromMs > question.toMs)
    throw new Failure('--from lies after --to.', EXIT.usage);
  const { countSettled, csvLines, ndjsonLines } = await import('../ledger/export.ts');
  const bar = progressBar(surroundings);
  let count = 0;
  await withSnapshot(flags, surroundings, async (store) => {
    const ledgerId = await ledgerIdOf(store);
    // Counting reads the whole log, so it is done only for a bar that somebody sees.
    const total = surroundings.stderrIsTerminal ? await countSettled(store, question) : 0;
    const onProgress = (done: number): void => {
      count = done;
      bar.show('exporting', done, total);
    };
    const lines =
      flags.format === 'csv'
        ? csvLines(store, question, onProgress)
        : ndjsonLines(store, ledgerId, question, onProgress);
    await writeLines(lines, flags.out, surroundings).finally(bar.end);
  });
  if (flags.out === undefined) return;
  const answer = { object: 'export', file: flags.out, format: flags.format, entries: count };
  surroundings.stdout(
    flags.json ? `${JSON.stringify(answer)}\n` : `${countText(count)} entries written to ${flags.out}.\n`,
  );
}

async function writeLines(
  lines: AsyncIterable<string>,
  out: string | undefined,
  surroundings: Surroundings,
): Promise<void> {
  if (out === undefined) {
    for await (const text of lines) await surroundings.write(text);
    return;
  }
  if (existsSync(out)) throw new Failure(`${out} exists already; nothing is written over.`);
  const file = await open(out, 'wx', 0o600);
  const stopListening = cleanUpOnSignal(() => rmSync(out, { force: true }));
  try {
    for await (const text of lines) await file.writeFile(text);
    await file.sync();
  } catch (error) {
    // This export made it, and half of it must not pass for the whole.
    rmSync(out, { force: true });
    throw error;
  } finally {
    stopListening();
    await file.close();
  }
}

async function ledgerIdOf(store: Store): Promise<string> {
  const query = store.queries.selectFrom('ledger').select('ledgerId');
  const [ledger] = await store.read<{ ledgerId: string }>(query.compile());
  if (!ledger) throw new Failure('nothing is recorded yet.');
  return ledger.ledgerId;
}

function momentOf(text: string | undefined, flag: string, now: number): number | null {
  if (text === undefined) return null;
  const ms = pastMs(text, now);
  if (ms !== null) return ms;
  throw new Failure(`${flag} must be an ISO 8601 time or how long ago (30m, 24h, 7d, 2w).`, EXIT.usage);
}

/** True when the export is as it was written. */
export async function verifyFile(file: string, json: boolean, surroundings: Surroundings): Promise<boolean> {
  if (!existsSync(file)) throw new Failure(`there is no file ${file}.`);
  const { checkExport } = await import('../ledger/export.ts');
  const bar = progressBar(surroundings);
  const check = await checkExport(linesOf(file, bar)).finally(bar.end);
  const isRight = check.problem === null;
  const text = isRight
    ? `${file} is as it was written: ${countText(check.entries)} entries of ${check.ledgerId}.\n`
    : `${file} is NOT as it was written: ${check.problem}.\n`;
  surroundings.stdout(json ? `${JSON.stringify({ object: 'exportCheck', ok: isRight, ...check })}\n` : text);
  return isRight;
}

async function* linesOf(file: string, bar: ProgressBar): AsyncGenerator<string> {
  const { size } = statSync(file);
  const input = createReadStream(file);
  for await (const line of createInterface({ input, crlfDelay: 0 })) {
    bar.show('checking', input.bytesRead, size);
    yield line;
  }
}
