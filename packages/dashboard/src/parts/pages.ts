/** Lists come in pages; the first so many of a list as one, however many pages that takes. */
import type { List } from '@weighbridge/client';

/** The most that one answer holds. */
const PAGE_MAX = 1000;

type Ask<Item> = (page: { limit: number; cursor?: string }) => Promise<List<Item>>;

export async function firstOf<Item>(count: number, ask: Ask<Item>): Promise<List<Item>> {
  let answer = await ask({ limit: Math.min(PAGE_MAX, count) });
  const data = [...answer.data];
  while (answer.nextCursor !== null && data.length < count) {
    answer = await ask({ limit: Math.min(PAGE_MAX, count - data.length), cursor: answer.nextCursor });
    data.push(...answer.data);
  }
  return { ...answer, data };
}
