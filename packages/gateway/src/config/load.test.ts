/** Which file is read, and that docs/config.md is what the tables say. Real files in a temporary directory. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { configDocument } from './document.ts';
import { ConfigError } from './findings.ts';
import { loadConfig } from './load.ts';

/** From this room to the root of the repository. */
const UP = ['..', '..', '..', '..'];

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function fileWithPort(path: string, port: number): string {
  writeFileSync(path, `// JSON5\n{ gateway: { port: ${port}, }, }\n`);
  return path;
}

test('the file is --config, else WEIGHBRIDGE_CONFIG, else the one in the state directory, else none', async (t) => {
  const stateDir = temporary(t);
  const elsewhere = temporary(t);
  const base = { WEIGHBRIDGE_STATE_DIR: stateDir };
  const builtIn = await loadConfig({ variables: base });
  assert.equal(builtIn.file, null);
  const inState = fileWithPort(join(stateDir, 'weighbridge.json5'), 1001);
  assert.equal((await loadConfig({ variables: base })).config.port, 1001);
  assert.equal((await loadConfig({ variables: base })).file, inState);
  const variables = { ...base, WEIGHBRIDGE_CONFIG: fileWithPort(join(elsewhere, 'a.json5'), 1002) };
  assert.equal((await loadConfig({ variables })).config.port, 1002);
  const flags = { config: fileWithPort(join(elsewhere, 'b.json5'), 1003) };
  assert.equal((await loadConfig({ variables, flags })).config.port, 1003);
});

test('an openclaw.json is never picked up by itself', async (t) => {
  const stateDir = temporary(t);
  fileWithPort(join(stateDir, 'openclaw.json'), 1004);
  assert.equal((await loadConfig({ variables: { WEIGHBRIDGE_STATE_DIR: stateDir } })).config.port, 18_760);
});

test('a file that was asked for and is not there is an error that names who asked', async (t) => {
  const missing = join(temporary(t), 'no.json5');
  await assert.rejects(loadConfig({ flags: { config: missing }, variables: {} }), /--config: there is no file/);
  await assert.rejects(
    loadConfig({ variables: { WEIGHBRIDGE_CONFIG: missing } }),
    /WEIGHBRIDGE_CONFIG: there is no file/,
  );
});

test('a syntax error names the file and the place, not the text around it', async (t) => {
  const file = join(temporary(t), 'bad.json5');
  writeFileSync(file, '{ gateway: { auth: { token: "hunter2" ] } }');
  await assert.rejects(loadConfig({ flags: { config: file }, variables: {} }), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /bad\.json5/);
    assert.match(error.message, /at 1:\d+/);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
});

test('the ledger lies in the state directory', async (t) => {
  const stateDir = temporary(t);
  const { config } = await loadConfig({ flags: { stateDir }, variables: {} });
  assert.deepEqual(config.database, { kind: 'sqlite', file: join(stateDir, 'weighbridge.sqlite') });
});

test('docs/config.md is what the tables say', () => {
  const file = join(import.meta.dirname, ...UP, 'docs', 'config.md');
  assert.equal(
    readFileSync(file, 'utf8'),
    configDocument(),
    'run `node packages/gateway/src/config/document.ts > docs/config.md`',
  );
});

test('the example of docs/config.md is a configuration without warnings about its keys', async (t) => {
  const stateDir = temporary(t);
  const example = /```json5\n([\s\S]*?)```/.exec(configDocument())?.[1] ?? '';
  writeFileSync(join(stateDir, 'weighbridge.json5'), example);
  const { config } = await loadConfig({ flags: { stateDir }, variables: { OPENAI_API_KEY: 'x' } });
  assert.equal(config.agents.byId.get('main')?.model, 'openai/gpt-5-mini');
  assert.equal(config.providers.get('openai')?.models[0]?.price?.rates.cacheRead, 25_000n);
  assert.deepEqual(
    config.warnings.filter((warning) => !warning.includes('endpoint is off')),
    [],
  );
});
