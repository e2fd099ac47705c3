/** `serve` as a process of its own: the ready line, the file that names the gateway, and how signals end it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

/** Serves a gateway whose drain ends when a line arrives on stdin: the test decides how long calls are in flight. */
const PROGRAM = `
  import { once } from 'node:events';
  import { createServer } from 'node:http';
  import { runCli } from ${JSON.stringify(join(import.meta.dirname, 'program.ts'))};
  const startGateway = async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: 'http://127.0.0.1:' + server.address().port,
      close: async () => {
        await once(process.stdin, 'data');
        process.stdin.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  };
  process.exitCode = await runCli(['serve', '--port', '0', '--state-dir', process.env.STATE_DIR], {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    isTerminal: false,
    stderrIsTerminal: false,
    variables: {},
    onInterrupt: () => {},
    startGateway,
  });
`;

interface Serving {
  child: ChildProcess;
  stateDir: string;
  output: { stdout: string; stderr: string };
  /** Resolves once `stderr` has this text. */
  said(text: string): Promise<void>;
  ended: Promise<unknown[]>;
}

async function serving(t: TestContext): Promise<Serving> {
  const stateDir = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], { env: { STATE_DIR: stateDir } });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(stateDir, { recursive: true, force: true });
  });
  const until = async (name: 'stdout' | 'stderr', text: string) => {
    while (!output[name].includes(text)) {
      const next = await Promise.race([once(child[name], 'data'), ended.then(() => null)]);
      if (next === null) assert.fail(`it ended without saying "${text}": ${output.stderr}`);
    }
  };
  await until('stdout', 'weighbridge listening on');
  return { child, stateDir, output, said: (text) => until('stderr', text), ended };
}

test('the ready line is all of stdout, and gateway.json names the gateway to its owner only', async (t) => {
  const { child, stateDir, output } = await serving(t);
  assert.match(output.stdout, /^weighbridge listening on http:\/\/127\.0\.0\.1:\d+\n$/);
  const file = join(stateDir, 'gateway.json');
  const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(Object.keys(record), ['url', 'pid', 'startedAt', 'version']);
  assert.equal(record.pid, child.pid);
  assert.ok(output.stdout.includes(String(record.url)));
  assert.deepEqual(readdirSync(stateDir).sort(), ['gateway.json', 'token']);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} drains, removes gateway.json and ends with 0`, async (t) => {
    const { child, stateDir, output, said, ended } = await serving(t);
    child.kill(signal);
    await said('waiting up to 30 s');
    assert.equal(existsSync(join(stateDir, 'gateway.json')), true, 'it still drains');
    child.stdin!.write('drained\n');
    assert.deepEqual(await ended, [0, null]);
    assert.equal(existsSync(join(stateDir, 'gateway.json')), false);
    assert.equal(output.stdout.split('\n').length, 2);
  });
}

test('a second signal ends at once, and still removes gateway.json', async (t) => {
  const { child, stateDir, said, ended } = await serving(t);
  child.kill('SIGINT');
  await said('waiting up to');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [143, null]);
  assert.equal(existsSync(join(stateDir, 'gateway.json')), false);
});

test('one Ctrl-C that arrives twice, as under npm start, is one', async (t) => {
  const { child, said, ended } = await serving(t);
  child.kill('SIGINT');
  await said('waiting up to');
  child.kill('SIGINT');
  child.stdin!.write('drained\n');
  assert.deepEqual(await ended, [0, null]);
});
