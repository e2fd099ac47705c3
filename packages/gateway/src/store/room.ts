/** What the store itself brings: the probe that shows whether it can write, and the way to tell other processes. */
import { sql } from 'kysely';
import type { RoomWrites } from './compile.ts';
import { asked, insertRows } from './statement.ts';

/** Where processes on one PostgreSQL database hear each other; a schema has its own. */
export const TOLD_CHANNEL = sql<string>`'weighbridge:' || current_schema()`;

export const STORE_WRITES: RoomWrites = {
  statements: {
    'store.probe': insertRows('probe', ['one', 'filler'], { key: ['one'], replace: ['filler'] }),
    // SQLite has one process and nobody to tell: its writer passes it over.
    'store.tell': asked((db, engine) =>
      engine === 'sqlite'
        ? db.selectNoFrom(sql`${''}`.as('told'))
        : db.selectNoFrom(sql`pg_notify(${TOLD_CHANNEL}, ${''})`.as('told')),
    ),
  },
  scripts: new URL('./scripts.ts', import.meta.url),
};
