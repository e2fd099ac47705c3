/**
 * `doctor`: one line for each thing that a gateway needs, what is on, what is off and why. It changes nothing: no token is
 * made, no ledger created. Exit code 3 when something would keep a gateway from working.
 */
import { existsSync, statSync } from 'node:fs';
import { WeighbridgeClient } from '@weighbridge/client';
import type { Command } from 'commander';
import type { Flags } from '../config/decide.ts';
import { ConfigError } from '../config/findings.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { openToOthers } from '../config/secrets.ts';
import { databaseName, type GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import { portOwner } from './port-owner.ts';
import { type RunningRecord, readRunning } from './running.ts';
import { EXIT, type Surroundings } from './surroundings.ts';

export type Verdict = 'ok' | 'note' | 'warning' | 'failure';

export interface Check {
  subject: string;
  verdict: Verdict;
  text: string;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: 'ok      ',
  note: '        ',
  warning: 'warning ',
  failure: 'FAILURE ',
};
const NODE_MAJOR_MIN = 24;
const PROBE_TIMEOUT_MS = 2_000;

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--config <file>', 'config file')
    .option('--state-dir <folder>', 'state directory')
    .option('--json', 'the checks as JSON, for programs')
    .action(async ({ json, ...flags }: Flags & { json?: boolean }) => {
      const checks = await examine(flags, surroundings);
      surroundings.stdout(json ? `${JSON.stringify({ object: 'list', data: checks })}\n` : checksText(checks));
      finish(checks.some(({ verdict }) => verdict === 'failure') ? EXIT.differs : EXIT.ok);
    });
}

export function checksText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ subject }) => subject.length));
  return checks.map(({ subject, verdict, text }) => `${MARKS[verdict]}${subject.padEnd(width)}  ${text}\n`).join('');
}

async function examine(flags: Flags, { variables }: Surroundings): Promise<Check[]> {
  const node = nodeCheck();
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig({ flags, variables });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [node, ...error.problems.map(problemCheck)];
  }
  const { config, file } = loaded;
  return [
    node,
    { subject: 'config', verdict: 'ok', text: file ?? 'built-in (no file)' },
    stateDirCheck(config.stateDir),
    tokenCheck(loaded),
    ...(await gatewayChecks(config)),
    ...[...config.providers.values()].map(providerCheck),
    agentsCheck(config.agents),
    ...config.warnings.map((text): Check => ({ subject: 'config', verdict: 'warning', text })),
  ];
}

function nodeCheck(): Check {
  const isEnough = Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN;
  return { subject: 'node', verdict: isEnough ? 'ok' : 'failure', text: process.version };
}

function problemCheck({ path, message, hint }: ConfigError['problems'][number]): Check {
  return { subject: 'config', verdict: 'failure', text: `${path}: ${message}${hint === null ? '' : ` ${hint}`}` };
}

function stateDirCheck(stateDir: string): Check {
  const subject = 'state directory';
  if (!existsSync(stateDir))
    return { subject, verdict: 'note', text: `${stateDir} does not exist yet; serve makes it` };
  if (!statSync(stateDir).isDirectory()) return { subject, verdict: 'failure', text: `${stateDir} is not a directory` };
  if (openToOthers(stateDir)) {
    return { subject, verdict: 'warning', text: `${stateDir} can be read by other users; chmod 700 it` };
  }
  return { subject, verdict: 'ok', text: stateDir };
}

function tokenCheck({ config, secrets, token }: LoadedConfig): Check {
  const subject = 'credential';
  const { mode } = config.auth;
  if (mode === 'none') return { subject, verdict: 'warning', text: 'none: every program of this machine may call' };
  if (mode === 'password') return { subject, verdict: 'ok', text: 'password' };
  if (secrets.token === null) return { subject, verdict: 'note', text: 'no token yet; serve makes one' };
  return { subject, verdict: 'ok', text: `token from ${token?.from}` };
}

async function gatewayChecks(config: GatewayConfig): Promise<Check[]> {
  const running = readRunning(config.stateDir);
  const ready = running === null ? null : await readiness(running);
  const gateway = ready ?? (await notRunning(config, running));
  return [gateway, await ledgerCheck(config)];
}

async function readiness({ url, pid }: RunningRecord): Promise<Check | null> {
  try {
    const { ready, failing = [] } = await new WeighbridgeClient({
      url,
      token: null,
      timeoutMs: PROBE_TIMEOUT_MS,
    }).ready();
    if (ready) return { subject: 'gateway', verdict: 'ok', text: `runs at ${url}, process ${pid}` };
    return { subject: 'gateway', verdict: 'failure', text: `at ${url} takes no calls: ${failing.join(', ')}` };
  } catch {
    return null;
  }
}

async function notRunning({ host, port }: GatewayConfig, stale: RunningRecord | null): Promise<Check> {
  const owner = port === 0 ? null : portOwner(port);
  if (owner !== null) {
    const text = `does not run, and port ${port} on ${host} is taken by process ${owner.pid} (${owner.command})`;
    return { subject: 'gateway', verdict: 'failure', text };
  }
  const died = stale === null ? '' : `; the last one (process ${stale.pid}) did not end by itself`;
  return { subject: 'gateway', verdict: 'note', text: `does not run${died}` };
}

async function ledgerCheck({ database }: GatewayConfig): Promise<Check> {
  const subject = 'ledger';
  const name = databaseName(database);
  if (database.kind === 'sqlite' && !existsSync(database.file)) {
    return { subject, verdict: 'note', text: `${name} does not exist yet` };
  }
  try {
    const { openReadOnlyStore } = await import('../store/open.ts');
    const store = await openReadOnlyStore(database);
    const [row] = await store.read<{ lastSeq: number }>(store.queries.selectFrom('ledger').select('lastSeq').compile());
    await store.close();
    return { subject, verdict: 'ok', text: `${name}, ${row?.lastSeq ?? 0} events` };
  } catch (error) {
    return {
      subject,
      verdict: 'failure',
      text: `${name}: ${error instanceof Error ? error.message : 'cannot be read'}`,
    };
  }
}

function providerCheck({ id, kind, baseUrl, api, credential, models }: Provider): Check {
  const subject = `provider ${id}`;
  if (kind === 'demo') return { subject, verdict: 'note', text: 'a scripted demo, because no provider is configured' };
  const priced = models.filter(({ price }) => price !== null).length;
  const listed =
    models.length === 0 ? 'no models listed, so none has a price' : `${priced} of ${models.length} models have a price`;
  return {
    subject,
    verdict: 'ok',
    text: `${baseUrl}, ${api}, ${credential === null ? 'no key' : 'with a key'}, ${listed}`,
  };
}

function agentsCheck({ byId, defaultId }: GatewayConfig['agents']): Check {
  if (byId.size === 0) return { subject: 'agents', verdict: 'note', text: 'none' };
  const named = [...byId.values()].map(({ id, model }) => `${id} (${model})`).join(', ');
  return { subject: 'agents', verdict: 'ok', text: `${named}; default: ${defaultId ?? 'none'}` };
}
