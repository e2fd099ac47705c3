/**
 * How the rows of a page are read: the columns that a record is made of, and no other; on PostgreSQL with their whole
 * numbers packed.
 */
import { type CompiledQuery, type SelectQueryBuilder, sql } from 'kysely';
import type { EntriesTable, Tables } from '../store/schema.ts';
import type { Row, Store } from '../store/store.ts';
import { packed, unpacked } from './packed.ts';
import type { EntryRow } from './record.ts';

const TEXTS = [
  'tenantId',
  'entryId',
  'dispatchId',
  'runId',
  'kind',
  'keyId',
  'agentId',
  'sessionKey',
  'sessionId',
  'endUserId',
  'endUserSource',
  'tags',
  'metadata',
  'provider',
  'model',
  'requestedModel',
  'api',
  'source',
  'traceparent',
  'outcome',
  'errorKind',
  'stopReason',
  'serviceTier',
  'usageSource',
  'serverTools',
  'priceId',
  'priceSource',
  'providerRequestId',
] as const satisfies readonly (keyof EntriesTable)[];

const NUMBERS = [
  'attempt',
  'stream',
  'startedAt',
  'settledAt',
  'httpStatus',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'latencyMs',
  'timeToFirstTokenMs',
  'endedAt',
] as const satisfies readonly (keyof EntriesTable)[];

/** Corrections are not listed, so what only they have is not read. */
export type ListedRow = Pick<EntryRow, (typeof TEXTS)[number] | (typeof NUMBERS)[number] | 'costNanoUsd'>;

/** Selects what `readListed` reads. */
export function selectListed({ engine, queries }: Store): SelectQueryBuilder<Tables, 'entries', unknown> {
  const cost = sql`cast(${sql.ref('costNanoUsd')} as text)`.as('costNanoUsd');
  const texts = queries.selectFrom('entries').select([...TEXTS, cost]);
  if (engine === 'sqlite') return texts.select(NUMBERS);
  return texts.select(packed(NUMBERS.map((column) => sql.ref(column))).as('packed'));
}

export async function readListed(store: Store, query: CompiledQuery): Promise<ListedRow[]> {
  const rows = await store.read<Row>(query);
  if (store.engine === 'postgres') {
    for (const row of rows) {
      const values = unpacked(row.packed as string);
      for (let index = 0; index < NUMBERS.length; index++) row[NUMBERS[index]!] = values[index]!;
    }
  }
  return rows as unknown as ListedRow[];
}
