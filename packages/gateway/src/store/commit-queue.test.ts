/** Group commit before a committer that is scripted here: what goes together, what fails alone, what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Batch, type BatchAnswer, CommitQueue } from './commit-queue.ts';

function queueBefore(commit: (batch: Batch) => Promise<BatchAnswer>) {
  const outcomes: (string | null)[] = [];
  const queue = new CommitQueue({
    sync: true,
    commit,
    unavailable: (reason) => new Error(reason),
    onOutcome: (reason) => outcomes.push(reason),
  });
  return { queue, outcomes };
}

const done = ({ groups }: Batch): BatchAnswer => ({ kind: 'done', outputs: groups.map(({ inputs }) => inputs) });

test('what is written in one turn commits together, and each gets its own answer', async () => {
  const batches: Batch[] = [];
  const { queue } = queueBefore(async (batch) => {
    batches.push(batch);
    return done(batch);
  });
  const answers = await Promise.all([queue.write('a', 1), queue.write('b', 2), queue.write('a', 3)]);
  assert.deepEqual(answers, [1, 2, 3]);
  assert.deepEqual(
    batches.map(({ groups }) => groups),
    [
      [
        { script: 'a', inputs: [1, 3] },
        { script: 'b', inputs: [2] },
      ],
    ],
  );
});

test('one bad input among 512 fails alone, and is found in a number of commits that does not grow with them', async () => {
  let commits = 0;
  const { queue } = queueBefore(async (batch) => {
    commits += 1;
    const isBad = batch.groups.some(({ inputs }) => inputs.includes(300));
    return isBad ? { kind: 'rejected', message: 'not 300' } : done(batch);
  });
  const results = await Promise.allSettled(Array.from({ length: 512 }, (_, i) => queue.write('a', i)));
  const bad = results.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []));
  assert.deepEqual(bad, [300]);
  assert.equal(commits, 1 + 2 * 9);
});

test('a batch that the database does not take is refused as a whole, and the next is tried', async () => {
  let isAway = true;
  const { queue, outcomes } = queueBefore(async (batch) =>
    isAway ? { kind: 'unavailable', reason: 'away' } : done(batch),
  );
  await assert.rejects(queue.write('a', 1), /away/);
  isAway = false;
  assert.equal(await queue.write('a', 2), 2);
  assert.deepEqual(outcomes, ['away', null]);
});

test('writes beyond the bound are refused at once, while the oldest one’s wait can be seen', async () => {
  const { promise: heals, resolve: heal } = Promise.withResolvers<void>();
  const { queue, outcomes } = queueBefore(async (batch) => {
    await heals;
    return done(batch);
  });
  const first = queue.write('a', 0);
  await new Promise(setImmediate);
  const waiting = Array.from({ length: 16_384 }, (_, i) => queue.write('a', i));
  await assert.rejects(queue.write('a', -1), /wait for it already/);
  assert.equal(outcomes.length, 1);
  assert.ok(queue.oldestWaitMs > 0);
  heal();
  await Promise.all([first, ...waiting, queue.idle()]);
  assert.equal(queue.oldestWaitMs, 0);
});
