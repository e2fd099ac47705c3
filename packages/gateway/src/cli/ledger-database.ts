/** Opens the configured ledger for the verbs that work on it directly: to look at one moment of it, or to write to it. */
import type { Flags } from '../config/inputs.ts';
import { loadConfig } from '../config/load.ts';
import { type Database, databaseName, type GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { RoomWrites } from '../store/compile.ts';
import type { Store } from '../store/store.ts';
import { Failure, type Surroundings } from './surroundings.ts';

export type LedgerFlags = Pick<Flags, 'config' | 'stateDir'> & { json?: boolean };

/** The configured ledger at one moment. */
export async function withSnapshot<Answer>(
  flags: LedgerFlags,
  { variables }: Surroundings,
  question: (store: Store, config: GatewayConfig) => Promise<Answer>,
): Promise<Answer> {
  const { config } = await loadConfig({ flags, variables });
  const { openSnapshot } = await import('../store/open.ts');
  const store = await openSnapshot(config.database).catch(failedToOpen(config.database));
  try {
    await refuseOtherSchema(store, databaseName(config.database));
    return await question(store, config);
  } finally {
    await store.close();
  }
}

/** What only asks can bring no tables up to date, and must not guess at those of another version. */
export async function refuseOtherSchema(store: Store, name: string): Promise<void> {
  const { schemaFacts } = await import('../store/facts.ts');
  const { lastMigration, pending, unknown } = await schemaFacts(store);
  if (unknown.length > 0) {
    throw new Failure(
      `${name} was written by a newer Weighbridge (migration ${unknown.join(', ')}); use that version.`,
    );
  }
  if (lastMigration === null) throw new Failure(`nothing is recorded yet in ${name}; \`serve\` makes its tables.`);
  if (pending.length > 0) {
    throw new Failure(
      `${name} has the tables of an older Weighbridge; \`serve\` brings them up to date. Back up first.`,
    );
  }
}

/** The ledger itself, while no gateway has it (SQLite) or beside those that do (PostgreSQL). */
export async function withWriter<Answer>(
  database: Database,
  more: readonly RoomWrites[],
  work: (store: Store) => Promise<Answer>,
): Promise<Answer> {
  const [{ openStore }, { LEDGER_WRITES, INTENT_SCRIPTS }, { EVENT_WRITES, CURSOR_SCRIPTS }] = await Promise.all([
    import('../store/open.ts'),
    import('../ledger/room.ts'),
    import('../events/room.ts'),
  ]);
  const store = await openStore({
    database,
    durability: 'power',
    rooms: [EVENT_WRITES, LEDGER_WRITES, ...more],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
    lockWaitMs: 0,
  }).catch(failedToOpen(database));
  try {
    return await work(store);
  } catch (error) {
    if (error instanceof GatewayError) throw new Failure(error.message);
    throw error;
  } finally {
    await store.close();
  }
}

export function failedToOpen(database: Database): (error: Error) => never {
  return (error) => {
    throw new Failure(`the ledger at ${databaseName(database)} cannot be opened: ${error.message}`);
  };
}
