/**
 * `reload`: the running gateway reads its configuration again. Asked over HTTP it answers what changed. When it does not
 * accept our token (the new token is what it shall read, or the file gives none) it is sent SIGHUP instead, which only
 * the same user of the same machine may, and `/readyz` then says how that ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { readEnvironment } from '../config/environment.ts';
import { stateDirOf } from '../config/file.ts';
import type { Flags } from '../config/inputs.ts';
import { loadConfig } from '../config/load.ts';
import type { ConfigStanding, ReloadReport } from '../domain/reload.ts';
import { type RunningRecord, readRunning } from './running.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

type ReloadFlags = Pick<Flags, 'config' | 'stateDir' | 'token'> & { url?: string; json?: boolean };

const ANSWER_TIMEOUT_MS = 10_000;
const LOOK_EVERY_MS = 50;

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--url <url>', 'the gateway at this address')
    .option('--token <token>', 'with this token; WEIGHBRIDGE_TOKEN is better')
    .option('--config <file>', 'config file of the local gateway')
    .option('--state-dir <folder>', 'state directory of the local gateway')
    .option('--json', 'the answer as JSON, for programs')
    .action(async ({ json, ...flags }: ReloadFlags) => {
      const report = await reloaded(flags, surroundings);
      surroundings.stdout(json ? `${JSON.stringify(report)}\n` : textOf(report));
      finish(EXIT.ok);
    });
}

async function reloaded({ url, ...flags }: ReloadFlags, { variables }: Surroundings): Promise<Partial<ReloadReport>> {
  const local = readRunning(stateDirOf(flags, readEnvironment(variables)));
  const at = url ?? local?.url;
  if (at === undefined)
    throw new Failure('no gateway runs on this state directory; say which with --state-dir or --url.');
  // A file that is refused is said here already, by the same words, before anybody is asked.
  const { secrets } = url === undefined ? await loadConfig({ flags, variables }) : { secrets: null };
  const token = flags.token ?? (secrets?.token ?? secrets?.password)?.reveal() ?? variables.WEIGHBRIDGE_TOKEN;
  const answer = await asked(`${at}/api/v1/reload`, {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  if (answer.ok) return (await answer.json()) as ReloadReport;
  if (answer.status === 401 && local !== null && url === undefined) return bySignal(local);
  const { error } = (await answer.json()) as { error: { message: string } };
  throw new Failure(`the gateway at ${at} says: ${error.message}`);
}

async function bySignal({ url, pid }: RunningRecord): Promise<Partial<ReloadReport>> {
  const before = await standingOf(url);
  try {
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new Failure(`the gateway does not accept this token, and process ${pid} takes no signal from us (${code}).`);
  }
  const deadline = performance.now() + ANSWER_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const now = await standingOf(url);
    if (now.reloads > before.reloads && !now.stale) return { object: 'reload' };
    if (now.reloads > before.reloads) {
      throw new Failure('the gateway refused its configuration and goes on with the one before; its log says why.');
    }
    await sleep(LOOK_EVERY_MS);
  }
  throw new Failure(
    `process ${pid} was sent SIGHUP but did not say within ${ANSWER_TIMEOUT_MS / 1000} s that it reloaded.`,
  );
}

async function standingOf(url: string): Promise<ConfigStanding> {
  const { config } = (await (await asked(`${url}/readyz`)).json()) as { config: ConfigStanding };
  return config;
}

async function asked(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  } catch {
    throw new Failure(`no gateway answers at ${new URL(url).origin}.`);
  }
}

function textOf({ file, changed, needsRestart = [], warnings = [] }: Partial<ReloadReport>): string {
  const what = changed === undefined ? 'by signal; its log says what changed' : changed.join(', ') || 'nothing changed';
  return [
    `reloaded${file ? ` ${file}` : ''}: ${what}`,
    ...(needsRestart.length > 0 ? [`waits for the next start: ${needsRestart.join(', ')}`] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
    '',
  ].join('\n');
}
