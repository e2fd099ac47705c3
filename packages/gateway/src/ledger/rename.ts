/** What renaming a ledger brings to the store; only the verb that does it loads this. On SQLite the file's lock tells who lives. */
import type { RoomWrites } from '../store/compile.ts';
import { asked, databaseNow, updateRows } from '../store/statement.ts';

export const RENAME_WRITES: RoomWrites = {
  statements: {
    'rename.readName': asked((db) => db.selectFrom('ledger').select('ledgerId')),
    'rename.living': asked((db, engine) =>
      db
        .selectFrom('instances')
        .select((eb) => eb.fn.countAll<number>().as('living'))
        .where('leaseUntil', '>=', databaseNow(engine)),
    ),
    'rename.name': updateRows('ledger', ['ledgerId'], ['one']),
  },
  scripts: new URL('./rename-scripts.ts', import.meta.url),
};
