/** Both engines for tests that must hold on each: `for (const engine of ENGINES)`, with a database that nobody used. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../packages/gateway/src/domain/config.ts';
import { Secret } from '../../packages/gateway/src/lib/secret.ts';
import type { Engine } from '../../packages/gateway/src/store/store.ts';
import { testDatabase } from './postgres-server.ts';

export const ENGINES: readonly Engine[] = ['sqlite', 'postgres'];

let folder: string | null = null;
let files = 0;

/** An empty database; SQLite files go with the process. */
export async function freshDatabase(engine: Engine): Promise<Database> {
  if (engine === 'postgres') return { kind: 'postgres', url: new Secret(await testDatabase()) };
  if (folder === null) {
    const made = mkdtempSync(join(tmpdir(), 'weighbridge-databases-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return { kind: 'sqlite', file: join(folder, `${++files}.sqlite`) };
}
