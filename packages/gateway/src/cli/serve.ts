/**
 * `serve`: configuration, gateway, ready line, and an end that drains. Exactly one line goes to stdout, when calls are taken;
 * everything for people goes to stderr, so a supervisor can wait for that line.
 */
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { Command } from 'commander';
import type { Flags } from '../config/inputs.ts';
import type { LoadedConfig } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';
import { makeStateDir } from '../config/secrets.ts';
import { portOwner, portTakenText } from './port-owner.ts';
import { type RunningRecord, reachableUrl, readRunning, removeRunning, writeRunning } from './running.ts';
import { EXIT, Failure, type RunningGateway, type Surroundings } from './surroundings.ts';

/**
 * Under `npm start` one Ctrl-C arrives twice, from the terminal and from npm. No person presses it again that soon.
 */
const SAME_SIGNAL_MS = 250;
const LINGER_MS = 1_000;
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--config <file>', 'config file (also an openclaw.json)')
    .option('--port <port>', 'port; 0 picks a free one')
    .option('--host <address>', 'address to listen on')
    .option('--bind <where>', 'loopback, lan, or an address')
    .option('--state-dir <folder>', 'where ledger and token lie')
    .option(
      '--token <token>',
      'the callers’ token; other users of this machine can see it, WEIGHBRIDGE_TOKEN is better',
    )
    .option('--json', 'the ready line as JSON, for programs')
    .action(async ({ json, ...flags }: Flags & { json?: boolean }) =>
      finish(await serve(flags, surroundings, json === true)),
    );
}

async function serve(flags: Flags, surroundings: Surroundings, json: boolean): Promise<number> {
  const request = { flags, variables: surroundings.variables };
  let reload = (): void => {};
  // From the first moment on: by default this signal ends a program.
  process.on('SIGHUP', () => reload());
  const loaded = await loadConfig({ ...request, createToken: true });
  const { config } = loaded;
  makeStateDir(config.stateDir);
  tellBefore(loaded, surroundings);
  const gateway = await started(loaded, () => surroundings.startGateway(loaded, request));
  const stopped = stopOnSignal(gateway, config.stateDir, surroundings, config.limits.shutdownDrainMs);
  // What became of it is in the log and in /readyz.
  reload = () => void gateway.reload().catch(() => {});
  const running: RunningRecord = {
    url: reachableUrl(gateway.url),
    pid: process.pid,
    startedAt: new Date().toISOString(),
    version: WEIGHBRIDGE_VERSION,
  };
  writeRunning(config.stateDir, running);
  const ready = json ? JSON.stringify({ object: 'gateway', ...running }) : `weighbridge listening on ${gateway.url}`;
  surroundings.stdout(`${ready}\n`);
  await stopped;
  // All is closed; should anything still hold the process, it ends all the same.
  setTimeout(() => process.exit(EXIT.ok), LINGER_MS).unref();
  return EXIT.ok;
}

async function started({ config }: LoadedConfig, start: () => Promise<RunningGateway>): Promise<RunningGateway> {
  try {
    return await start();
  } catch (error) {
    const { host, port, stateDir } = config;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') throw new Failure(portTakenText(host, port, portOwner(port), readRunning(stateDir)));
    if (code === 'EACCES')
      throw new Failure(`port ${port} on ${host} is not allowed to this user: choose one above 1023.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new Failure(`${host} is no address of this machine: choose another with --host.`);
    }
    // A ledger that another gateway holds, a disk that is full: its sentence says what to do, its stack does not.
    if (error instanceof Error && error.name === 'StoreUnavailable') throw new Failure(error.message);
    throw error;
  }
}

function tellBefore({ config, secrets, file, token }: LoadedConfig, surroundings: Surroundings): void {
  const say = (line: string) => surroundings.stderr(`${line}\n`);
  say(`config: ${file ?? 'built-in (no file); `init` writes one'}`);
  for (const warning of config.warnings) say(`warning: ${warning}`);
  if (config.auth.mode === 'none') say('warning: auth.mode is none, every program of this machine may call');
  if (token?.file !== null && token?.file !== undefined) {
    if (token.created && surroundings.stderrIsTerminal) say(`token, made just now: ${secrets.token?.reveal()}`);
    say(`token: in ${token.file}`);
  }
  if (config.providers.has('demo')) {
    say('no provider is configured, so a scripted demo answers, at no cost. To add one, set a key such as');
    say('OPENAI_API_KEY or ANTHROPIC_API_KEY and start again, or write a config file with `init`.');
  }
}

/** Resolves when the gateway has drained and closed after the first signal; a second one exits at once. */
function stopOnSignal(
  gateway: RunningGateway,
  stateDir: string,
  { stderr }: Surroundings,
  drainMs: number,
): Promise<void> {
  // Also when something else ends the process.
  process.once('exit', () => removeRunning(stateDir));
  return new Promise((resolve, reject) => {
    let first: { signal: string; at: number } | null = null;
    const receive = (signal: keyof typeof SIGNALS) => {
      if (first !== null) {
        if (first.signal === signal && performance.now() - first.at < SAME_SIGNAL_MS) return;
        process.exit(128 + SIGNALS[signal]);
      }
      first = { signal, at: performance.now() };
      stderr(`${signal}: waiting up to ${drainMs / 1000} s for calls in flight; once more ends at once\n`);
      gateway.close().then(() => {
        removeRunning(stateDir);
        resolve();
      }, reject);
    };
    for (const signal of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) process.on(signal, () => receive(signal));
  });
}
