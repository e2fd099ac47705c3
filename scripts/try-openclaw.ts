/**
 * `npm run try:openclaw`: installs the real `openclaw` into a scratch folder, puts it behind a real gateway by the commands of
 * docs/openclaw.md and what they print, runs agents' turns, takes everything back, and compares what the provider saw with the
 * ledger. Not part of `npm test`: it downloads 650 MB and takes minutes. `--installed DIR` uses a folder that has it already,
 * `--keep` leaves the scratch folder, `--clients` tries only OpenClaw's clients at the gateway's WebSocket.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { tryClients } from './try-openclaw/clients.ts';
import { compare, entriesOf } from './try-openclaw/compare.ts';
import { blockOf, commandsOf, linesAfter } from './try-openclaw/doc.ts';
import { type Instance, Scratch } from './try-openclaw/openclaw.ts';
import { TryProvider } from './try-openclaw/provider.ts';

const VERSION = '2026.9.6';
const TIME_LIMIT_MS = 15 * 60_000;
const REPOSITORY = join(import.meta.dirname, '..');
const WEIGHBRIDGE_PORT = 18_760;

const { values: flags } = parseArgs({
  options: { installed: { type: 'string' }, keep: { type: 'boolean' }, clients: { type: 'boolean' } },
});
const startedAt = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'try-openclaw-'));
const provider = await TryProvider.start();
const scratch = new Scratch({ folder, modules: flags.installed ?? folder, repository: REPOSITORY });
await scratch.choosePorts(WEIGHBRIDGE_PORT);
const limit = setTimeout(() => {
  say('out of time');
  scratch.killAll();
  process.exit(2);
}, TIME_LIMIT_MS);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    scratch.killAll();
    process.exit(130);
  });
}

try {
  const differences = await tryIt();
  for (const difference of differences) say(`DIFFERENCE: ${difference}`);
  say(differences.length === 0 ? 'every request has its one entry' : `${differences.length} differences`);
  process.exitCode = differences.length === 0 ? 0 : 1;
} finally {
  clearTimeout(limit);
  await scratch.stopAll();
  provider.close();
  if (flags.keep) say(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

async function tryIt(): Promise<string[]> {
  install();
  const original = writeOpenclawFile();
  if (flags.clients) {
    await scratch.shell(blockOf(doc(), 'init'));
    await scratch.startGateway(blockOf(doc(), 'serve'));
    return clients();
  }
  const openclaw = await scratch.startOpenclaw();
  say('openclaw is ready');
  await openclaw.turn('[[plain 1]]', 'before');
  const direct = provider.journal.length;
  if (provider.journal.some(isOurs)) return ['a request came through the gateway before anything was changed'];

  const printed = await scratch.shell(blockOf(doc(), 'init'));
  say(`init printed:\n${printed}`);
  const there = linesAfter(printed, '# OpenClaw through Weighbridge:');
  const back = linesAfter(printed, '# and back:');
  const missing = [...commandsOf(doc(), 'there'), ...commandsOf(doc(), 'back')].filter(
    (line) => ![...there, ...back].includes(line),
  );
  if (missing.length > 0) return missing.map((line) => `docs/openclaw.md has a line that init does not print: ${line}`);
  await scratch.startGateway(blockOf(doc(), 'serve'));
  await all(there);
  await reaches(openclaw, true);
  const before = provider.journal.length;
  await turns(openclaw);
  await over();
  const seen = provider.journal.filter(isOurs);
  say(
    `${seen.length} requests reached the provider through the gateway, ${before - direct} while the change took effect`,
  );
  const differences = compare(seen, entriesOf(scratch.databaseFile), await openclaw.sessions());

  differences.push(...(await clients()));
  await all(back);
  await reaches(openclaw, false);
  const { meta: _meta, ...restored } = JSON.parse(readFileSync(scratch.openclawFile, 'utf8')) as Record<
    string,
    unknown
  >;
  for (const [section, value] of Object.entries(original)) {
    if (JSON.stringify(restored[section]) !== JSON.stringify(value)) {
      differences.push(`after the way back, ${section} of openclaw.json is ${JSON.stringify(restored[section])}`);
    }
  }
  return differences;
}

/** OpenClaw's clients, pointed here: each answers, and each run that they began has its entry with the provider's count. */
async function clients(): Promise<string[]> {
  const token = (await scratch.shell('weighbridge token')).trim();
  const before = entriesOf(scratch.databaseFile).length;
  const { differences, runs } = await tryClients(scratch, { url: `ws://127.0.0.1:${scratch.gatewayPort}`, token, say });
  await over();
  const own = entriesOf(scratch.databaseFile).slice(before);
  const counted = own.filter(({ outcome, usageSource }) => outcome === 'completed' && usageSource === 'reported');
  say(`${own.length} runs of OpenClaw’s clients are in the ledger`);
  if (own.length === runs && counted.length === runs) return differences;
  return [...differences, `${own.length} entries of ${runs} runs, ${counted.length} with the provider’s count`];
}

