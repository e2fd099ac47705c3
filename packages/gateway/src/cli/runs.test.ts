/** `runs` against a real gateway with a call in flight: what it lists, how it follows, and what a stop leaves behind. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { serveWithCallInFlight, start, stateDirectory } from './program.fixture.ts';

const NOBODY = `run_${'0'.repeat(26)}`;

test('a run in flight is listed, watched, stopped once, and its dispatch is in the ledger as aborted', async (t) => {
  const { stateDir, url, token, provider, answered } = await serveWithCallInFlight(t);
  const at = ['--state-dir', stateDir];
  const ask = async (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const verb = start(t, args);
    return { code: await verb.ended, ...verb.said };
  };

  const watching = start(t, ['runs', '--watch', '--json', ...at]);
  const dispatches = start(t, ['dispatches', '--watch', '--json', ...at]);
  await watching.until('stdout', '"tokens":0');
  await dispatches.until('stdout', '"outcome":null');
  const chunk = { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'sixteen letters!' } }] };
  provider.write(`data: ${JSON.stringify(chunk)}\n\n`);
  await watching.until('stdout', '"tokens":4');

  const listed = await ask('runs', '--json', ...at);
  const { data } = JSON.parse(listed.stdout) as { data: { runId: string; model: string }[] };
  assert.equal(data.length, 1);
  const { runId } = data[0]!;
  assert.match((await ask('runs', ...at)).stdout, new RegExp(`${runId} +scripted/ok-3 `));

  const elsewhere = ['--url', url, '--token', token];
  const stopped = await ask('runs', 'stop', runId, '--json', ...elsewhere);
  assert.deepEqual(JSON.parse(stopped.stdout), { object: 'run', runId, stopped: true });
  await answered;
  await watching.until('stdout', '"data":[]');
  await dispatches.until('stdout', '"outcome":"aborted"');
  for (const verb of [watching, dispatches]) {
    verb.process.kill('SIGINT');
    assert.equal(await verb.ended, 0);
  }

  const again = await ask('runs', 'stop', runId, ...at);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /there is no run run_\S+ in flight at http/);
  const db = new DatabaseSync(join(stateDir, 'weighbridge.sqlite'), { readOnly: true });
  const entries = db.prepare('select "runId", outcome from entries').all();
  db.close();
  assert.deepEqual(
    entries.map((entry) => ({ ...entry })),
    [{ runId, outcome: 'aborted' }],
  );
});

test('where no gateway runs nothing is in flight, and nothing can be stopped or watched', async (t) => {
  const at = ['--state-dir', stateDirectory(t)];
  const ask = async (...args: string[]) => {
    const verb = start(t, args);
    return { code: await verb.ended, ...verb.said };
  };
  const listed = await ask('runs', '--json', ...at);
  assert.equal(listed.code, 0);
  assert.deepEqual(JSON.parse(listed.stdout).data, []);
  assert.match(listed.stderr, /no gateway runs here/);
  assert.equal((await ask('runs', '--watch', ...at)).code, 1);
  assert.equal((await ask('runs', 'stop', NOBODY, ...at)).code, 1);
  assert.equal((await ask('runs', 'stop', 'nonsense', ...at)).code, 2);
});
