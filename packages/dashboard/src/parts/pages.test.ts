/** A list that comes in pages is put together as far as it is wanted, and says whether there is more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { List } from '@weighbridge/client';
import { firstOf } from './pages.ts';

const ALL = Array.from({ length: 2500 }, (_, n) => n);

function ask({ limit, cursor }: { limit: number; cursor?: string }): Promise<List<number>> {
  assert.ok(limit >= 1 && limit <= 1000, `${limit} in one answer`);
  const from = cursor === undefined ? 0 : Number(cursor);
  const data = ALL.slice(from, from + limit);
  const hasMore = from + limit < ALL.length;
  return Promise.resolve({ object: 'list', data, hasMore, nextCursor: hasMore ? String(from + limit) : null });
}

test('as many as are wanted come, beyond what one answer holds', async () => {
  for (const count of [1, 200, 1000, 1200, 2400]) {
    const { data, hasMore } = await firstOf(count, ask);
    assert.deepEqual(data, ALL.slice(0, count));
    assert.equal(hasMore, true);
  }
});

test('the last page says that nothing follows', async () => {
  for (const count of [2500, 9000]) {
    const { data, hasMore } = await firstOf(count, ask);
    assert.deepEqual(data, ALL);
    assert.equal(hasMore, false);
  }
});