function install(): void {
  if (flags.installed === undefined) {
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', `openclaw@${VERSION}`], {
      cwd: folder,
      stdio: 'inherit',
    });
  }
  const { version } = JSON.parse(
    readFileSync(join(flags.installed ?? folder, 'node_modules/openclaw/package.json'), 'utf8'),
  ) as { version: string };
  say(`openclaw ${version}`);
}

/** What somebody has who uses OpenClaw with one provider in each dialect, its keys included. */
function writeOpenclawFile(): Record<string, unknown> {
  const { openclawFile, openclawPort, openclawToken } = scratch;
  const model = { id: 'scripted-1', name: 'Scripted', contextWindow: 64_000, maxTokens: 4096 };
  const entry = (api: string, path: string) => ({
    baseUrl: `${provider.origin}${path}`,
    api,
    apiKey: 'sk-vendor',
    models: [model],
  });
  const content = {
    gateway: {
      mode: 'local',
      port: openclawPort,
      auth: { mode: 'token', token: openclawToken },
      http: { endpoints: { chatCompletions: { enabled: true } } },
    },
    models: {
      providers: {
        acme: entry('openai-completions', '/v1'),
        'acme-responses': entry('openai-responses', '/v1'),
        'acme-messages': entry('anthropic-messages', ''),
        'acme-google': entry('google-generative-ai', '/v1beta'),
      },
    },
    agents: { defaults: { model: { primary: 'acme/scripted-1' }, workspace: join(folder, 'workspace') } },
  };
  mkdirSync(join(openclawFile, '..'), { recursive: true });
  writeFileSync(openclawFile, JSON.stringify(content, null, 2));
  return content;
}

/** Each of these is what agents do: turns in parallel, tools, a provider that refuses, somebody who leaves, a compaction. */
async function turns(openclaw: Instance): Promise<void> {
  await step('three turns in three sessions at once, then each again', async () => {
    for (const round of [0, 1]) {
      await Promise.all([0, 1, 2].map((s) => openclaw.turn(`[[plain ${10 + 3 * round + s}]]`, `s${s}`)));
    }
  });
  await step('a turn with two tool calls', () => openclaw.turn('[[tools 20]]', 's0'));
  await step('a turn whose provider refuses twice', () => openclaw.turn('[[retry 30]]', 's1'));
  await step('a turn that is stopped in the middle of its answer', async () => {
    const leaving = new AbortController();
    const answer = openclaw.turn('[[hang 40]]', 's2', { signal: leaving.signal }).catch(() => 'left');
    await provider.asked('[[hang 40]]');
    await sleep(1000);
    leaving.abort();
    await answer;
  });
  await step('a compaction', () => openclaw.call('sessions.compact', { key: 'agent:main:s0' }));
  for (const [index, dialect] of ['acme-responses', 'acme-messages', 'acme-google'].entries()) {
    await step(`a turn by ${dialect}`, () =>
      openclaw.turn(`[[plain ${50 + index}]]`, `d${index}`, { model: `${dialect}/scripted-1` }),
    );
  }
}

async function step(what: string, run: () => Promise<unknown>): Promise<void> {
  const from = provider.journal.length;
  try {
    const answer = await run();
    say(
      `${what}: ${provider.journal.length - from} requests${typeof answer === 'string' ? `, ${answer.slice(0, 300)}` : ''}`,
    );
  } catch (error) {
    say(`${what}: ${provider.journal.length - from} requests, ended with ${(error as Error).message.slice(0, 500)}`);
  }
}

/** OpenClaw takes a changed configuration over by itself, a little later. */
async function reaches(openclaw: Instance, throughGateway: boolean): Promise<void> {
  for (let attempt = 0; attempt < 12; attempt++) {
    const from = provider.journal.length;
    const session = throughGateway ? 'probe' : 'after';
    const answer = await openclaw.turn(`[[plain ${100 + attempt}]]`, session).catch((error: Error) => error.message);
    say(`turn ${attempt + 1} after the change: ${answer.slice(0, 300)}`);
    const last = provider.journal.slice(from).at(-1);
    if (last !== undefined && isOurs(last) === throughGateway) return;
    await sleep(3000);
  }
  throw new Error(`no request ${throughGateway ? 'came through the gateway' : 'came directly'} after the change`);
}

/** Every answer has ended at the provider, and the gateway has drained what callers left. */
async function over(): Promise<void> {
  for (let waited = 0; waited < 60; waited++) {
    const isOver = provider.journal.every(({ end }) => end !== null);
    if (isOver && entriesOf(scratch.databaseFile).every(({ outcome }) => outcome !== null)) return;
    await sleep(500);
  }
}

async function all(lines: readonly string[]): Promise<void> {
  for (const line of lines) say(`$ ${line}\n${(await scratch.shell(line)).trim()}`);
}

function isOurs({ headers }: TryProvider['journal'][number]): boolean {
  return headers['x-weighbridge-hop'] !== undefined;
}

function doc(): string {
  const file = join(REPOSITORY, 'docs/openclaw.md');
  if (!existsSync(file)) throw new Error(`${file} is missing`);
  return readFileSync(file, 'utf8').replaceAll(`:${WEIGHBRIDGE_PORT}`, `:${scratch.gatewayPort}`);
}

function say(text: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
}
