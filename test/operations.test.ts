/**
 * docs/operations.md, followed literally: the commands of its sections are taken out of the document and run by a shell, on
 * real gateways, a real PostgreSQL and a scripted provider. `systemctl` is a stand-in that does what the unit in the document
 * says: it starts `weighbridge serve` with what ENV_FILE holds and nothing else, and stops it with SIGTERM.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { callOnce } from './rig/caller.ts';
import { cleanEnvironment, REPOSITORY, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { lastFirst } from './rig/last-first.ts';
import { runOn, testDatabase } from './rig/postgres-server.ts';
import { startScriptedProvider } from './rig/scripted-provider.ts';

const DOCUMENT = readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8');
const MAIN = join(REPOSITORY, 'packages/gateway/src/main.ts');

/** The commands under a heading, up to the next one. */
function commandsOf(heading: string): string {
  const [, section] = DOCUMENT.split(`\n## ${heading}\n`);
  assert.ok(section !== undefined, `docs/operations.md has no section "${heading}"`);
  const text = section.split('\n## ')[0]!;
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
  assert.ok(blocks.length > 0, `the section "${heading}" has no commands`);
  return blocks.join('');
}

const SYSTEMCTL = `#!/bin/sh
set -eu
[ "$2" = weighbridge ]
case "$1" in
  start)
    : >"$RIG/log"
    env -i PATH="$PATH" HOME="$HOME" sh -c 'set -a; . "$0"; set +a; exec weighbridge serve' "$ENV_FILE" >>"$RIG/log" 2>&1 &
    echo $! >"$RIG/pid"
    until grep -q '^weighbridge listening on' "$RIG/log"; do
      kill -0 "$(cat "$RIG/pid")" || { cat "$RIG/log"; exit 1; }
      sleep 0.02
    done ;;
  stop)
    pid=$(cat "$RIG/pid")
    kill "$pid"
    # What has ended and was not yet reaped still has its id.
    while kill -0 "$pid" 2>/dev/null && ! grep -qs '^State:.*Z' "/proc/$pid/status"; do sleep 0.02; done
    rm "$RIG/pid" ;;
  *) exit 64 ;;
esac
`;

interface Machine {
  stateDir: string;
  envFile: string;
  backup: string;
  /** Runs the commands of a section as the document tells. */
  follow(heading: string, variables?: Record<string, string>): Promise<string>;
  systemctl(verb: 'start' | 'stop'): Promise<void>;
  /** Calls the running gateway that often, and gives the ids of the dispatches. */
  call(times: number): Promise<string[]>;
  /** What the running gateway lists, oldest first. */
  listed(): Promise<string[]>;
}

