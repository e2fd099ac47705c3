/** Every row of the exit codes in docs/cli.md, by really running the program in each of the ways that end so. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { REPOSITORY } from '../../../../test/rig/gateway-process.ts';
import { serveWithCallInFlight, start, stateDirectory } from './program.fixture.ts';

/** A ledger that a gateway made and left. Gives its state directory. */
async function ledger(t: TestContext): Promise<string> {
  const stateDir = stateDirectory(t);
  const gateway = start(t, ['serve', '--port', '0', '--state-dir', stateDir]);
  await gateway.until('stdout', 'listening on');
  gateway.process.kill('SIGTERM');
  assert.equal(await gateway.ended, 0);
  return stateDir;
}

const SCENARIOS: Readonly<Record<number, Readonly<Record<string, (t: TestContext) => Promise<number | null>>>>> = {
  0: {
    'help that was asked for': (t) => start(t, ['--help']).ended,
    'doctor, where nothing keeps a gateway from working': async (t) => {
      const stateDir = stateDirectory(t);
      // Somebody may have the usual port.
      writeFileSync(join(stateDir, 'weighbridge.json5'), '{ gateway: { port: 0 } }');
      return start(t, ['doctor', '--state-dir', stateDir]).ended;
    },
    'a gateway that drained, and a watch that was ended': async (t) => {
      const stateDir = await ledger(t);
      const watching = start(t, ['models', '--watch', '--state-dir', stateDir]);
      await watching.until('stdout', 'all');
      watching.process.kill('SIGINT');
      return watching.ended;
    },
  },
  1: {
    'nobody answers': (t) => start(t, ['models', '--url', 'http://127.0.0.1:1', '--token', 'x']).ended,
    'nothing is recorded yet': (t) => start(t, ['usage', '--state-dir', stateDirectory(t)]).ended,
  },
  2: {
    'no such verb': (t) => start(t, ['nonsense']).ended,
    'no such option': (t) => start(t, ['usage', '--nonsense']).ended,
    'a configuration that is refused': async (t) => {
      const stateDir = stateDirectory(t);
      writeFileSync(join(stateDir, 'weighbridge.json5'), '{ limits: { runsMx: 1 } }');
      return start(t, ['serve', '--state-dir', stateDir]).ended;
    },
  },
  3: {
    'doctor finds a failure': async (t) => {
      const stateDir = stateDirectory(t);
      writeFileSync(join(stateDir, 'weighbridge.json5'), '{ limits: { runsMx: 1 } }');
      return start(t, ['doctor', '--state-dir', stateDir]).ended;
    },
    'ledger verify finds a difference': async (t) => {
      const stateDir = await ledger(t);
      const db = new DatabaseSync(join(stateDir, 'weighbridge.sqlite'));
      db.exec('update ledger set "lastSeq" = 7');
      db.close();
      return start(t, ['ledger', 'verify', '--state-dir', stateDir]).ended;
    },
  },
  130: {
    'Ctrl-C while a gateway drains': async (t) => {
      const { gateway } = await serveWithCallInFlight(t);
      gateway.process.kill('SIGTERM');
      await gateway.until('stderr', 'SIGTERM: waiting');
      gateway.process.kill('SIGINT');
      return gateway.ended;
    },
  },
  143: {
    'SIGTERM while a gateway drains': async (t) => {
      const { gateway } = await serveWithCallInFlight(t);
      gateway.process.kill('SIGINT');
      await gateway.until('stderr', 'SIGINT: waiting');
      gateway.process.kill('SIGTERM');
      return gateway.ended;
    },
  },
};

test('the exit codes that docs/cli.md lists are those that are tried here', () => {
  const [, section = ''] = readFileSync(join(REPOSITORY, 'docs/cli.md'), 'utf8').split('## Exit codes\n');
  const listed = [...section.split('\n## ')[0]!.matchAll(/^\| (\d+) \|/gm)].map((match) => match[1]);
  assert.deepEqual(listed, Object.keys(SCENARIOS));
});

for (const [code, ways] of Object.entries(SCENARIOS)) {
  for (const [name, end] of Object.entries(ways)) {
    test(`exit code ${code}: ${name}`, async (t) => assert.equal(await end(t), Number(code)));
  }
}
