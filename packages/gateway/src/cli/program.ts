/**
 * The command line: which verbs there are, their help, and how every way of ending becomes an exit code. A verb's file is
 * loaded when it is asked for, and only then; what verbs do is in their own files.
 */
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import { type Command, CommanderError, Command as Program } from 'commander';
import { ConfigError } from '../config/findings.ts';
import { EXIT, EXIT_CODES, Failure, type Surroundings } from './surroundings.ts';

/** Adds the verb's options and action to its command. The action returns the exit code. */
export interface Verb {
  define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void;
}

const VERBS: Readonly<Record<string, { summary: string; load: () => Promise<Verb> }>> = {
  serve: { summary: 'start the gateway', load: () => import('./serve.ts') },
  init: { summary: 'write a commented config file', load: () => import('./init.ts') },
  doctor: { summary: 'check the installation and say what is on and off', load: () => import('./doctor.ts') },
  reload: { summary: 'make the running gateway read its configuration again', load: () => import('./reload.ts') },
  token: { summary: 'print the callers’ token', load: () => import('./token.ts') },
  open: { summary: 'print a link that signs in to the page once', load: () => import('./open.ts') },
  models: { summary: 'the configured models and what they were used for', load: () => import('./models.ts') },
  usage: { summary: 'sums of usage and cost, by model, agent, …', load: () => import('./usage.ts') },
  tail: { summary: 'dispatches and other events as they happen', load: () => import('./tail.ts') },
  runs: { summary: 'what is in flight now; `runs stop ID`', load: () => import('./runs.ts') },
  sessions: { summary: 'what is remembered under session keys', load: () => import('./sessions.ts') },
  prices: {
    summary: 'what calls cost and why; corrections where a price was wrong',
    load: () => import('./prices.ts'),
  },
  keys: { summary: 'make, list and revoke the keys of callers', load: () => import('./keys.ts') },
  webhooks: {
    summary: 'who is told of each dispatch, and what was not delivered',
    load: () => import('./webhooks.ts'),
  },
  plugins: { summary: 'the operator’s own code: how it stands, what it failed on', load: () => import('./plugins.ts') },
  ledger: { summary: 'verify, rebuild, export, back up or import the ledger', load: () => import('./ledger.ts') },
  dispatches: {
    summary: 'single dispatches, newest first; `dispatches show ID`',
    load: () => import('./dispatches.ts'),
  },
};

const EXIT_HELP = `
Exit codes:
${EXIT_CODES.map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}\n`).join('')}`;

/** Runs one command line and says how it ended; never rejects. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode: number = EXIT.ok;
  const asked = args.filter((arg) => !arg.startsWith('-') && arg !== 'help')[0];
  try {
    const program = await definedProgram(surroundings, [asked ?? ''], (code) => {
      exitCode = code;
    });
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, surroundings);
  }
}

/** The program with all its verbs, or only those that are named defined in full. */
export async function definedProgram(
  surroundings: Surroundings,
  names: readonly string[] = Object.keys(VERBS),
  finish: (exitCode: number) => void = () => {},
): Promise<Command> {
  const program = new Program('weighbridge')
    .description('The meter in front of your models.')
    .version(WEIGHBRIDGE_VERSION)
    .configureOutput({ writeOut: surroundings.stdout, writeErr: surroundings.stderr })
    .configureHelp({ helpWidth: 100 })
    // `dispatches show ID --json` is the option of `show`, not of `dispatches`.
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for what is possible)')
    .addHelpText('afterAll', EXIT_HELP)
    .exitOverride();
  for (const [name, { summary, load }] of Object.entries(VERBS)) {
    const command = program.command(name).description(summary);
    if (names.includes(name)) (await load()).define(command, surroundings, finish);
  }
  return program;
}

function exitCodeOf(error: unknown, { stderr }: Surroundings): number {
  // Commander has said it already; help that was asked for is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ConfigError) {
    stderr(`weighbridge: ${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof Failure) {
    stderr(`weighbridge: ${error.message}\n`);
    return error.exitCode;
  }
  stderr(`weighbridge: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.failed;
}
