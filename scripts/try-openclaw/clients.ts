/**
 * OpenClaw's own clients at the gateway's WebSocket, as somebody would call them: the CLI's commands one after the other, the
 * ACP bridge over its standard input, the terminal UI in a terminal. Each must answer, and a run of each must be in the ledger.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scratch } from './openclaw.ts';

const ANSWER_MS = 120_000;

interface Rung {
  name: string;
  command: string;
  /** What its answer must show. */
  shows: RegExp;
}

export interface ClientsTried {
  differences: string[];
  /** Runs of agents that were begun. */
  runs: number;
}

export async function tryClients(
  scratch: Scratch,
  { url, token, say }: { url: string; token: string; say: (text: string) => void },
): Promise<ClientsTried> {
  const differences: string[] = [];
  const client = scratch.remoteProfile(url, token);
  for (const { name, command, shows } of rungs(url, token)) {
    const answer = await scratch
      .shell(`${client} openclaw ${command}`)
      .catch((error: Error) => `failed: ${error.message}`);
    const isGood = shows.test(answer);
    say(`openclaw ${name}: ${isGood ? 'as it should' : answer.slice(0, 400)}`);
    if (!isGood) differences.push(`openclaw ${name} answered ${answer.slice(0, 200)}`);
  }
  for (const [name, run] of [
    ['acp', () => acp(scratch, client, url, token)],
    ['tui', () => tui(scratch, client, url, token)],
  ] as const) {
    const said = await run().catch((error: Error) => `failed: ${error.message}`);
    const isGood = /The answer \d+/.test(said);
    say(`openclaw ${name}: ${isGood ? 'as it should' : said.slice(-400)}`);
    if (!isGood) differences.push(`openclaw ${name} showed ${said.slice(-200)}`);
  }
  return { differences, runs: 4 };
}

function rungs(url: string, token: string): Rung[] {
  const there = `--url ${url} --token ${token}`;
  const of = (name: string, command: string, shows: RegExp): Rung => ({ name, command, shows });
  return [
    of('gateway call health', `gateway call health ${there} --json`, /"ok": true/),
    of('gateway health', `gateway health ${there}`, /OK/),
    of('gateway probe', `gateway probe ${there}`, /Read probe: ok/),
    of('health --json', 'health --json', /"ok": true/),
    of('agent --json', `agent --agent main --message '[[plain 200]]' --json`, /The answer \d+[\s\S]*"total"/),
    of('agent --session-key', `agent --session-key agent:main:cli --message '[[plain 201]]'`, /The answer \d+/),
    of('models list', 'models list --json', /scripted-1/),
    of('status', 'status --json', /"runtimeVersion"/),
    of('logs', 'logs --limit 3 --json', /"type":"meta"/),
    of('gateway usage-cost', 'gateway usage-cost --json', /"totalCost"/),
    of('system presence', 'system presence --json', /"mode": "gateway"/),
    of('cron list', 'cron list --json', /"jobs": \[\]/),
    of('devices list', 'devices list --json', /"paired": \[\]/),
    of(
      'gateway call chat.history',
      `gateway call chat.history ${there} --json --params '{"sessionKey":"agent:main:cli"}'`,
      /\[\[plain 201\]\]/,
    ),
  ];
}

/** JSON-RPC on its standard input and output, one message on a line. */
async function acp(scratch: Scratch, client: string, url: string, token: string): Promise<string> {
  const child = scratch.open(
    'acp',
    `exec ${client} openclaw acp --url ${url} --token ${token} --session agent:main:bridge`,
  );
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ask = (id: number, method: string, params: object): void =>
    void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  ask(1, 'initialize', { protocolVersion: 1, clientCapabilities: {} });
  await until(() => said.includes('"id":1,'));
  ask(2, 'session/new', { cwd: scratch.folder, mcpServers: [] });
  await until(() => said.includes('"id":2,'));
  const { sessionId } = (
    JSON.parse(said.split('\n').find((line) => line.includes('"id":2,'))!) as { result: { sessionId: string } }
  ).result;
  ask(3, 'session/prompt', { sessionId, prompt: [{ type: 'text', text: '[[plain 202]]' }] });
  await until(() => said.includes('"id":3,'));
  child.stdin.end();
  child.kill('SIGTERM');
  const text = said.split('\n').map(chunkText).join('');
  return text === '' ? said : text;
}

function chunkText(line: string): string {
  return /"agent_message_chunk".*"text":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? '';
}

/** In a terminal of its own, which `script` makes. */
async function tui(scratch: Scratch, client: string, url: string, token: string): Promise<string> {
  const own = join(scratch.folder, 'tui.typescript');
  const inside = `stty rows 40 cols 120; exec ${client} openclaw tui --url ${url} --token ${token}`;
  const child = scratch.open('tui', `TERM=xterm exec script -qfec "${inside}" '${own}'`);
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  await until(() => /session agent:main:main/.test(shown));
  await sleep(2_000);
  child.stdin.write('[[plain 203]]');
  await sleep(1_000);
  child.stdin.write('\r');
  await until(() => /The answer \d+/.test(shown));
  child.stdin.write('\u0003');
  await sleep(500);
  child.stdin.write('\u0003');
  await Promise.race([once(child, 'exit'), sleep(10_000, undefined, { ref: false })]);
  child.kill('SIGTERM');
  return shown;
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + ANSWER_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('no answer in time');
    await sleep(200);
  }
}
