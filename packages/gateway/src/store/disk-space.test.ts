/** The marks at which the log hears of a filling disk, on numbers and on a file system that is really there. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { DiskSpace, markOf } from './disk-space.ts';

test('a mark is told when it is passed, and left only a little below it', () => {
  const seen: (number | null)[] = [];
  let mark: number | null = null;
  for (const used of [79.9, 80, 79.5, 90.1, 89.2, 88.9, 96, 94.5, 93, 78]) {
    mark = markOf(used, mark);
    seen.push(mark);
  }
  assert.deepEqual(seen, [null, 80, 80, 90, 90, 80, 95, 95, 90, null]);
});

test('a floor above what is free is told once, and again when it is far enough away', async () => {
  const told: boolean[] = [];
  let floor = Number.MAX_SAFE_INTEGER;
  const space = new DiskSpace({
    folder: tmpdir(),
    freeBytesMin: () => floor,
    onMark: () => {},
    onFloor: (isBelow) => told.push(isBelow),
  });
  await space.start();
  await space.look();
  assert.equal(space.belowFloor, true);
  floor = 0;
  await space.look();
  assert.equal(space.belowFloor, false);
  assert.ok(space.view!.freeBytes > 0);
  assert.deepEqual(told, [true, false]);
  space.close();
});
