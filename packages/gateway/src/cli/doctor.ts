/**
 * `doctor`: one line for each thing that a gateway needs, what is on, what is off and why, and every limit with its reason.
 * It changes nothing: no token is made, no ledger created; only with `--live` is anybody else asked. Exit code 3 when
 * something would keep a gateway from working. What it looks at is in the `check` files beside this.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WeighbridgeClient } from '@weighbridge/client';
import type { Command } from 'commander';
import { ConfigError } from '../config/findings.ts';
import type { Flags } from '../config/inputs.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { openToOthers } from '../config/secrets.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { type Check, checksText } from './check.ts';
import { pluginChecks } from './check-plugins.ts';
import { agentsCheck, liveCheck, providerCheck } from './check-providers.ts';
import { offChecks, settingsText, warningChecks } from './check-settings.ts';
import { storeChecks } from './check-store.ts';
import { portOwner } from './port-owner.ts';
import { type RunningRecord, readRunning } from './running.ts';
import { EXIT, type Surroundings } from './surroundings.ts';

const NODE_MAJOR_MIN = 24;
const PROBE_TIMEOUT_MS = 2_000;

/** What the probe says beyond what a client needs. */
type Readiness = Awaited<ReturnType<WeighbridgeClient['ready']>> & { load?: { shedding: boolean } | null };

interface Examined {
  checks: Check[];
  settings: LoadedConfig['settings'];
}

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--config <file>', 'config file')
    .option('--state-dir <folder>', 'state directory')
    .option('--live', 'ask each provider for its list of models, which is never billed')
    .option('--json', 'checks and options as JSON, for programs')
    .action(async ({ json, live, ...flags }: Flags & { json?: boolean; live?: boolean }) => {
      const { checks, settings } = await examine(flags, live === true, surroundings);
      const ok = checks.every(({ verdict }) => verdict !== 'failure');
      const text = settings.length === 0 ? '' : `\n${settingsText(settings)}`;
      surroundings.stdout(
        json ? `${JSON.stringify({ object: 'doctor', ok, data: checks, settings })}\n` : checksText(checks) + text,
      );
      finish(ok ? EXIT.ok : EXIT.differs);
    });
}

async function examine(flags: Flags, live: boolean, { variables }: Surroundings): Promise<Examined> {
  const node = nodeCheck();
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig({ flags, variables });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { checks: [node, ...error.problems.map(problemCheck)], settings: [] };
  }
  const { config, file, settings } = loaded;
  const providers = [...config.providers.values()];
  // Side by side: one that does not answer must not make the others wait.
  const asked = live ? await Promise.all(providers.map((provider) => liveCheck(provider))) : [];
  const checks = [
    node,
    { subject: 'config', verdict: 'ok' as const, text: file ?? 'built-in (no file)' },
    ...warningChecks(loaded),
    stateDirCheck(config.stateDir),
    tokenCheck(loaded),
    await gatewayCheck(config),
    ...(await storeChecks(config)),
    ...providers.map(providerCheck),
    ...asked.filter((check) => check !== null),
    await pricesCheck(config),
    agentsCheck(config.agents),
    ...(await pluginChecks(config.plugins, config.stateDir)),
    ...offChecks(loaded),
  ];
  return { checks, settings };
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

async function gatewayCheck(config: GatewayConfig): Promise<Check> {
  const running = readRunning(config.stateDir);
  const ready = running === null ? null : await readiness(running);
  return ready ?? notRunning(config, running);
}

async function readiness({ url, pid }: RunningRecord): Promise<Check | null> {
  try {
    const client = new WeighbridgeClient({ url, token: null, timeoutMs: PROBE_TIMEOUT_MS });
    const { ready, failing = [], load }: Readiness = await client.ready();
    if (!ready)
      return { subject: 'gateway', verdict: 'failure', text: `at ${url} takes no calls: ${failing.join(', ')}` };
    if (load?.shedding)
      return { subject: 'gateway', verdict: 'warning', text: `at ${url} is overloaded and sheds calls` };
    return { subject: 'gateway', verdict: 'ok', text: `runs at ${url}, process ${pid}` };
  } catch {
    return null;
  }
}

function notRunning({ host, port }: GatewayConfig, stale: RunningRecord | null): Check {
  const owner = port === 0 ? null : portOwner(port);
  if (owner !== null) {
    const text = `does not run, and port ${port} on ${host} is taken by process ${owner.pid} (${owner.command})`;
    return { subject: 'gateway', verdict: 'failure', text };
  }
  const died = stale === null ? '' : `; the last one (process ${stale.pid}) did not end by itself`;
  return { subject: 'gateway', verdict: 'note', text: `does not run${died}` };
}

async function pricesCheck({ stateDir }: GatewayConfig): Promise<Check> {
  const { IMPORTED_PRICES, Prices } = await import('../prices/prices.ts');
  const problems: string[] = [];
  const prices = new Prices({ importedFile: join(stateDir, IMPORTED_PRICES), report: (text) => problems.push(text) });
  const text = prices
    .books()
    .map(({ source, book }) => `${source} of ${book.date} (${book.version})`)
    .join(', then ');
  if (problems.length > 0) return { subject: 'prices', verdict: 'warning', text: `${text}; ${problems.join('; ')}` };
  return { subject: 'prices', verdict: 'ok', text };
}
