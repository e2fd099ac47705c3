/** `keys` as an operator types it: through a running gateway, and on the database where none runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { start, stateDirectory } from './program.fixture.ts';
import { runCli } from './program.ts';
import type { Surroundings } from './surroundings.ts';

async function run(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const surroundings = {
    stdout: (text: string) => {
      said.stdout += text;
    },
    stderr: (text: string) => {
      said.stderr += text;
    },
    variables: {},
  } as unknown as Surroundings;
  const code = await runCli(['keys', ...args], surroundings);
  return { code, ...said };
}

test('a key is made and revoked with and without a gateway, and works in the gateway that runs', async (t) => {
  const stateDir = stateDirectory(t);
  const ask = (...args: string[]) => run([...args, '--state-dir', stateDir]);
  const listed = async () => JSON.parse((await ask('list', '--json')).stdout).data as Record<string, unknown>[];

  const made = await ask('create', '--tenant', 'acme', '--header', 'X-Weighbridge-Tags=a,b', '--name', 'ci');
  assert.equal(made.code, 0, made.stderr);
  const first = made.stdout.trim();
  assert.match(made.stderr, /^key_\S{26} for tenant acme \(dispatch\)/);
  assert.match(made.stdout, /^wb_[0-9A-Z]{26}_[\w-]{43}\n$/);

  const gateway = start(t, ['serve', '--port', '0', '--state-dir', stateDir, '--json']);
  await gateway.until('stdout', '\n');
  const { url } = JSON.parse(gateway.said.stdout) as { url: string };
  const statusOf = async (key: string, path = '/v1/models') =>
    (await fetch(url + path, { headers: { 'x-weighbridge-key': key, authorization: 'Bearer sk-mine' } })).status;
  assert.equal(await statusOf(first), 200);
  assert.equal(await statusOf(first, '/api/v1/usage'), 403);

  const again = await ask('create', '--tenant', 'other', '--scopes', 'read,dispatch', '--expires', '90d', '--json');
  const { key: second, ...facts } = JSON.parse(again.stdout) as { key: string } & Record<string, unknown>;
  assert.deepEqual([facts.scopes, facts.tenantId, facts.state], [['dispatch', 'read'], 'other', 'active']);
  assert.ok(Math.abs(Date.parse(String(facts.expiresAt)) - Date.now() - 90 * 86_400_000) < 60_000);
  assert.equal(await statusOf(second, '/api/v1/usage'), 200);
  const people = await ask('list', '--tenant', 'acme');
  assert.match(people.stdout, /acme +ci +dispatch +– +x-weighbridge-tags +active/);
  assert.ok(!people.stdout.includes('other'));
  assert.ok(!people.stdout.includes(first.slice(-43)));

  const [newer, older] = await listed();
  assert.deepEqual(newer, facts);
  assert.equal((await ask('revoke', String(newer!.keyId))).code, 0);
  assert.equal(await statusOf(second, '/api/v1/usage'), 401);
  gateway.process.kill('SIGTERM');
  await gateway.ended;

  assert.equal((await ask('revoke', String(older!.keyId))).code, 0);
  assert.deepEqual(
    (await listed()).map(({ state }) => state),
    ['revoked', 'revoked'],
  );
});

test('what cannot be is refused in a sentence, and a header’s value is not repeated', async (t) => {
  const stateDir = stateDirectory(t);
  for (const [expected, ...args] of [
    [1, 'create', '--tenant', 'Acme'],
    [1, 'create', '--tenant', 'acme', '--scopes', 'dispatch,root'],
    [1, 'create', '--tenant', 'acme', '--header', 'authorization=sk-unseen'],
    [2, 'create', '--tenant', 'acme', '--header', 'sk-unseen'],
    [2, 'create', '--tenant', 'acme', '--expires', 'soon'],
    [2, 'revoke', 'key_x'],
    [1, 'revoke', `key_${'0'.repeat(26)}`],
  ] as const) {
    const { code, stdout, stderr: said } = await run([...args, '--state-dir', stateDir]);
    assert.equal(stdout, '');
    assert.equal(code, expected, said);
    assert.match(said, /^weighbridge: [^\n]+\n$/);
    assert.ok(!said.includes('sk-unseen'), said);
  }
});
