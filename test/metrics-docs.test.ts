/** Metrics of a whole gateway: docs/metrics.md names each, Grafana's dashboard asks for no other, and losses read 0. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GatewayProcess, REPOSITORY, scratchDirectory } from './rig/gateway-process.ts';

const gateway = new GatewayProcess({ stateDir: join(scratchDirectory({ after }), 'state'), config: null });
let text: string;

before(async () => {
  await gateway.start();
  const authorization = `Bearer ${gateway.token}`;
  const call = { model: 'demo/scripted', messages: [{ role: 'user', content: 'hello' }] };
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(call),
  });
  await answer.arrayBuffer();
  text = await (await fetch(`${gateway.url}/metrics`, { headers: { authorization } })).text();
});
after(() => gateway.stop());

function read(file: string): string {
  return readFileSync(join(REPOSITORY, file), 'utf8');
}

test('docs/metrics.md names every metric, and no other', () => {
  const told = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!));
  const named = new Set(
    Array.from(read('docs/metrics.md').matchAll(/`((?:weighbridge|process)_[a-z_]+)`/g), ([, name]) => name!),
  );
  assert.deepEqual([...told].sort(), [...named].sort());
  assert.ok(told.size >= 15);
});

test('the dashboard asks for metrics that there are', () => {
  const told = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!);
  const asked = new Set(Array.from(read('deploy/grafana.json').matchAll(/weighbridge_[a-z_]+/g), ([name]) => name));
  assert.ok(asked.size >= 10);
  for (const name of asked) assert.ok(told.includes(name.replace(/_bucket$/, '')), name);
});

test('a call is counted at once, and every class of loss reads 0', () => {
  assert.match(
    text,
    /^weighbridge_dispatches_total\{provider="demo",model="scripted",agent="",outcome="completed",source="gateway"\} 1$/m,
  );
  const losses = Array.from(text.matchAll(/^weighbridge_losses_total\{class="(\w+)"\} (\d+)$/gm), ([, kind, n]) => [
    kind,
    n,
  ]);
  assert.ok(losses.length >= 3);
  for (const [kind, n] of losses) assert.equal(n, '0', kind);
});
