/**
 * Hostile callers and hostile providers, generated from a seed: whatever either of them sends, there is a clear answer,
 * exactly one entry for each request that reached the provider, a living process, memory that does not grow, and no
 * secret in the log. What is tried and what must come of it is attack/classes.ts; the judgement is attack/siege.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROWTH_BYTES_MAX } from './attack/classes.ts';
import { Siege, type SiegeOptions } from './attack/siege.ts';
import { quotas, seed } from './quotas.ts';
import { scratchDirectory } from './rig/gateway-process.ts';

type Context = { after(cleanUp: () => void): void; diagnostic(text: string): void };

async function besieged(
  t: Context,
  options: Partial<SiegeOptions>,
  work: (siege: Siege) => Promise<void>,
): Promise<Siege> {
  t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} plays the same attacks`);
  const siege = await Siege.lay({ scratch: scratchDirectory(t), seed, ...options });
  try {
    await work(siege);
    await siege.judge();
  } finally {
    await siege.lift();
  }
  return siege;
}

test('whatever callers and providers send, answers are clear, books are right, and nothing grows or leaks', async (t) => {
  const siege = await besieged(t, {}, async (warm) => {
    await warm.play(1);
    const before = warm.residentBytes();
    await warm.play(quotas.attackRounds);
    const growth = warm.residentBytes() - before;
    t.diagnostic(
      `${warm.played} attacks; resident memory ${before >> 20} MiB after the warm-up, then ${growth >> 20} MiB more`,
    );
    assert.ok(growth < GROWTH_BYTES_MAX, `resident memory grew by ${growth >> 20} MiB`);
  });
  assert.deepEqual(siege.problems.slice(0, 40), []);
});
