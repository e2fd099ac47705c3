/** Questions to PostgreSQL, for a gateway's store and for commands that only ask. */
import type { CompiledQuery } from 'kysely';
import type pg from 'pg';
import { COMPILERS } from '../compile.ts';
import { type Row, type Store, StoreUnavailable, type Value } from '../store.ts';
import { readerPool, storable } from './connection.ts';
import { mayPass } from './failures.ts';

export async function readRows<R = Row>(from: Pick<pg.Pool, 'query'>, query: CompiledQuery): Promise<R[]> {
  try {
    const { rows } = await from.query(query.sql, (query.parameters as Value[]).map(storable));
    return rows as R[];
  } catch (error) {
    if (mayPass(error)) throw new StoreUnavailable((error as Error).message);
    throw error;
  }
}

/** A store that answers questions and refuses to write. */
export function openReadOnlyPostgres(url: string): Store {
  const pool = readerPool(url);
  return readOnly(
    (query) => readRows(pool, query),
    () => pool.end(),
  );
}

/** The same on one connection, whose every question sees the database as it was at the first. */
export async function openPostgresSnapshot(url: string): Promise<Store> {
  const pool = readerPool(url);
  const client = await pool.connect();
  await client.query('begin isolation level repeatable read read only');
  return readOnly(
    (query) => readRows(client, query),
    async () => {
      client.release(true);
      await pool.end();
    },
  );
}

function readOnly(read: Store['read'], close: Store['close']): Store {
  return {
    engine: 'postgres',
    queries: COMPILERS.postgres,
    available: false,
    exclusive: false,
    oldestWaitMs: 0,
    unanswered: 0,
    write: () => Promise.reject(new StoreUnavailable('it was opened read-only')),
    read,
    onAvailability: () => {},
    onTold: () => {},
    close,
  };
}
