/** `tail` against a real gateway: a line for each event as it comes, none twice and none missed over a restart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { start, stateDirectory } from './program.fixture.ts';

async function call(url: string, token: string, content: string): Promise<void> {
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-weighbridge-end-user-id': content },
    body: JSON.stringify({ model: 'demo/scripted', messages: [{ role: 'user', content }] }),
  });
  await answer.arrayBuffer();
}

test('every dispatch is a line as it ends, also after the gateway was started anew', async (t) => {
  const stateDir = stateDirectory(t);
  const token = 'tail-token';
  const serve = async (port: string) => {
    const gateway = start(t, ['serve', '--port', port, '--state-dir', stateDir], { WEIGHBRIDGE_TOKEN: token });
    await gateway.until('stdout', 'listening on');
    return { gateway, url: /http:\S+/.exec(gateway.said.stdout)![0] };
  };
  const first = await serve('0');
  await call(first.url, token, 'before');
  const at = ['--url', first.url, '--token', token];
  const lines = start(t, ['tail', '--json', '--after', '0', ...at]);
  const people = start(t, ['tail', '--after', '0', '--types', 'model.usage', ...at]);
  await lines.until('stdout', '"endUserId":"before"');
  await people.until('stdout', 'demo/scripted  completed');
  first.gateway.process.kill('SIGTERM');
  assert.equal(await first.gateway.ended, 0);
  const second = await serve(new URL(first.url).port);
  await call(second.url, token, 'after');
  await lines.until('stdout', '"endUserId":"after"');
  await people.until('stdout', ' after  dsp_');
  for (const verb of [lines, people]) {
    verb.process.kill('SIGINT');
    assert.equal(await verb.ended, 0);
  }
  const seqs = lines.said.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'an event came twice, or out of its order',
  );
});

test('where no gateway runs there is nothing to follow, and a number that is none is a usage error', async (t) => {
  const at = ['--state-dir', stateDirectory(t)];
  assert.equal(await start(t, ['tail', ...at]).ended, 1);
  assert.equal(await start(t, ['tail', '--after', 'x', ...at]).ended, 2);
});
