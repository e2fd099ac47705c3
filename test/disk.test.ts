/**
 * Semantics 1 on a disk that is really full and a file that is really locked: no provider is called, a running answer does
 * not end well, and it heals without a restart, with the settlement that had to wait.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Caller, callOnce } from './rig/caller.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { type Cleanups, lastFirst } from './rig/last-first.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { type ScriptedProvider, startScriptedProvider } from './rig/scripted-provider.ts';
import { until } from './rig/until.ts';

/** Large enough to start on, small enough to fill at once. */
const DISK_MIB = 8;

async function smallDisk(t: Cleanups): Promise<string> {
  const disk = join(scratchDirectory(t), 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'weighbridge-test', disk]);
  assert.equal(
    mounted.status,
    0,
    'this test mounts a small tmpfs to fill it: run it as root, or inside `unshare --user --map-root-user --mount`',
  );
  t.after(() => void spawnSync('umount', ['-l', disk]));
  return disk;
}

/** Takes what is left of the disk, but for so many bytes. */
function fill(disk: string, bytesLeft = 0): string {
  if (bytesLeft > 0) {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize - bytesLeft));
    return join(disk, 'filler');
  }

  const filler = join(disk, 'filler');
  const file = openSync(filler, 'w');
  for (const size of [1 << 20, 1 << 12, 1]) {
    const block = Buffer.alloc(size);
    try {
      while (writeSync(file, block) === size);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ENOSPC');
    }
  }
  closeSync(file);
  return filler;
}

async function started(
  t: Cleanups,
  stateDir: string,
  diskFreeBytesMin = 0,
): Promise<{ provider: ScriptedProvider; gateway: GatewayProcess }> {
  const provider = await startScriptedProvider(join(scratchDirectory(t), 'journal.ndjson'));
  t.after(() => provider.close());
  const gateway = new GatewayProcess({
    stateDir,
    config: scriptedConfig(provider.baseUrl, { limits: { diskFreeBytesMin } }),
  });
  await gateway.start();
  t.after(async () => void (await gateway.stop()));
  return { provider, gateway };
}

const requestsOf = (provider: ScriptedProvider): number =>
  provider.journal.lines.filter((line) => line.kind === 'request').length;

/** A call is in flight while the database stops taking writes, and then starts again. */
async function breakAndHeal(
  provider: ScriptedProvider,
  gateway: GatewayProcess,
  breakIt: () => void,
  healIt: () => void,
): Promise<void> {
  const running = new Caller(gateway.url, gateway.token);
  const exchange = running.chat({ model: 'scripted/ok-4+hold-usage', stream: true });
  await exchange.when(({ text }) => text.includes('"finish_reason":"stop"'));
  breakIt();
  provider.release();
  await exchange.over;
  assert.equal(exchange.sawEnd, false, 'an answer ended although its settlement was not on disk');
  assert.match(exchange.text, /ledger_unavailable/);

  const before = requestsOf(provider);
  const refused = await callOnce(gateway, { model: 'scripted/ok-3' });
  assert.equal(refused.status, 503);
  assert.equal(refused.json<{ error: { code: string } }>().error.code, 'ledger_unavailable');
  assert.ok(refused.header('retry-after'));
  assert.equal(requestsOf(provider), before, 'the provider was called although nothing could be recorded');
  assert.equal((await fetch(`${gateway.url}/readyz`)).status, 503);

  healIt();
  await until('the gateway is ready again', async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
  const healed = await callOnce(gateway, { model: 'scripted/ok-3' });
  assert.equal(healed.status, 200, healed.text);
  const ledger = new LedgerReader(gateway.databaseFile);
  await until('the waiting settlement is written', () => ledger.entries().every((entry) => entry.outcome !== null));
  const waited = ledger.entries().find((entry) => entry.dispatchId === exchange.dispatchId);
  assert.equal(waited?.usageSource, 'reported');
  assert.deepEqual(ledger.inconsistencies(), []);
  ledger.close();
}

test('a full disk: calls are refused before any provider, and go on by themselves when there is room', async (context) => {
  const t = lastFirst(context);
  const disk = await smallDisk(t);
  const { provider, gateway } = await started(t, join(disk, 'state'));
  assert.equal((await callOnce(gateway, { model: 'scripted/ok-3' })).status, 200);
  let filler = '';
  await breakAndHeal(
    provider,
    gateway,
    () => {
      filler = fill(disk);
    },
    () => rmSync(filler),
  );
});

test('a nearly full disk: calls are refused while what is in flight can still be recorded', async (context) => {
  const t = lastFirst(context);
  const disk = await smallDisk(t);
  const { provider, gateway } = await started(t, join(disk, 'state'), 2 << 20);
  const running = new Caller(gateway.url, gateway.token);
  const exchange = running.chat({ model: 'scripted/ok-4+hold-usage', stream: true });
  await exchange.when(({ text }) => text.includes('"finish_reason":"stop"'));
  const filler = fill(disk, 1 << 20);
  const ready = async () => (await (await fetch(`${gateway.url}/readyz`)).json()) as ReadyBody;
  await until('the floor is noticed', async () => (await ready()).disk?.belowFloor === true);
  assert.deepEqual((await ready()).failing, ['disk']);
  assert.match(gateway.output, /"mark":(80|90|95),"msg":"the ledger’s disk is filling up"/);
  const before = requestsOf(provider);
  const refused = await callOnce(gateway, { model: 'scripted/ok-3' });
  assert.equal(refused.status, 503);
  assert.match(refused.text, /"code":"ledger_unavailable"/);
  assert.match(refused.text, /limits\.diskFreeBytesMin/);
  assert.equal(requestsOf(provider), before);
  provider.release();
  await exchange.over;
  assert.equal(exchange.sawEnd, true, 'a call in flight must still be recorded and end well');
  rmSync(filler);
  await until('there is room again', async () => (await ready()).ready);
  assert.equal((await callOnce(gateway, { model: 'scripted/ok-3' })).status, 200);
});

interface ReadyBody {
  ready: boolean;
  failing: string[];
  disk: { belowFloor: boolean } | null;
}

test('a locked file: the same refusal, the same healing', async (context) => {
  const t = lastFirst(context);
  const { provider, gateway } = await started(t, join(scratchDirectory(t), 'state'));
  // The gateway may be writing a row of its own just then: the lock is waited for.
  const other = new DatabaseSync(gateway.databaseFile, { timeout: 5000 });
  t.after(() => other.close());
  await breakAndHeal(
    provider,
    gateway,
    () => other.exec('begin immediate'),
    () => other.exec('rollback'),
  );
});

test('a second gateway on the same state is refused in a sentence, and one that starts while the first ends gets in', async (context) => {
  const t = lastFirst(context);
  const { provider, gateway } = await started(t, join(scratchDirectory(t), 'state'));
  const second = new GatewayProcess({ stateDir: gateway.stateDir, config: scriptedConfig(provider.baseUrl) });
  t.after(() => second.kill().catch(() => {}));
  await assert.rejects(second.start(), /another Weighbridge is using/);
  const third = new GatewayProcess({ stateDir: gateway.stateDir, config: scriptedConfig(provider.baseUrl) });
  t.after(() => third.kill().catch(() => {}));
  const starting = third.start();
  await gateway.kill();
  await starting;
  assert.equal((await callOnce(third, { model: 'scripted/ok-3' })).status, 200);
  await third.stop();
});
