/** Notes some writes and dies at once, so that none of them can have been committed. `node … DATABASE_FILE`. */
import { openStore } from './open.ts';

const store = await openStore({
  database: { kind: 'sqlite', file: process.argv[2]! },
  durability: 'power',
  rooms: [{ statements: {}, scripts: new URL('./noted-script.fixture.ts', import.meta.url) }],
  intents: ['keep'],
  noted: ['keep'],
});
await Promise.all([7, 8, 9].map((input) => store.write('keep', input)));
process.kill(process.pid, 'SIGKILL');
