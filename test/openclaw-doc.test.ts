/**
 * docs/openclaw.md against the program: its commands are those that `init --from` prints, which reads OpenClaw's file and leaves
 * it alone. That a real OpenClaw is metered by them is shown by `npm run try:openclaw`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blockOf, commandsOf, linesAfter } from '../scripts/try-openclaw/doc.ts';
import { cleanEnvironment, REPOSITORY, scratchDirectory } from './rig/gateway-process.ts';

const text = readFileSync(join(REPOSITORY, 'docs/openclaw.md'), 'utf8');
const ADDRESS = 'https://api.acme.example/v1';

test('the commands of docs/openclaw.md are those that init prints, and OpenClaw’s file stays as it is', (t) => {
  const folder = scratchDirectory(t);
  const from = join(folder, 'openclaw.json');
  const acme = { baseUrl: ADDRESS, api: 'openai-completions', apiKey: 'sk-acme', models: [{ id: 'm' }] };
  const content = JSON.stringify({ models: { providers: { acme } } });
  writeFileSync(from, content);
  const args = blockOf(text, 'init').trim().replace('~/.openclaw/openclaw.json', from).split(' ').slice(1);
  const printed = execFileSync(process.execPath, [join(REPOSITORY, 'packages/gateway/src/main.ts'), ...args], {
    encoding: 'utf8',
    env: { ...cleanEnvironment(), HOME: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  assert.equal(printed.split('\n')[0], join(folder, '.weighbridge/weighbridge.json5'));
  assert.deepEqual(linesAfter(printed, '# OpenClaw through Weighbridge:'), commandsOf(text, 'there'));
  const [headers, settings] = commandsOf(text, 'back');
  const address = `openclaw config set models.providers.acme.baseUrl ${ADDRESS}`;
  assert.deepEqual(linesAfter(printed, '# and back:'), [headers, address, settings]);
  assert.doesNotMatch(printed, /sk-acme/);
  assert.equal(readFileSync(from, 'utf8'), content);
});
