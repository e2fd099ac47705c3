/** The command line in process: exit codes, what goes to which stream, and the message for a port that is taken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from './program.ts';
import type { Surroundings } from './surroundings.ts';

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

interface Given {
  variables?: Record<string, string>;
  startGateway?: Surroundings['startGateway'];
}

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function run(args: string[], { variables = {}, startGateway = notNeeded }: Given = {}): Promise<Ran> {
  const ran: Ran = { code: -1, stdout: '', stderr: '' };
  ran.code = await runCli(args, {
    stdout: (text) => {
      ran.stdout += text;
    },
    write: async (text) => {
      ran.stdout += text;
    },
    stderr: (text) => {
      ran.stderr += text;
    },
    isTerminal: false,
    stderrIsTerminal: false,
    variables,
    onInterrupt: () => {},
    startGateway,
  });
  return ran;
}

const notNeeded = () => Promise.reject(new Error('this verb starts no gateway'));

test('help goes to stdout with code 0, wrong arguments to stderr with code 2', async () => {
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /dispatches/);
  assert.match(help.stdout, /Exit codes/);
  for (const args of [
    ['nonsense'],
    ['serve', '--nonsense'],
    ['dispatches', '--limit', '0'],
    ['usage', '--by', 'moon'],
    ['dispatches', 'show', 'nobody'],
    [],
  ]) {
    const ran = await run(args);
    assert.equal(ran.code, 2, args.join(' '));
    assert.equal(ran.stdout, '');
  }
});

test('the options of every verb are in its help', async () => {
  for (const verb of ['serve', 'init', 'doctor', 'token', 'models', 'usage', 'dispatches']) {
    const { code, stdout } = await run(['help', verb]);
    assert.equal(code, 0, verb);
    assert.match(stdout, /--state-dir/, verb);
  }
});

test('a configuration that is refused ends with code 2 and every problem', async (t) => {
  const stateDir = temporary(t);
  writeFileSync(join(stateDir, 'weighbridge.json5'), '{ limits: { runsMx: 1 }, gateway: { port: -1 } }');
  const ran = await run(['serve', '--state-dir', stateDir]);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /limits\.runsMx.*`runsMax`/);
  assert.match(ran.stderr, /gateway\.port/);
});

test('a port that is taken names its owner, where the system says it, and the fix', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const startGateway = async () => {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    return assert.fail('the port was free');
  };
  const ran = await run(['serve', '--port', String(port), '--state-dir', temporary(t)], { startGateway });
  assert.equal(ran.code, 1);
  assert.equal(ran.stdout, '');
  const owner = process.platform === 'linux' ? `process ${process.pid} (node` : 'another program';
  assert.ok(ran.stderr.includes(`port ${port} on 127.0.0.1 is taken by ${owner}`), ran.stderr);
  assert.match(ran.stderr, /--port 0/);
  // Command lines hold secrets; this process has at least an option on its own.
  for (const option of process.execArgv) assert.ok(!ran.stderr.includes(option), option);
});

test('token prints the token of the file and nothing else, and a verb that asks makes none', async (t) => {
  const stateDir = temporary(t);
  await run(['doctor', '--state-dir', stateDir]);
  assert.equal(existsSync(join(stateDir, 'token')), false);
  const { code, stdout, stderr } = await run(['token', '--state-dir', stateDir]);
  assert.equal(code, 0);
  assert.equal(stdout, readFileSync(join(stateDir, 'token'), 'utf8'));
  assert.equal(stderr, '');
});

test('the token made by serve is not written to a stream that is no terminal', async (t) => {
  const stateDir = temporary(t);
  const ran = await run(['serve', '--state-dir', stateDir], {
    startGateway: () => Promise.reject(new Error('stop here')),
  });
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim();
  assert.ok(!(ran.stdout + ran.stderr).includes(token));
  assert.ok(ran.stderr.includes(join(stateDir, 'token')));
});

test('init writes a closed file once and never again', async (t) => {
  const stateDir = join(temporary(t), 'new');
  const file = join(stateDir, 'weighbridge.json5');
  assert.equal((await run(['init', '--state-dir', stateDir])).stdout, `${file}\n`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, '{}');
  const again = await run(['init', '--state-dir', stateDir]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /exists already/);
  assert.equal(readFileSync(file, 'utf8'), '{}');
});

test('init --from takes over models and agents, not the gateway, and not ourselves as a provider', async (t) => {
  const stateDir = temporary(t);
  const from = join(stateDir, 'openclaw.json');
  const openclaw = {
    gateway: { port: 18_789, auth: { token: 'hunter2' } },
    models: {
      providers: {
        mine: { baseUrl: 'http://10.0.0.9/v1', apiKey: 'k', models: [{ id: 'm' }] },
        weighbridge: { baseUrl: 'http://localhost:18760/v1' },
      },
    },
    agents: { entries: { a: { model: 'mine/m' } } },
  };
  writeFileSync(from, JSON.stringify(openclaw));
  const ran = await run(['init', '--from', from, '--state-dir', stateDir]);
  assert.equal(ran.code, 0, ran.stderr);
  const text = readFileSync(join(stateDir, 'weighbridge.json5'), 'utf8');
  assert.doesNotMatch(text, /hunter2|18789|localhost:18760/);
  assert.equal(readFileSync(from, 'utf8'), JSON.stringify(openclaw));
  // Somebody may have the usual port.
  const doctor = await run(['doctor', '--state-dir', stateDir], { variables: { WEIGHBRIDGE_PORT: '0' } });
  assert.equal(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /a \(mine\/m\); default: a/);
});

test('doctor fails with every problem of the configuration, and says what is off', async (t) => {
  const stateDir = temporary(t);
  const file = join(stateDir, 'weighbridge.json5');
  writeFileSync(file, '{ limits: { runsMx: 1 }, gateway: { port: -1 } }');
  const bad = await run(['doctor', '--state-dir', stateDir], { variables: { WEIGHBRIDGE_PORT: '0' } });
  assert.equal(bad.code, 3);
  assert.equal(bad.stdout.match(/^FAILURE/gm)?.length, 2);
  // Somebody may have the usual port.
  writeFileSync(file, '{ gateway: { port: 0 } }');
  const good = await run(['doctor', '--state-dir', stateDir, '--json']);
  assert.equal(good.code, 0);
  const { data } = JSON.parse(good.stdout) as { data: { text: string }[] };
  assert.ok(data.some(({ text }) => text.includes('endpoints.chatCompletions.enabled: false')));
});

test('a verb that asks says that nothing is recorded yet where there is no ledger', async (t) => {
  const ran = await run(['usage', '--state-dir', temporary(t)]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /nothing is recorded yet.*`serve` makes one/);
});

test('an address where nobody answers is a sentence, not a stack', async () => {
  const ran = await run(['models', '--url', 'http://127.0.0.1:1', '--token', 'x']);
  assert.equal(ran.code, 1);
  assert.equal(ran.stderr, 'weighbridge: the gateway at http://127.0.0.1:1 cannot be reached.\n');
});
