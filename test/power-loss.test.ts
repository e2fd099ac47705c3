/**
 * Promise P1 against power loss, long tier only: the gateway's state lies on an ext4 image mounted over a loop device. While
 * the gateway is stopped in mid-work, the image is copied: what the copy holds is what a disk would hold, without the
 * page cache. The copy is mounted, the ledger opened, and every answer that a caller had seen must have its row. The
 * control runs with `ledger.durability: "process"`, which promises nothing about power, and must lose some.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLongTier, quotas, seed } from './quotas.ts';
import { Caller } from './rig/caller.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { type Cleanups, lastFirst } from './rig/last-first.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { between, type Random, seeded } from './rig/random.ts';

const IMAGE_BYTES = 256 * 1024 * 1024;
const CALLERS = 8;
/** Seconds after which ext4 would write pages back by itself; long, so that only what was synced survives. */
const COMMIT_INTERVAL_SECONDS = 300;

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(
    result.status,
    0,
    `${command} ${args.join(' ')}: ${result.stderr || result.error?.message}; this test needs root, ext4 and loop devices`,
  );
}

function mountImage(t: Cleanups, image: string, at: string): void {
  mkdirSync(at, { recursive: true });
  run('mount', ['-o', `loop,commit=${COMMIT_INTERVAL_SECONDS}`, image, at]);
  t.after(() => void spawnSync('umount', ['-l', at]));
}

interface Trial {
  answered: number;
  lost: string[];
  damage: string[];
}

/** One power loss under load: which answered calls have no settled row in what was on the disk. */
async function losePower(t: Cleanups, durability: string, random: Random): Promise<Trial> {
  const scratch = scratchDirectory(t);
  const image = join(scratch, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  run('mkfs.ext4', ['-q', '-F', image]);
  const disk = join(scratch, 'disk');
  mountImage(t, image, disk);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const stateDir = join(disk, 'state');
  const gateway = new GatewayProcess({
    stateDir,
    config: scriptedConfig(provider.baseUrl, { ledger: { durability } }),
  });
  await gateway.start();
  t.after(() => gateway.kill().catch(() => {}));

  const answered = new Set<string>();
  let stopped = false;
  const callers = Array.from({ length: CALLERS }, async () => {
    const caller = new Caller(gateway.url, gateway.token);
    while (!stopped && !caller.closed) {
      const exchange = caller.chat({ model: 'scripted/ok-3', stream: random() < 0.5 });
      // Noted at the moment the end arrives, not when this loop gets its turn.
      void exchange
        .when(({ sawEnd }) => sawEnd)
        .then(
          () => answered.add(exchange.dispatchId!),
          () => {},
        );
      await exchange.over;
    }
    caller.close();
  });
  await sleep(between(random, 300, 900));
  gateway.signal('SIGSTOP');
  // What a stopped process has already written to its sockets still arrives, and counts as seen.
  await sleep(50);
  const seen = [...answered];
  const snapshot = join(scratch, 'snapshot.img');
  copyFileSync(image, snapshot);
  stopped = true;
  await gateway.kill();
  await Promise.all(callers);

  const copy = join(scratch, 'copy');
  mountImage(t, snapshot, copy);
  const survivor = new GatewayProcess({ stateDir: join(copy, 'state'), config: scriptedConfig(provider.baseUrl) });
  await survivor.start();
  await survivor.stop();
  const ledger = new LedgerReader(survivor.databaseFile);
  const settled = new Set(
    ledger
      .entries()
      .filter((entry) => entry.outcome === 'completed' && entry.usageSource === 'reported')
      .map((entry) => entry.dispatchId),
  );
  const damage = ledger.inconsistencies();
  ledger.close();
  return { answered: seen.length, lost: seen.filter((dispatchId) => !settled.has(dispatchId)), damage };
}

async function trials(count: number, durability: string, random: Random): Promise<Trial[]> {
  const done: Trial[] = [];
  for (let trial = 0; trial < count; trial++) {
    const steps: (() => void | Promise<void>)[] = [];
    // Each trial cleans up after itself: hundreds of images would not fit side by side.
    const t: Cleanups = { after: (step) => void steps.push(step) };
    const own = lastFirst(t);
    try {
      done.push(await losePower(own, durability, random));
    } finally {
      for (const step of steps) await step();
    }
  }
  return done;
}

if (isLongTier) {
  test(`in ${quotas.powerLossTrials} power losses no answered call is without its row`, async () => {
    console.log(`seed ${seed}`);
    const done = await trials(quotas.powerLossTrials, 'power', seeded(seed));
    const answered = done.reduce((sum, trial) => sum + trial.answered, 0);
    console.log(`${answered} answered calls before ${done.length} power losses`);
    assert.ok(answered > quotas.powerLossTrials * 10, 'too little was answered to prove anything');
    assert.deepEqual(
      done.flatMap((trial) => [...trial.lost, ...trial.damage]),
      [],
    );
  });

  test('control: with durability "process" some answered calls are lost', async () => {
    const done = await trials(quotas.powerLossControlTrials, 'process', seeded(seed + 1));
    const losing = done.filter((trial) => trial.lost.length > 0).length;
    console.log(`${losing} of ${done.length} power losses lost answered calls`);
    assert.ok(losing > 0, 'nothing was lost: this test would not see a loss');
  });
}
