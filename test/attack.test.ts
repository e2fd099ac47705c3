/**
 * Hostile callers and hostile providers, generated from a seed: whatever either of them sends, there is a clear answer,
 * exactly one entry for each request that reached the provider, a living process, memory and sockets that do not grow,
 * and no secret in the log. What is tried and what must come of it is attack/classes.ts; attack/siege.ts judges it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HELD_GROWTH_BYTES_MAX,
  ON_POSTGRES,
  RESIDENT_GROWTH_BYTES_MAX,
  RESOURCES_MORE_MAX,
  ROUNDS_AT_ONCE,
} from './attack/classes.ts';
import { Siege } from './attack/siege.ts';
import type { Held } from './attack/watched-main.ts';
import { quotas, seed } from './quotas.ts';
import { scratchDirectory } from './rig/gateway-process.ts';
import { testDatabase } from './rig/postgres-server.ts';
import { until } from './rig/until.ts';

const MIB = 1024 * 1024;

test('whatever callers and providers send, answers are clear, books are right, and nothing grows or leaks', async (t) => {
  t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} plays the same attacks`);
  const siege = await Siege.lay({ scratch: scratchDirectory(t), seed });
  try {
    await siege.play(1);
    const first = await siege.held();
    for (let left = quotas.attackRounds; left > 0; left -= ROUNDS_AT_ONCE) {
      await siege.play(Math.min(left, ROUNDS_AT_ONCE));
      await siege.held();
    }
    await siege.judge();
    assert.deepEqual(siege.problems.slice(0, 40), []);
    const last = await restored(siege, first);
    const grown = { held: last.bytes - first.bytes, resident: last.residentBytes - first.residentBytes };
    t.diagnostic(
      `${siege.played} attacks; after the warm-up ${mib(first.bytes)} held and ${mib(first.residentBytes)} resident, ` +
        `then ${mib(grown.held)} and ${mib(grown.resident)} more`,
    );
    assert.ok(grown.held < HELD_GROWTH_BYTES_MAX, `${mib(grown.held)} more are held`);
    assert.ok(grown.resident < RESIDENT_GROWTH_BYTES_MAX, `${mib(grown.resident)} more are resident`);
  } finally {
    await siege.lift();
  }
});

test('what reaches the statements breaks none on PostgreSQL either, and its books are right', async (t) => {
  t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} plays the same attacks`);
  const siege = await Siege.lay({ scratch: scratchDirectory(t), seed, databaseUrl: await testDatabase() });
  try {
    await siege.play(quotas.attackRounds, ON_POSTGRES);
    await siege.judge();
    assert.deepEqual(siege.problems.slice(0, 40), []);
  } finally {
    await siege.lift();
  }
});

/** Waits until no more sockets and timers are alive than before; what ends by a time-out of its own needs that long. */
async function restored(siege: Siege, before: Held): Promise<Held> {
  let now = await siege.held();
  await until(`sockets and timers are as few as before: ${JSON.stringify(before.resources)}`, async () => {
    now = await siege.held();
    return Object.entries(now.resources).every(
      ([kind, count]) => count <= (before.resources[kind] ?? 0) + RESOURCES_MORE_MAX,
    );
  }).catch((error: Error) => assert.fail(`${error.message}; now ${JSON.stringify(now.resources)}`));
  return now;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
