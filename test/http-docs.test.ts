/** The HTTP API and its document say the same: every path and parameter of one is in the other, and no other is taken. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GatewayProcess, REPOSITORY, scratchDirectory } from './rig/gateway-process.ts';

const gateway = new GatewayProcess({ stateDir: join(scratchDirectory({ after }), 'state'), config: null });
let bearer: Record<string, string>;

before(async () => {
  await gateway.start();
  bearer = { authorization: `Bearer ${gateway.token}` };
});
after(() => gateway.stop());

test('a misspelt parameter is refused, and named: taken for none it would answer another question', async () => {
  for (const path of ['usage?agents=main', 'dispatches?modle=x', 'events?sesion=s']) {
    const answer = await fetch(`${gateway.url}/api/v1/${path}`, { headers: bearer });
    assert.equal(answer.status, 400, path);
    const { error } = (await answer.json()) as { error: { message: string } };
    assert.ok(error.message.includes(/\?(\w+)=/.exec(path)![1]!), error.message);
  }
});

test('docs/http.md names every path of the asking API, and every parameter that it takes', async () => {
  type Operation = { parameters?: { in: string; name: string }[] };
  const spec = (await (await fetch(`${gateway.url}/openapi.json`, { headers: bearer })).json()) as {
    paths: Record<string, Record<string, Operation>>;
  };
  const text = readFileSync(join(REPOSITORY, 'docs/http.md'), 'utf8');
  const paths = Object.entries(spec.paths).filter(([path]) => path.startsWith('/api/'));
  assert.ok(paths.length >= 6);
  const untold: string[] = [];
  for (const [path, operations] of paths) {
    for (const [method, { parameters = [] }] of Object.entries(operations)) {
      const [, section] = text.split(`\n### \`${method.toUpperCase()} ${path}\``);
      if (section === undefined) untold.push(`${method} ${path}`);
      const own = section?.split('\n##')[0] ?? '';
      for (const { in: where, name } of parameters) {
        if (where === 'query' && !own.includes(`\`${name}\``)) untold.push(`${method} ${path}: ${name}`);
      }
    }
  }
  assert.deepEqual(untold, []);
});