/** A machine as the document supposes it: the unit's files, `weighbridge` and `systemctl` on the path. */
async function machine(context: TestContext): Promise<Machine> {
  const t = lastFirst(context);
  const rig = scratchDirectory(t);
  const provider = await startScriptedProvider(join(rig, 'journal.ndjson'));
  t.after(() => provider.close());
  const [bin, stateDir, envFile, config] = ['bin', 'state', 'env', 'weighbridge.json5'].map((name) => join(rig, name));
  mkdirSync(bin!);
  const program = `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`;
  writeFileSync(join(bin!, 'weighbridge'), program, { mode: 0o755 });
  writeFileSync(join(bin!, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
  writeFileSync(config!, JSON.stringify(scriptedConfig(provider.baseUrl)));
  writeFileSync(
    envFile!,
    `WEIGHBRIDGE_STATE_DIR='${stateDir}'\nWEIGHBRIDGE_CONFIG='${config}'\nWEIGHBRIDGE_PORT='0'\n`,
  );
  const backup = join(rig, 'backup.sqlite');
  const environment = {
    ...cleanEnvironment(),
    PATH: [bin, ...postgresTools(), process.env.PATH].join(delimiter),
    RIG: rig,
    ENV_FILE: envFile!,
    BACKUP: backup,
  };
  const run = async (script: string, variables: Record<string, string> = {}): Promise<string> => {
    const env = { ...environment, ...variables };
    const { stdout } = await promisify(execFile)('sh', ['-e', '-u', '-c', script], { env });
    return stdout;
  };
  t.after(async () => {
    if (existsSync(join(rig, 'pid'))) await run('systemctl stop weighbridge');
  });
  const gateway = (): { url: string; token: string } => ({
    url: (JSON.parse(readFileSync(join(stateDir!, 'gateway.json'), 'utf8')) as { url: string }).url,
    token: readFileSync(join(stateDir!, 'token'), 'utf8').trim(),
  });
  return {
    stateDir: stateDir!,
    envFile: envFile!,
    backup,
    follow: (heading, variables) => run(commandsOf('Before the commands') + commandsOf(heading), variables),
    systemctl: async (verb) => void (await run(`systemctl ${verb} weighbridge`)),
    call: async (times) => {
      const ids: string[] = [];
      for (let n = 0; n < times; n++) {
        const exchange = await callOnce(gateway(), { model: 'scripted/ok-3', stream: true });
        assert.ok(exchange.sawEnd, exchange.rawHead + exchange.text);
        ids.push(exchange.dispatchId!);
      }
      return ids;
    },
    listed: async () => {
      const { url, token } = gateway();
      const answer = await fetch(`${url}/api/v1/dispatches?limit=100`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { data } = (await answer.json()) as { data: { dispatchId: string; outcome: string }[] };
      for (const { outcome } of data) assert.equal(outcome, 'completed');
      return data.map(({ dispatchId }) => dispatchId).reverse();
    },
  };
}

/** Where `pg_dump` of the newest installed server is, if any is installed. */
function postgresTools(): string[] {
  return globSync('/usr/lib/postgresql/*/bin/pg_dump').map(dirname).sort().slice(-1);
}

function ledgerIdOf(file: string): string {
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare('select "ledgerId" from ledger').get();
  db.close();
  return String(row!.ledgerId);
}

async function ledgerIdOn(url: string): Promise<string> {
  const [row] = await runOn<{ ledgerId: string }>(url, 'select "ledgerId" from ledger');
  return row!.ledgerId;
}

test('a restore on SQLite, as docs/operations.md tells it, brings back the backup as another ledger', async (t) => {
  const { stateDir, backup, follow, systemctl, call, listed } = await machine(t);
  const file = join(stateDir, 'weighbridge.sqlite');
  await systemctl('start');
  const before = await call(3);
  await follow('Backup');
  const after = await call(2);
  const oldId = ledgerIdOf(file);
  assert.match(await follow('Restore on SQLite'), /agrees with itself: 3 entries/);
  assert.deepEqual(await listed(), before);
  assert.equal(ledgerIdOf(file), ledgerIdOf(backup));
  assert.notEqual(ledgerIdOf(file), oldId);
  const next = await call(2);
  assert.deepEqual(await listed(), [...before, ...next]);
  const old = new DatabaseSync(join(stateDir, 'before-restore/weighbridge.sqlite'), { readOnly: true });
  const kept = old.prepare('select "dispatchId" from entries order by "entryId"').all();
  old.close();
  assert.deepEqual(
    kept.map((row) => row.dispatchId),
    [...before, ...after],
  );
});

test('growing to PostgreSQL, as docs/operations.md tells it, keeps the ledger; a restore there makes it another', async (t) => {
  const { stateDir, follow, systemctl, call, listed } = await machine(t);
  const [first, second, third] = [await testDatabase(), await testDatabase(), await testDatabase()];
  await systemctl('start');
  const before = await call(3);
  const ledgerId = ledgerIdOf(join(stateDir, 'weighbridge.sqlite'));
  await follow('Growing from SQLite to PostgreSQL', { NEW_DATABASE_URL: first });
  assert.equal(await ledgerIdOn(first), ledgerId);
  assert.deepEqual(await listed(), before);
  const grown = await call(2);
  assert.deepEqual(await listed(), [...before, ...grown]);
  assert.equal(existsSync(join(stateDir, 'weighbridge.sqlite')), false);

  await follow('Backup');
  await call(1);
  assert.match(await follow('Restore on PostgreSQL', { NEW_DATABASE_URL: second }), /agrees with itself: 5 entries/);
  assert.notEqual(await ledgerIdOn(second), ledgerId);
  assert.deepEqual(await listed(), [...before, ...grown]);
  const next = await call(1);
  assert.deepEqual(await listed(), [...before, ...grown, ...next]);

  if (postgresTools().length === 0) {
    console.log('no pg_dump on this machine: the section on PostgreSQL’s own tools was not followed');
    return;
  }
  const secondId = await ledgerIdOn(second);
  // A dump holds the leases of whoever ran; this way nobody's has to run out.
  await systemctl('stop');
  const dump = { BACKUP: join(stateDir, 'dump') };
  await follow('Backup with PostgreSQL’s own tools', dump);
  await systemctl('start');
  await call(1);
  await follow('Restore with PostgreSQL’s own tools', { ...dump, NEW_DATABASE_URL: third });
  assert.notEqual(await ledgerIdOn(third), secondId);
  assert.deepEqual(await listed(), [...before, ...grown, ...next]);
});
